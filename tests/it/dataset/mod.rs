//! The events dataset: each event once, exact counts, and the same bytes whatever happens on the way.

mod copies;
mod growth;
#[cfg(all(feature = "cli", unix))]
mod processes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use retrial::catalog::Catalog;
use retrial::frame::{parquet, read};
use retrial::generate::{self, generate};
use retrial::ingest::{Dataset, DatasetCounts, Ingested, Reading, ingest};
use retrial::progress::{Progress, Silent};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Log files and a dataset of them.
struct Room {
    dir: TempDir,
}

impl Room {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A log file.
    fn log(&self, name: &str, records: &[Value]) -> PathBuf {
        self.write(name, json!({ "Records": records }).to_string())
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Loads files into the dataset of that name.
    fn load(&self, dataset: &str, files: &[&PathBuf]) -> (Dataset, Ingested) {
        load_with(&self.path(dataset), files, |_| {})
    }

    /// Synthetic logs of so many events.
    fn generated(&self, events: u64) -> PathBuf {
        let estate = self.path("estate");
        generate(&estate, &generate::Options { events, seed: 7 }, &mut |_| {}).unwrap();
        estate.join("logs")
    }
}

fn load_with(folder: &Path, files: &[&PathBuf], set: impl Fn(&mut Dataset)) -> (Dataset, Ingested) {
    let paths: Vec<PathBuf> = files.iter().map(|path| (*path).clone()).collect();
    let mut dataset = Dataset::open_or_create(folder).unwrap();
    set(&mut dataset);
    let ingested = ingest(&paths, &Reading::default(), &mut dataset, Catalog::builtin(), &Silent).unwrap();
    let counts = dataset.ledger.counts;
    assert_eq!(counts.records, counts.duplicates + counts.skipped + counts.events);
    assert_eq!(counts.events, ids(&dataset).len() as u64, "the ledger counts what is there");
    (dataset, ingested)
}

/// A record with an id and more members.
fn record(id: &str, more: &Value) -> Value {
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser", "principalId": "AIDAEXAMPLEALICE", "arn": "arn:aws:iam::111122223333:user/alice",
            "accountId": "111122223333", "userName": "alice"
        },
        "eventTime": "2026-03-04T05:06:07Z", "eventSource": "workmail.amazonaws.com", "eventName": "ListUsers",
        "awsRegion": "eu-west-1", "sourceIPAddress": "192.0.2.10", "userAgent": "aws-cli/2.0", "requestParameters": null,
        "requestID": format!("request-{id}"), "eventID": id, "readOnly": true, "eventType": "AwsApiCall",
        "managementEvent": true, "recipientAccountId": "111122223333", "eventCategory": "Management"
    });
    let members = record.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    members.retain(|_, value| *value != json!("absent"));
    record
}

fn plain(id: &str) -> Value {
    record(id, &json!({}))
}

/// The event ids, in the order of the dataset.
fn ids(dataset: &Dataset) -> Vec<String> {
    let mut ids = Vec::new();
    for file in dataset.files().unwrap() {
        for batch in parquet::read(&file, Some(&["event_id"])).unwrap() {
            ids.extend(read::text(&batch, "event_id").unwrap().iter().flatten().map(str::to_owned));
        }
    }
    ids
}

/// Every file of a folder by its path in it.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(folder, &mut found);
    found.into_iter().map(|path| (path.strip_prefix(folder).unwrap().to_path_buf(), std::fs::read(&path).unwrap())).collect()
}

fn events_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = bytes(folder);
    files.retain(|path, _| !path.starts_with("_retrial"));
    files
}

#[track_caller]
fn assert_same(a: &BTreeMap<PathBuf, Vec<u8>>, b: &BTreeMap<PathBuf, Vec<u8>>, what: &str) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{what}: other files");
    let differ: Vec<_> = a.iter().filter(|(path, content)| b[*path] != **content).map(|(path, _)| path).collect();
    assert!(differ.is_empty(), "{what}: {differ:?} differ");
}

/// Loads the files at once, one by one, one by one in reverse, and each into a dataset of its own, which are then combined: the events
/// must be `expected`, the datasets equal.
#[track_caller]
fn leaves(room: &Room, files: &[PathBuf], expected: &[&str]) -> DatasetCounts {
    let all: Vec<&PathBuf> = files.iter().collect();
    let (dataset, _) = room.load("at-once", &all);
    assert_eq!(ids(&dataset), expected, "at once");
    for (name, order) in [("one-by-one", all.clone()), ("reversed", all.iter().rev().copied().collect())] {
        for file in order {
            room.load(name, &[file]);
        }
        assert_eq!(ids(&Dataset::open(&room.path(name)).unwrap()), expected, "{name}");
        assert_same(&bytes(&room.path("at-once")), &bytes(&room.path(name)), name);
    }
    let parts: Vec<PathBuf> = (0..files.len()).map(|part| room.path(&format!("part-{part}"))).collect();
    parts.iter().zip(files).for_each(|(part, file)| drop(load_with(part, &[file], |_| ())));
    room.load("combined", &parts.iter().collect::<Vec<_>>());
    assert_same(&bytes(&room.path("at-once")), &bytes(&room.path("combined")), "combined");
    dataset.ledger.counts
}

fn counts(records: u64, duplicates: u64, skipped: u64, id_conflicts: u64, events: u64) -> DatasetCounts {
    DatasetCounts { records, duplicates, skipped, id_conflicts, events }
}

#[test]
fn of_equal_records_the_first_stays() {
    let room = Room::new();
    let late = record("b", &json!({ "eventTime": "2026-03-04T23:00:00Z" }));
    let files = [
        room.log("2.json", &[plain("a"), late.clone()]),
        room.log("1.json", &[late, plain("c"), plain("a")]),
        room.log("3.json", &[plain("a")]),
    ];
    let found = leaves(&room, &files, &["a", "c", "b"]);
    assert_eq!(found, counts(6, 3, 0, 0, 3));
    let batches = parquet::read(&Dataset::open(&room.path("reversed")).unwrap().files().unwrap()[0], None).unwrap();
    let places: Vec<(&str, i64)> = (0..3)
        .map(|row| (read::text(&batches[0], "source_file").unwrap().value(row), read::int(&batches[0], "source_index").unwrap().value(row)))
        .map(|(file, index)| (file.rsplit('/').next().unwrap(), index))
        .collect();
    assert_eq!(places, [("1.json", 2), ("1.json", 1), ("1.json", 0)]);
}

#[test]
fn an_id_with_other_content_is_another_event() {
    let room = Room::new();
    let others = [
        json!({ "eventName": "ListGroups" }),
        json!({ "eventTime": "2026-03-04T06:00:00Z" }),
        json!({ "errorCode": "AccessDenied" }),
        json!({ "recipientAccountId": "444455556666" }),
    ];
    let files: Vec<PathBuf> =
        others.iter().enumerate().map(|(n, more)| room.log(&format!("{n}.json"), &[record("a", more), plain("a")])).collect();
    // The one of another account is no conflict.
    assert_eq!(leaves(&room, &files, &["a"; 5]), counts(8, 3, 0, 3, 5));
}

#[test]
fn a_record_without_an_id_is_known_by_its_content() {
    let room = Room::new();
    let without = |name: &str| record("", &json!({ "eventID": "absent", "eventName": name }));
    let files = [room.log("1.json", &[without("ListUsers"), without("ListGroups")]), room.log("2.json", &[without("ListUsers")])];
    let (dataset, _) = room.load("events", &files.iter().collect::<Vec<_>>());
    assert_eq!(dataset.ledger.counts, counts(3, 1, 0, 0, 2));
}

#[test]
fn a_day_whose_folder_cannot_be_made_costs_nothing_that_was_there() {
    let room = Room::new();
    let first = room.log("a.json", &[plain("a")]);
    room.load("events", &[&first]);
    room.write("events/date=2026-03-06", "");
    let before = bytes(&room.path("events"));
    let days = ["2026-03-05", "2026-03-06"].map(|day| record(day, &json!({"eventTime": format!("{day}T00:00:00Z")})));
    let more = room.log("b.json", &days);
    let mut dataset = Dataset::open(&room.path("events")).unwrap();
    ingest(std::slice::from_ref(&more), &Reading::default(), &mut dataset, Catalog::builtin(), &Silent).unwrap_err();
    assert_same(&before, &bytes(&room.path("events")), "nothing was loaded");
    std::fs::remove_file(room.path("events/date=2026-03-06")).unwrap();
    assert_eq!(room.load("events", &[&more]).0.ledger.counts, counts(3, 0, 0, 0, 3));
}

#[test]
fn files_of_others_in_a_dataset_stay() {
    let room = Room::new();
    let first = room.log("a.json", &[plain("a")]);
    let (dataset, _) = room.load("events", &[&first]);
    let day = dataset.files().unwrap().remove(0);
    let others = ["events-backup.parquet", "events.parquet.bak", "notes.txt"].map(|name| day.with_file_name(name));
    others.iter().for_each(|other| std::fs::write(other, "mine").unwrap());
    room.load("events", &[&room.log("b.json", &[plain("b")])]);
    assert!(others.iter().all(|other| other.is_file()));
}

#[test]
fn a_ledger_that_cannot_be_is_refused() {
    let room = Room::new();
    room.load("events", &[&room.log("a.json", &[plain("a")])]);
    let file = room.path("events/_retrial/ledger.json");
    let ledger: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let day = ledger["days"]["2026-03-04"].clone();
    for (date, files) in [("2026-03-04", 1u64 << 62), ("/../../..", 1), ("zzz", 1)] {
        let mut broken = ledger.clone();
        broken["days"] = json!({ date: day });
        broken["days"][date]["files"] = json!(files);
        std::fs::write(&file, broken.to_string()).unwrap();
        let error = Dataset::open(&room.path("events")).unwrap_err().to_string();
        assert!(error.contains(&format!("a day `{date}` that cannot be")), "{error}");
    }
}

#[test]
fn a_day_that_something_else_has_changed_is_refused() {
    let room = Room::new();
    let [a, b, c] = ["a", "b", "c"].map(|id| room.log(&format!("{id}.json"), &[plain(id)]));
    let (dataset, _) = room.load("events", &[&a]);
    let day = dataset.files().unwrap().remove(0);
    let restored = std::fs::read(&day).unwrap();
    room.load("events", &[&b]);
    std::fs::write(&day, restored).unwrap();
    let before = bytes(&room.path("events"));
    let mut dataset = Dataset::open(&room.path("events")).unwrap();
    let error = ingest(&[c], &Reading::default(), &mut dataset, Catalog::builtin(), &Silent).unwrap_err().to_string();
    assert!(error.contains("hold 1 events, the ledger has 2: something else has changed the dataset"), "{error}");
    assert_same(&before, &bytes(&room.path("events")), "nothing was loaded");
}

#[test]
fn the_memory_budget_changes_no_byte() {
    let room = Room::new();
    let logs = room.generated(6_000);
    load_with(&room.path("whole"), &[&logs], |_| {});
    // One row at a time: hundreds of runs, more than are merged at once. Then as few that days are written while logs are read.
    for memory in [1, 100_000, 2_000_000] {
        let name = format!("of {memory} bytes");
        load_with(&room.path(&name), &[&logs], |dataset| dataset.memory = memory);
        assert_same(&bytes(&room.path("whole")), &bytes(&room.path(&name)), &name);
    }
}

/// How many days are left to write when all logs are read.
#[derive(Default)]
struct Left(AtomicU64);

impl Progress for Left {
    fn begin(&self, phase: &str, files: u64, _: u64) {
        if phase == "writing events" {
            self.0.store(files, Ordering::Relaxed);
        }
    }
}

/// Log files as CloudTrail delivers them, of three accounts: 40 days with an event every six hours and a file each day, for the third
/// one a day and a file every 13 days. `late` records, each a time in hours and what it says more, are in the last file.
fn delivered(room: &Room, late: &[(u32, Value)]) -> Vec<PathBuf> {
    let date = |day: u32| (3 + day / 20, 1 + day % 20);
    let at = |hours: u32| {
        let (month, day) = date(hours / 24);
        json!({ "eventTime": format!("2026-{month:02}-{day:02}T{:02}:30:00Z", hours % 24) })
    };
    let merged = |members: &Value, more: Value| {
        let mut members = members.clone();
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        members
    };
    let mut files = Vec::new();
    for (account, days, hours) in [("777788889999", 13, 24), ("444455556666", 1, 6), ("111122223333", 1, 6)] {
        for first in (0..40).step_by(days as usize) {
            let last = (first + days - 1).min(39);
            let own = json!({ "recipientAccountId": account });
            let times = (first * 24..(last + 1) * 24).step_by(hours);
            let mut records: Vec<Value> = times.map(|time| record(&format!("{account}-{time:03}"), &merged(&own, at(time)))).collect();
            if last == 39 && account == "111122223333" {
                records.extend(late.iter().enumerate().map(|(n, (time, more))| record(&format!("late-{n}"), &merged(more, at(*time)))));
            }
            let (month, day) = date(last);
            files.push(room.log(&format!("logs/{account}_CloudTrail_eu-west-1_2026{month:02}{day:02}T2359Z_a.json"), &records));
        }
    }
    files
}

#[test]
fn days_are_written_while_logs_are_read_and_again_if_more_of_them_comes() {
    /// A third of the events.
    const MEMORY: usize = 60_000;
    let addendum = |id: &str| json!({ "addendum": { "reason": "UPDATED_DATA", "originalEventID": id } });
    let network = |id: &str| {
        let request = format!("request-{id}");
        json!({ "eventCategory": "NetworkActivity", "eventType": "AwsVpceEvents", "requestID": request, "managementEvent": "absent" })
    };
    let cases: [(&str, Vec<(u32, Value)>); 5] = [
        ("nothing late", Vec::new()),
        ("an event, and one again", vec![(30, json!({})), (48, json!({ "eventID": "111122223333-048" }))]),
        ("an addendum of an event of a written day", vec![(950, addendum("111122223333-024"))]),
        ("network activity of a call of a written day", vec![(24, network("111122223333-024")), (25, network("none"))]),
        ("many days late", (0..38).map(|day| (day * 24 + 1, json!({}))).collect()),
    ];
    for (case, late) in cases {
        let room = Room::new();
        let files = delivered(&room, &late);
        load_with(&room.path("whole"), &files.iter().collect::<Vec<_>>(), |_| {});
        for threads in [1, 3] {
            let folder = room.path(&format!("by day, {threads} threads"));
            let mut dataset = Dataset::open_or_create(&folder).unwrap();
            dataset.memory = MEMORY;
            let (left, pool) = (Left::default(), rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
            pool.install(|| ingest(&files, &Reading::default(), &mut dataset, Catalog::builtin(), &left)).unwrap();
            assert_same(&bytes(&room.path("whole")), &bytes(&folder), &format!("{case}, {threads} threads"));
            let left = left.0.into_inner();
            assert!(threads > 1 || late.len() > 2 || left < 30, "{case}: {left} days were left");
        }
        // What is there already is one more input of a day.
        for half in files.chunks(41).rev() {
            load_with(&room.path("in two runs"), &half.iter().collect::<Vec<_>>(), |set| set.memory = MEMORY);
        }
        assert_same(&bytes(&room.path("whole")), &bytes(&room.path("in two runs")), case);
    }
}

#[test]
fn a_large_day_is_split_by_event_id() {
    let room = Room::new();
    let files: Vec<PathBuf> = (0..3)
        .map(|file| room.log(&format!("{file}.json"), &(0..40).map(|n| plain(&format!("{:02}", n + file * 20))).collect::<Vec<_>>()))
        .collect();
    let small = |dataset: &mut Dataset| dataset.file_rows = 30;
    let (dataset, _) = load_with(&room.path("at-once"), &files.iter().collect::<Vec<_>>(), small);
    let names = |dataset: &Dataset| {
        dataset.files().unwrap().iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&dataset), ["events-00.parquet", "events-01.parquet", "events-02.parquet"]);
    let mut all = ids(&dataset);
    all.sort();
    assert_eq!(all, (0..80).map(|n| format!("{n:02}")).collect::<Vec<_>>());
    for file in files.iter().rev() {
        load_with(&room.path("one-by-one"), &[file], small);
    }
    assert_same(&bytes(&room.path("at-once")), &bytes(&room.path("one-by-one")), "a day that grows");
    let (dataset, _) = load_with(&room.path("one"), &[&files[0]], |dataset| dataset.file_rows = 40);
    assert_eq!(names(&dataset), ["events.parquet"]);
}

#[test]
fn a_dataset_without_its_ledger_is_refused() {
    let room = Room::new();
    let file = room.log("1.json", &[plain("a")]);
    room.load("events", &[&file]);
    std::fs::remove_file(room.path("events/_retrial/ledger.json")).unwrap();
    let error = Dataset::open_or_create(&room.path("events")).unwrap_err().to_string();
    assert!(error.contains("ledger.json") && error.contains("load the logs again"), "{error}");
}
