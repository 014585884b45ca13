//! The estate at scale, written straight as a dataset: what replays of large datasets are measured with.

use std::collections::BTreeSet;
use std::path::Path;

use retrial::Error;
use retrial::account::{CandidateType, load};
use retrial::catalog::Catalog;
use retrial::frame::{parquet, read};
use retrial::generate::{self, generate_dataset};
use retrial::ingest::{Dataset, Reading, ingest};
use retrial::progress::{Progress, Silent};
use retrial::replay::{Manifest, Options, replay};

const EVENTS: u64 = 30_000;

fn made(folder: &Path, events: u64) -> Dataset {
    let written = generate_dataset(folder, &generate::Options { events, seed: 3 }, &Silent).unwrap();
    assert_eq!(written, events);
    Dataset::open(&folder.join("events")).unwrap()
}

fn options(folder: &Path) -> Options {
    let baseline = load(&[folder.join("policies/baseline")]).unwrap().into_baseline().unwrap();
    let candidate = load(&[folder.join("policies/mfa-region-lock")]).unwrap();
    let candidate = candidate.into_candidate(&baseline, CandidateType::Identity, &[]).unwrap();
    Options { baseline, candidates: vec![("lock".to_owned(), candidate)], ..Options::default() }
}

fn replayed(folder: &Path, dataset: &Dataset, progress: &dyn Progress) -> Result<Manifest, Error> {
    let report = folder.join("report");
    std::fs::create_dir_all(&report).unwrap();
    replay(dataset, &options(folder), Catalog::builtin(), &report, progress)
}

#[test]
fn many_colleagues_do_what_the_snapshot_explains() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = made(folder.path(), EVENTS);
    assert_eq!((dataset.ledger.counts.events, dataset.ledger.days.len()), (EVENTS, 365));
    let (mut principals, mut addresses, mut agents) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut before = 0;
    for file in dataset.files().unwrap() {
        for batch in parquet::read(&file, None).unwrap() {
            for (column, values) in [("principal_arn", &mut principals), ("source_ip", &mut addresses), ("user_agent", &mut agents)] {
                values.extend(read::text(&batch, column).unwrap().iter().flatten().map(str::to_owned));
            }
            let times = read::time(&batch, "event_time").unwrap().values();
            assert!(times.is_sorted() && times.first().is_some_and(|first| *first >= before), "in order of time");
            before = times.last().copied().unwrap();
        }
    }
    assert!(principals.len() > 500 && agents.len() >= 60, "{} {}", principals.len(), agents.len());
    assert!(addresses.len() > 5_000, "{}", addresses.len());
    let manifest = replayed(folder.path(), &dataset, &Silent).unwrap();
    let agreement = manifest.agreement.unwrap();
    assert_eq!(agreement.contradict, 0);
    assert!(agreement.agree * 10 > agreement.events * 8, "{agreement:?}");
    assert!(manifest.candidates[0].events["lost"] > 0);
}

#[test]
fn a_dataset_is_the_same_every_time() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = [made(one.path(), 800), made(two.path(), 800)].map(|dataset| {
        let files = dataset.files().unwrap();
        files.iter().map(|file| std::fs::read(file).unwrap()).collect::<Vec<_>>()
    });
    assert!(files[0] == files[1]);
}

/// Loads more into the dataset when the replay begins to read.
struct Loading<'l>(&'l Path);

impl Progress for Loading<'_> {
    fn begin(&self, stage: &str, _: u64, _: u64) {
        if stage == "replaying events" {
            let logs = self.0.join("more");
            std::fs::create_dir_all(&logs).unwrap();
            let record =
                r#"{"eventTime":"2026-07-01T08:00:00Z","eventSource":"workmail.amazonaws.com","eventName":"ListUsers","eventID":"e-1"}"#;
            std::fs::write(logs.join("one.json"), record).unwrap();
            let mut dataset = Dataset::open(&self.0.join("events")).unwrap();
            ingest(&[logs], &Reading::default(), &mut dataset, Catalog::builtin(), &Silent).unwrap();
        }
    }
    fn advance(&self, _: u64, _: u64) {}
    fn end(&self) {}
    fn warn(&self, _: &str) {}
}

#[test]
fn a_dataset_that_changes_while_it_is_replayed_is_not_reported_on() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = made(folder.path(), 800);
    let refused = replayed(folder.path(), &dataset, &Loading(folder.path())).unwrap_err();
    assert!(matches!(&refused, Error::Usage(text) if text.contains("while it was read: run this again")), "{refused}");
    let again = Dataset::open(&folder.path().join("events")).unwrap();
    assert_eq!(replayed(folder.path(), &again, &Silent).unwrap().counts.events, 801);
}
