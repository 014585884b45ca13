//! Bytes a second of the stages of an ingest, one thread, each with the floor below it: inflate alone, the structure of the
//! JSON alone, then records, rows, columns and Parquet on top of one another.

#![expect(clippy::expect_used, reason = "a bench fails where it must not go on")]

use std::hint::black_box;
use std::io::Read as _;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use retrial::catalog::Catalog;
use retrial::cloudtrail::{Record, Sink, Skipped, decode};
use retrial::frame::{EventBuilder, EventRow, EventWriter, Place};
use retrial::ingest::map_record;

const EVENTS_IN_POOL: u64 = 20_000;

/// How far records are taken.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Stage {
    Decode,
    Map,
    Columns,
}

struct Counting {
    stage: Stage,
    rows: u64,
    builder: EventBuilder,
}

impl Counting {
    fn new(stage: Stage) -> Self {
        Self { stage, rows: 0, builder: EventBuilder::default() }
    }
}

impl Counting {
    fn take<'r>(&mut self, records: impl ExactSizeIterator<Item = &'r Record<'r>>, first: u64) {
        self.rows += records.len() as u64;
        if self.stage >= Stage::Map {
            let map = |(record, index)| map_record(Catalog::builtin(), black_box(record), "", "log.json.gz", index);
            let rows: Vec<EventRow<'_>> = records.zip(first..).map(map).collect();
            if self.stage >= Stage::Columns {
                self.builder.push_all(&rows).expect("the rows fit");
            } else {
                black_box(rows);
            }
        }
    }
}

impl Sink for Counting {
    fn record(&mut self, index: u64, _: i64, record: &Record<'_>, _: &str) {
        self.take(std::iter::once(record), index);
    }

    fn records(&mut self, first: u64, records: &[(i64, Record<'_>)]) {
        self.take(records.iter().map(|(_, record)| record), first);
    }

    fn skipped(&mut self, skipped: Skipped) {
        black_box(skipped);
    }
}

fn stages(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let estate = retrial::generate::Options { events: EVENTS_IN_POOL, seed: 1 };
    retrial::generate::generate(folder.path(), &estate, &mut |_| {}).expect("an estate");
    let mut compressed = Vec::new();
    for entry in ignore::Walk::new(folder.path().join("logs")).flatten().filter(|entry| entry.path().extension().is_some_and(|e| e == "gz"))
    {
        compressed.push(std::fs::read(entry.path()).expect("a log"));
    }
    let inflate = |bytes: &[u8], into: &mut String| {
        into.clear();
        flate2::read::MultiGzDecoder::new(bytes).read_to_string(into).expect("gzip");
    };
    let texts: Vec<String> = compressed
        .iter()
        .map(|bytes| {
            let mut text = String::new();
            inflate(bytes, &mut text);
            text
        })
        .collect();
    let bytes: usize = texts.iter().map(String::len).sum();
    let mut group = criterion.benchmark_group("ingest");
    group.throughput(Throughput::Bytes(bytes as u64));
    let mut decompressor = libdeflater::Decompressor::new();
    let mut plain = vec![0u8; texts.iter().map(String::len).max().unwrap_or(0)];
    group.bench_function("1_inflate", |bencher| {
        bencher.iter(|| {
            let sizes = compressed.iter().map(|bytes| decompressor.gzip_decompress(bytes, &mut plain).expect("gzip"));
            assert_eq!(sizes.sum::<usize>(), bytes);
        });
    });
    group.bench_function("2_structure", |bencher| {
        bencher.iter(|| {
            texts.iter().for_each(|text| {
                serde_json::from_str::<serde::de::IgnoredAny>(text).expect("JSON");
            })
        });
    });
    for (name, stage) in [("3_decode", Stage::Decode), ("4_decode_map", Stage::Map), ("5_decode_map_columns", Stage::Columns)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut sink = Counting::new(stage);
                texts.iter().for_each(|text| decode(text, &mut sink));
                assert!(sink.rows >= EVENTS_IN_POOL);
            });
        });
    }
    let mut sink = Counting::new(Stage::Columns);
    texts.iter().for_each(|text| decode(text, &mut sink));
    let batch = sink.builder.finish().expect("columns");
    let file = folder.path().join("events.parquet");
    let places: Vec<Place> = (0..batch.num_rows()).map(|row| (0, row)).collect();
    group.bench_function("6_parquet", |bencher| {
        bencher.iter(|| {
            let mut writer = EventWriter::create(&file, &[]).expect("a file");
            writer.push(&[&batch], &places).expect("rows");
            writer.finish().expect("written")
        });
    });
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
