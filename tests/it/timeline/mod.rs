//! Policies, tags and sessions in time: what was in force at an event, from snapshots of several times and from the log.

mod epochs;
mod generated;
mod log;
mod policies;
mod sessions;
mod tags;

use std::collections::BTreeMap;
use std::path::PathBuf;

use retrial::account::{CandidateType, Deployment, PolicySet, load};
use retrial::catalog::Catalog;
use retrial::evaluate::{LayerKind, Layers};
use retrial::frame::{json as rows, parquet};
use retrial::ingest::{Dataset, Reading, ingest};
use retrial::progress::Silent;
use retrial::replay::explain::{ExplainedEvent, explain};
use retrial::replay::{Manifest, Options, replay};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use log::Log;

const ACCOUNT: &str = "111122223333";
const WINDOW: i64 = 60_000_000;

/// A folder with snapshots, a log and a draft.
struct Story {
    folder: TempDir,
    log: Log,
    baseline: Vec<PathBuf>,
}

impl Story {
    fn new(log: Log) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), log, baseline: Vec::new() }
    }

    /// A policy file of the baseline.
    fn with(mut self, name: &str, content: &Value) -> Self {
        let text = if name.ends_with(".toml") { content.as_str().unwrap().to_owned() } else { content.to_string() };
        let path = self.folder.path().join("policies").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        self.baseline = vec![self.folder.path().join("policies")];
        self
    }

    fn dataset(&self) -> Dataset {
        let file = self.folder.path().join("log.json");
        std::fs::write(&file, json!({"Records": self.log.records}).to_string()).unwrap();
        let mut dataset = Dataset::open_or_create(&self.folder.path().join("events")).unwrap();
        ingest(&[file], &Reading::default(), &mut dataset, Catalog::builtin(), &Silent).unwrap();
        dataset
    }

    fn baseline(&self) -> PolicySet {
        load(&self.baseline).unwrap().into_baseline().unwrap()
    }

    /// The baseline against itself, or against a change set; layers of the organization are taken to be absent where no file
    /// says anything of them.
    fn options(&self, change_set: Option<&str>) -> Options {
        let baseline = self.baseline();
        let candidate = match change_set {
            None => baseline.clone(),
            Some(text) => {
                let file = self.folder.path().join("draft.toml");
                std::fs::write(&file, text).unwrap();
                let loaded = load(&[file]).unwrap();
                loaded.into_listed_candidate(&baseline, CandidateType::Identity, &[], &Deployment::default()).unwrap().0
            }
        };
        let assume_absent = if baseline.organizations.is_empty() { Layers::NONE.with(LayerKind::Scp) } else { Layers::NONE };
        Options { candidates: vec![("draft".to_owned(), candidate)], baseline, assume_absent, change_window: WINDOW, ..Options::default() }
    }

    fn replayed(&self, change_set: Option<&str>) -> Report {
        self.replayed_with(&self.options(change_set))
    }

    fn replayed_with(&self, options: &Options) -> Report {
        let folder = tempfile::tempdir().unwrap();
        let manifest = replay(&self.dataset(), options, Catalog::builtin(), folder.path(), &Silent).unwrap();
        Report { folder, manifest }
    }

    fn explained(&self, event: &str) -> ExplainedEvent {
        explain(&self.dataset(), &self.options(None), Catalog::builtin(), event, None).unwrap().remove(0)
    }
}

struct Report {
    folder: TempDir,
    manifest: Manifest,
}

impl Report {
    fn rows(&self) -> Vec<Map<String, Value>> {
        self.table("changes")
    }

    fn table(&self, name: &str) -> Vec<Map<String, Value>> {
        let tables = parquet::read(&self.folder.path().join(format!("{name}.parquet")), None).unwrap();
        tables.iter().flat_map(|table| (0..table.num_rows()).map(move |row| rows::row(table, row))).collect()
    }

    /// A column of the row of each event, by the event's id.
    fn by_event(&self, column: &str) -> BTreeMap<String, String> {
        let each = |row: Map<String, Value>| {
            let ids: Vec<String> = row["sample_event_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
            let value = row.get(column).map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            ids.into_iter().map(move |id| (id, value.clone())).collect::<Vec<_>>()
        };
        self.rows().into_iter().flat_map(each).collect()
    }

    /// The columns of some events are these.
    fn expect(&self, column: &str, expected: &[(&str, &str)]) {
        let found = self.by_event(column);
        for (id, value) in expected {
            assert_eq!(found.get(*id).map(String::as_str), Some(*value), "{column} of `{id}`: {found:#?}");
        }
    }

    /// Agreeing and contradicting events, of all.
    fn agreement(&self) -> (u64, u64, u64) {
        let agreement = self.manifest.agreement.unwrap();
        (agreement.agree, agreement.contradict, agreement.events)
    }
}

/// A document that allows some actions.
fn allow(actions: &[&str]) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Sid": "S", "Effect": "Allow", "Action": actions, "Resource": "*"}]})
}

/// A snapshot with one user and one role.
fn snapshot(user: &Value, role: &Value) -> Value {
    let mut alice = json!({"UserName": "alice", "UserId": "AIDAEXAMPLEALICE0000", "Arn": format!("arn:aws:iam::{ACCOUNT}:user/alice")});
    let mut ops = json!({"RoleName": "Ops", "RoleId": "AROAEXAMPLEOPS000000", "Arn": format!("arn:aws:iam::{ACCOUNT}:role/mail/Ops")});
    for (entity, more) in [(&mut alice, user), (&mut ops, role)] {
        entity.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    }
    json!({"UserDetailList": [alice], "RoleDetailList": [ops], "GroupDetailList": [], "Policies": [], "IsTruncated": false})
}

fn inline(document: &Value) -> Value {
    json!([{"PolicyName": "own", "PolicyDocument": document}])
}
