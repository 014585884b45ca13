//! The generated estate with planted changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use retrial::account::{CandidateType, PolicySet, PrincipalKey, load};
use retrial::catalog::Catalog;
use retrial::generate::{Options as Generate, generate_history};
use retrial::ingest::{Dataset, Reading, ingest};
use retrial::progress::Silent;
use retrial::replay::{Options, replay};
use serde_json::Value;

use super::{Report, WINDOW};

struct Estate {
    folder: tempfile::TempDir,
}

impl Estate {
    fn new(events: u64, seed: u64, changes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        generate_history(folder.path(), &Generate { events, seed }, changes, &mut |_| {}).unwrap();
        Self { folder }
    }

    fn policies(&self, names: &[&str]) -> PolicySet {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.folder.path().join("policies").join(name)).collect();
        load(&paths).unwrap().into_baseline().unwrap()
    }

    fn replayed(&self, logs: &Path, baseline: PolicySet) -> Report {
        let events = tempfile::tempdir().unwrap();
        let mut dataset = Dataset::open_or_create(events.path()).unwrap();
        ingest(&[logs.to_path_buf()], &Reading::default(), &mut dataset, Catalog::builtin(), &Silent).unwrap();
        let candidate = load(&[self.folder.path().join("policies/candidate")]).unwrap();
        let candidate = candidate.into_candidate(&baseline, CandidateType::Identity, &[]).unwrap();
        let options = Options { baseline, candidates: vec![("draft".to_owned(), candidate)], change_window: WINDOW, ..Options::default() };
        let folder = tempfile::tempdir().unwrap();
        let manifest = replay(&dataset, &options, Catalog::builtin(), folder.path(), &Silent).unwrap();
        Report { folder, manifest }
    }

    /// The log without the calls of IAM, as somebody has who collected one region only.
    fn without_changes(&self) -> PathBuf {
        let logs = self.folder.path().join("one-region");
        std::fs::create_dir(&logs).unwrap();
        let mut open = vec![self.folder.path().join("logs")];
        let mut number = 0;
        while let Some(next) = open.pop() {
            if next.is_dir() {
                open.extend(std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let text = std::io::read_to_string(flate2::read::GzDecoder::new(std::fs::File::open(next).unwrap())).unwrap();
            let mut file: Value = serde_json::from_str(&text).unwrap();
            file["Records"].as_array_mut().unwrap().retain(|record| record["eventSource"] != "iam.amazonaws.com");
            std::fs::write(logs.join(format!("{number}.json")), file.to_string()).unwrap();
            number += 1;
        }
        logs
    }
}

#[test]
fn with_the_timeline_every_event_agrees_and_no_candidate_is_blamed() {
    for (events, seed, changes) in [(1_500, 1, 5), (1_500, 2, 16), (3_000, 3, 100)] {
        let estate = Estate::new(events, seed, changes);
        let logs = estate.folder.path().join("logs");
        let report = estate.replayed(&logs, estate.policies(&["newest", "oldest", "organization.json"]));
        assert_eq!(report.agreement(), (events, 0, events), "{changes} changes, seed {seed}");
        assert!(report.manifest.followed.unwrap().changes >= changes as u64);
        // What was lost before is told, and is not a loss of the candidate.
        let told = report.rows().into_iter().filter(|row| row["candidate_reason"].as_str().unwrap().starts_with("already lost since "));
        let told: BTreeSet<String> = told.map(|row| row["change"].as_str().unwrap().to_owned()).collect();
        assert_eq!(told, BTreeSet::from(["unchanged_denied".to_owned()]));
        assert!(report.manifest.candidates[0].already_lost > 0);
        // Either snapshot and the log, without the other: nothing that is not known contradicts.
        for one in [["newest", "organization.json"], ["oldest", "organization.json"]] {
            assert_eq!(estate.replayed(&logs, estate.policies(&one)).agreement().1, 0, "{one:?}");
        }
        let oldest = estate.replayed(&logs, estate.policies(&["oldest", "organization.json"]));
        assert_eq!(oldest.agreement(), (events, 0, events), "what came after the first snapshot is all in the log");
    }
}

#[test]
fn the_last_snapshot_alone_is_contradicted_where_changes_are_planted() {
    let estate = Estate::new(3_000, 7, 5);
    let report = estate.replayed(&estate.without_changes(), estate.policies(&["newest", "organization.json"]));
    let (agree, contradict, events) = report.agreement();
    assert!(contradict > 100 && agree + contradict == events, "{agree} and {contradict} of {events}");
    assert_eq!(report.manifest.followed, None);
    // Those, and only those, whose policies are others in the first snapshot.
    let (oldest, newest) = (estate.policies(&["oldest"]), estate.policies(&["newest"]));
    let contradicted = report.rows().into_iter().filter(|row| row.get("contradiction").is_some_and(|value| !value.is_null()));
    let principals: BTreeSet<String> = contradicted.map(|row| row["principal_arn"].as_str().unwrap().to_owned()).collect();
    assert!(principals.len() >= 5, "{principals:?}");
    for arn in principals {
        let key = PrincipalKey { arn: arn.clone(), id: String::new(), account: super::ACCOUNT.to_owned() };
        let differs = oldest.bundle(&key) != newest.bundle(&key) || oldest.tags_of(&key) != newest.tags_of(&key);
        assert!(differs, "{arn} is contradicted and nothing was planted there");
    }
}
