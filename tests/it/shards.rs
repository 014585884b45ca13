//! A replay in parts: what the shards come to together is what one run comes to, byte for byte.

use std::path::{Path, PathBuf};

use retrial::Error;
use retrial::account::{CandidateType, load};
use retrial::catalog::Catalog;
use retrial::generate::{self, generate_dataset};
use retrial::iam::Pattern;
use retrial::ingest::{Dataset, Reading, ingest};
use retrial::progress::Silent;
use retrial::replay::{Filter, Options, Shard, merge, replay};
use serde_json::Value;

use super::commands::Room;

const TABLES: [&str; 6] = ["actions", "changes", "principals", "statements", "coverage", "skipped"];

fn options(policies: &Path, candidates: &[&str], filter: Filter, shard: Option<Shard>) -> Options {
    let baseline = load(&[policies.join("baseline")]).unwrap().into_baseline().unwrap();
    let candidate = |name: &&str| {
        let loaded = load(&[policies.join(name)]).unwrap();
        ((*name).to_owned(), loaded.into_candidate(&baseline, CandidateType::Identity, &[]).unwrap())
    };
    let candidates = candidates.iter().map(candidate).collect();
    Options { baseline, candidates, filter, shard, ..Options::default() }
}

/// Replays in one piece and in parts, and compares what is written.
fn compare(dataset: &Dataset, policies: &Path, candidates: &[&str], filter: &Filter, of: u32) {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, shard: Option<Shard>| {
        let report = folder.path().join(name);
        std::fs::create_dir(&report).unwrap();
        let options = options(policies, candidates, filter.clone(), shard);
        replay(dataset, &options, Catalog::builtin(), &report, &Silent).unwrap();
        report
    };
    let whole = run("whole", None);
    let mut shards: Vec<PathBuf> = (0..of).map(|index| run(&format!("shard-{index}"), Some(Shard { index, of }))).collect();
    shards.reverse();
    let merged = folder.path().join("merged");
    std::fs::create_dir(&merged).unwrap();
    merge(&shards, &merged).unwrap();
    for table in TABLES {
        let [one, other] = [&whole, &merged].map(|report| std::fs::read(report.join(format!("{table}.parquet"))).unwrap());
        assert!(one == other, "{table} of {of} shards");
    }
    let manifest = |report: &Path| {
        let mut manifest: Value = serde_json::from_slice(&std::fs::read(report.join("manifest.json")).unwrap()).unwrap();
        manifest["run"].take();
        manifest
    };
    assert_eq!(manifest(&whole), manifest(&merged));
    assert!(!whole.join("tally.parquet").exists() && shards.iter().all(|shard| shard.join("tally.parquet").exists()));
}

#[test]
fn shards_add_up_to_one_run() {
    let folder = tempfile::tempdir().unwrap();
    generate_dataset(folder.path(), &generate::Options { events: 5_000, seed: 5 }, &Silent).unwrap();
    let dataset = Dataset::open(&folder.path().join("events")).unwrap();
    let policies = folder.path().join("policies");
    for of in [1, 3, 64] {
        compare(&dataset, &policies, &["mfa-region-lock"], &Filter::default(), of);
    }
    let filter = Filter { regions: vec!["eu-west-1".to_owned()], principals: vec![Pattern::glob("*role/*")], ..Filter::default() };
    compare(&dataset, &policies, &["mfa-region-lock", "wind-down"], &filter, 2);
}

#[test]
fn shards_of_the_shipped_data_add_up() {
    // Duplicates, skipped records, contradictions, callers without an ARN, several accounts.
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/workmail");
    let folder = tempfile::tempdir().unwrap();
    let mut dataset = Dataset::open_or_create(&folder.path().join("events")).unwrap();
    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, r#"{"Records": [{"eventTime": "2026-07-01T08:00:00Z", "eventName": "ListUsers"}, 7]} x"#).unwrap();
    ingest(&[shipped.join("logs"), broken], &Reading::default(), &mut dataset, Catalog::builtin(), &Silent).unwrap();
    assert!(dataset.ledger.counts.duplicates > 0 && dataset.ledger.counts.skipped > 0);
    compare(&dataset, &shipped.join("policies"), &["mfa-region-lock", "wind-down", "read-only"], &Filter::default(), 3);
}

#[test]
fn a_damaged_tally_is_named() {
    let folder = tempfile::tempdir().unwrap();
    generate_dataset(folder.path(), &generate::Options { events: 300, seed: 5 }, &Silent).unwrap();
    let dataset = Dataset::open(&folder.path().join("events")).unwrap();
    let report = folder.path().join("shard");
    std::fs::create_dir(&report).unwrap();
    let shard = Some(Shard { index: 0, of: 1 });
    let options = options(&folder.path().join("policies"), &["mfa-region-lock"], Filter::default(), shard);
    replay(&dataset, &options, Catalog::builtin(), &report, &Silent).unwrap();
    let tally = report.join("tally.parquet");
    let whole = std::fs::read(&tally).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&tally, bytes).unwrap();
        let merged = tempfile::tempdir().unwrap();
        merge(std::slice::from_ref(&report), merged.path()).unwrap_err()
    };
    for bytes in [&whole[..whole.len() / 2], b"", &std::fs::read(report.join("skipped.parquet")).unwrap()] {
        let error = refused(bytes);
        assert!(matches!(error, Error::Format { .. } | Error::Columns(_)), "{error}");
    }
}

#[test]
fn what_are_not_all_shards_of_one_run_is_refused() {
    let place = Room::new();
    place.run(&["generate", "estate", "--events", "400", "--seed", "2"]).exits(0);
    let replay = |report: &str, shard: &str, candidate: &str| {
        let candidate = format!("estate/policies/{candidate}");
        let policies = ["--baseline", "estate/policies/baseline", "--candidate", candidate.as_str()];
        place.run(&[["replay", "estate/logs", "-o", report, "--shard", shard].as_slice(), &policies].concat())
    };
    replay("one", "1/2", "wind-down").exits(0);
    replay("two", "2/2", "wind-down").exits(0);
    replay("other", "2/2", "read-only").exits(0);
    let refused = |reports: &[&str], text: &str| {
        let run = place.run(&[["merge"].as_slice(), reports, &["-o", "merged"]].concat()).exits(2);
        assert!(run.stderr.contains(text), "{}", run.stderr);
        assert!(!place.path("merged").exists());
    };
    refused(&["one"], "shards are missing: 2/2");
    refused(&["one", "one", "two"], "are both shard 1/2");
    refused(&["one", "other"], "are not of one run: they differ in `arguments`");
    refused(&["one", "nothing"], "nothing");
    place.run(&["merge", "two", "one", "-o", "merged", "--fail-on", "lost"]).exits(1);
    refused_again(&place);
    for bad in ["3/2", "0/0", "one"] {
        let run = replay("bad", bad, "wind-down").exits(2);
        assert!(run.stderr.contains("write I/N"), "{}", run.stderr);
    }
}

/// A report that was merged is none to merge again, and it explains its events as any other does.
fn refused_again(place: &Room) {
    let run = place.run(&["merge", "merged", "-o", "again"]).exits(2);
    assert!(run.stderr.contains("is no shard"), "{}", run.stderr);
    let changes = retrial::frame::parquet::read(&place.path("merged/changes.parquet"), Some(&["change_id"])).unwrap();
    let id = retrial::frame::read::text(&changes[0], "change_id").unwrap().value(0).to_owned();
    place.run(&["explain", "merged", "--change", &id]).exits(0);
}
