//! What real logs hold and no description of the format mentions: each oddity, and what loading makes of it.

mod delivery;
mod exports;
mod fields;
mod outcomes;
mod tables;

use std::collections::BTreeMap;

use retrial::arrow::array::{Array as _, AsArray as _, RecordBatch};
use retrial::arrow::compute::concat_batches;
use retrial::catalog::Catalog;
use retrial::frame::schema::EVENTS;
use retrial::frame::{parquet, read};
use retrial::ingest::{Dataset, DatasetCounts, Reading, SkippedRow, ingest};
use retrial::progress::Silent;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A dataset made of a few files, and its rows.
struct Loaded {
    dir: TempDir,
    dataset: Dataset,
    counts: DatasetCounts,
    skipped: Vec<SkippedRow>,
    events: RecordBatch,
}

impl Loaded {
    fn text(&self, row: usize, column: &str) -> Option<&str> {
        read::get(read::text(&self.events, column).unwrap(), row)
    }

    fn texts(&self, column: &str) -> Vec<&str> {
        (0..self.events.num_rows()).map(|row| self.text(row, column).unwrap_or("-")).collect()
    }

    fn flag(&self, row: usize, column: &str) -> Option<bool> {
        let flags = read::flag(&self.events, column).unwrap();
        flags.is_valid(row).then(|| flags.value(row))
    }

    /// Context keys that are listed without a value.
    fn unknown_keys(&self, row: usize) -> Vec<String> {
        let entries = read::map(&self.events, "request_context").unwrap().value(row);
        let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1));
        (0..entries.len()).filter(|at| values.is_null(*at)).map(|at| keys.value(at).to_owned()).collect()
    }

    /// Context keys that are listed with a value.
    fn keys(&self, row: usize) -> Vec<String> {
        let entries = read::map(&self.events, "request_context").unwrap().value(row);
        let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1));
        (0..entries.len()).filter(|at| values.is_valid(*at)).map(|at| keys.value(at).to_owned()).collect()
    }

    fn reasons(&self) -> BTreeMap<&str, u64> {
        let mut reasons = BTreeMap::new();
        self.skipped.iter().for_each(|skipped| *reasons.entry(skipped.reason.as_str()).or_default() += skipped.count);
        reasons
    }
}

/// Loads files of these contents, `0.log` and so on.
fn load(files: &[&str]) -> Loaded {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    for (number, text) in files.iter().enumerate() {
        std::fs::write(logs.join(format!("{number}.log")), text).unwrap();
    }
    let mut dataset = Dataset::open_or_create(&dir.path().join("events")).unwrap();
    ingest(&[logs], &Reading::default(), &mut dataset, Catalog::builtin(), &Silent).unwrap();
    let counts = dataset.ledger.counts;
    assert_eq!(counts.records, counts.duplicates + counts.skipped + counts.events, "{counts:?}");
    let batches: Vec<RecordBatch> = dataset.files().unwrap().iter().flat_map(|file| parquet::read(file, None).unwrap()).collect();
    let schema = batches.first().map_or(EVENTS.schema.clone(), |batch| batch.schema());
    let events = concat_batches(&schema, &batches).unwrap();
    assert_eq!(events.num_rows() as u64, counts.events);
    Loaded { counts, skipped: dataset.ledger.skipped.clone(), events, dir, dataset }
}

fn load_one(record: &Value) -> Loaded {
    let loaded = load(&[&record.to_string()]);
    assert_eq!(loaded.counts.events, 1, "{record}: {:?}", loaded.skipped);
    loaded
}

/// Loads records of one file, in the order of `eventTime`.
fn load_all(records: impl IntoIterator<Item = Value>) -> Loaded {
    let records: Vec<Value> = records
        .into_iter()
        .enumerate()
        .map(|(second, mut record)| {
            record["eventTime"] = json!(format!("2026-01-01T00:00:{second:02}Z"));
            record["eventID"] = json!(format!("00000000-0000-0000-0000-0000000000{second:02}"));
            record
        })
        .collect();
    let loaded = load(&[&json!({ "Records": records }).to_string()]);
    assert_eq!(loaded.counts.events, records.len() as u64, "{:?}", loaded.skipped);
    loaded
}

const ORGANIZATION: &str = "m-0123456789abcdef0123456789abcdef";

/// A full record of an IAM user's call.
fn record() -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": "arn:aws:iam::111122223333:user/mail/erin",
            "accountId": "111122223333", "accessKeyId": "AKIAEXAMPLE", "userName": "erin"
        },
        "eventTime": "2026-01-01T12:00:00Z",
        "eventSource": "workmail.amazonaws.com",
        "eventName": "DescribeUser",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "192.0.2.7",
        "userAgent": "aws-cli/2.0",
        "requestParameters": {"organizationId": ORGANIZATION, "userId": "S-1"},
        "responseElements": null,
        "requestID": "11111111-0000-0000-0000-000000000000",
        "eventID": "22222222-0000-0000-0000-000000000000",
        "readOnly": true,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management"
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut record = record();
    change(&mut record);
    record
}

fn without(member: &str) -> Value {
    with(|record| assert!(record.as_object_mut().unwrap().remove(member).is_some()))
}

/// A record with one member of the identity replaced.
fn identity(identity: Value) -> Value {
    with(|record| record["userIdentity"] = identity)
}
