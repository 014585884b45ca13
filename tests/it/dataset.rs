//! The events dataset: each event once, exact counts, and the same bytes whatever happens on the way.

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

/// Loads the files at once, one by one, and one by one in reverse: the events must be `expected`, their files equal.
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
fn an_addendum_replaces_its_original_whenever_and_on_whatever_day_it_comes() {
    let room = Room::new();
    let addendum = |id: &str, day: u8| {
        let more =
            json!({ "addendum": { "reason": "UPDATED_DATA", "originalEventID": "a" }, "eventTime": format!("2026-03-{day:02}T05:06:07Z") });
        record(id, &more)
    };
    let other_account = record("a", &json!({ "recipientAccountId": "444455556666", "eventTime": "2026-03-04T06:00:00Z" }));
    let files = [
        room.log("1.json", &[plain("a"), plain("b"), other_account]),
        room.log("2.json", &[addendum("x", 4)]),
        room.log("3.json", &[addendum("y", 6)]),
    ];
    assert_eq!(leaves(&room, &files, &["b", "x", "a", "y"]), counts(5, 1, 0, 0, 4));
    let room = Room::new();
    let files = [room.log("1.json", &[plain("a")]), room.log("2.json", &[addendum("y", 6)])];
    assert_eq!(leaves(&room, &files, &["y"]), counts(2, 1, 0, 0, 1));
}

#[test]
fn network_activity_counts_only_where_the_call_is_missing() {
    let room = Room::new();
    let network = |id: &str, request: &str| {
        record(
            id,
            &json!({ "eventCategory": "NetworkActivity", "eventType": "AwsVpceEvents", "requestID": request, "managementEvent": "absent" }),
        )
    };
    let files = [room.log("1.json", &[network("0", "request-a"), network("1", "request-none")]), room.log("2.json", &[plain("a")])];
    assert_eq!(leaves(&room, &files, &["1", "a"]), counts(3, 1, 0, 0, 2));
}

#[test]
fn of_one_call_in_several_accounts_the_one_of_the_caller_stays() {
    let room = Room::new();
    let copy = |id: &str, account: &str, shared: &str| record(id, &json!({ "recipientAccountId": account, "sharedEventID": shared }));
    let files = [
        room.log("1.json", &[copy("theirs", "444455556666", "s"), copy("alone", "444455556666", "t")]),
        room.log("2.json", &[copy("ours", "111122223333", "s")]),
    ];
    assert_eq!(leaves(&room, &files, &["alone", "ours"]), counts(3, 1, 0, 0, 2));
}

/// Rotations of some files: with those that [`leaves`] makes of each, all orders of three.
fn in_any_order(logs: &[(&str, Value)], expected: &[&str], found: DatasetCounts) {
    for first in 0..logs.len() {
        let room = Room::new();
        let files: Vec<PathBuf> = logs.iter().map(|(name, log)| room.log(&format!("{name}.json"), log.as_array().unwrap())).collect();
        let rotated: Vec<PathBuf> = files.iter().cycle().skip(first).take(files.len()).cloned().collect();
        assert_eq!(leaves(&room, &rotated, expected), found, "{logs:?}");
    }
}

#[test]
fn of_what_takes_the_place_of_each_other_one_stays() {
    let addendum = |id: &str, of: &str| record(id, &json!({ "addendum": { "reason": "UPDATED_DATA", "originalEventID": of } }));
    let with = |mut record: Value, more: Value| {
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    let network = json!({ "eventCategory": "NetworkActivity", "requestID": "q" });
    let call = |id: &str| record(id, &json!({ "requestID": "q" }));
    // An addendum with the id of what it replaces.
    in_any_order(&[("1", json!([plain("x")])), ("2", json!([addendum("x", "x")]))], &["x"], counts(2, 1, 0, 0, 1));
    // Network activity with the id of the call that it repeats.
    in_any_order(&[("1", json!([record("x", &network)])), ("2", json!([call("x")]))], &["x"], counts(2, 1, 0, 0, 1));
    in_any_order(
        &[("1", json!([record("4", &network)])), ("2", json!([call("2")])), ("3", json!([call("4")]))],
        &["2", "4"],
        counts(3, 1, 0, 0, 2),
    );
    // An addendum that is network activity of what it replaces.
    in_any_order(&[("1", json!([call("1")])), ("2", json!([with(addendum("2", "1"), network.clone())]))], &["2"], counts(2, 1, 0, 0, 1));
    // Two that replace each other.
    in_any_order(
        &[("1", json!([plain("1"), plain("2")])), ("2", json!([addendum("1", "2"), addendum("2", "1")]))],
        &["1", "2"],
        counts(4, 2, 0, 0, 2),
    );
    // What repeats a call repeats it also when an addendum has taken the call's place.
    let shared = |id: &str, account: &str| record(id, &json!({ "sharedEventID": "s", "recipientAccountId": account }));
    let copy =
        [("1", json!([shared("1", "111122223333")])), ("2", json!([shared("2", "444455556666")])), ("3", json!([addendum("9", "1")]))];
    in_any_order(&copy, &["9"], counts(3, 2, 0, 0, 1));
    let twin = [("1", json!([call("1")])), ("2", json!([record("2", &network)])), ("3", json!([addendum("9", "1")]))];
    in_any_order(&twin, &["9"], counts(3, 2, 0, 0, 1));
}

#[test]
fn a_table_that_has_grown_takes_the_place_of_what_was_cut() {
    for (last, cell) in [("Recipient Account Id", "111122223333"), ("User agent", "aws-cli/2.0"), ("Error code", "AccessDenied")] {
        let row = |id: &str| format!("{id},2026-03-04T05:06:07Z,workmail.amazonaws.com,ListUsers,{cell}\r\n");
        let whole = format!("Event ID,Event time,Event source,Event name,{last}\r\n{}{}{}", row("a"), row("b"), row("c"));
        let length = whole.len() - row("c").len();
        for cut in [1, 2, 3, 7] {
            let room = Room::new();
            let file = room.write("history.csv", &whole[..length - cut]);
            room.load("events", &[&file]);
            room.write("history.csv", &whole);
            let (dataset, _) = room.load("events", &[&file]);
            assert_eq!(
                (dataset.ledger.counts, ids(&dataset)),
                (counts(3, 0, 0, 0, 3), ["a", "b", "c"].map(str::to_owned).into()),
                "{last}, {cut}"
            );
            room.load("afresh", &[&file]);
            assert_same(&bytes(&room.path("afresh")), &bytes(&room.path("events")), &format!("{last}, {cut}"));
        }
    }
}

#[test]
fn a_row_that_was_cut_in_its_id_or_time_is_another_one_when_it_is_whole() {
    let ids_last = |id: &str| format!("ListUsers,2026-03-04T05:06:07Z,workmail.amazonaws.com,aws-cli,{id}");
    let time_last = |id: &str| format!("ListUsers,{id},workmail.amazonaws.com,aws-cli,2026-03-04T05:06:07.500Z");
    let without_id = |id: &str| format!("ListUsers,,workmail.amazonaws.com,2026-03-04T05:06:07Z,aws-cli/{id}");
    let headers = [
        ("Event name,Event time,Event source,User agent,Event ID", ids_last as fn(&str) -> String),
        ("Event name,Event ID,Event source,User agent,Event time", time_last),
        ("Event name,Error code,Event source,Event time,User agent", without_id),
    ];
    for (header, row) in headers {
        let whole = format!("{header}\n{}\n{}\n{}\n", row("aaaaaaaa"), row("bbbbbbbb"), row("cccccccc"));
        let length = whole.len() - row("cccccccc").len() - 1;
        for cut in 1..12 {
            let room = Room::new();
            let file = room.write("history.csv", &whole[..length - cut]);
            room.load("events", &[&file]);
            room.write("history.csv", &whole);
            let (dataset, _) = room.load("events", &[&file]);
            let found = dataset.ledger.counts;
            assert_eq!((found.records, found.skipped, found.events), (3, 0, 3), "{header}, {cut}: {found:?}");
            room.load("afresh", &[&file]);
            assert_same(&events_of(&room.path("afresh")), &events_of(&room.path("events")), &format!("{header}, {cut}"));
        }
    }
}

#[test]
fn what_is_exported_to_the_same_name_again_takes_the_place_of_nothing() {
    let in_account = |account: &str| record("a", &json!({"recipientAccountId": account}));
    let table = "eventID,eventName,eventTime,eventSource\na,ListUsers,2026-03-04T05:06:07Z,workmail.amazonaws.com\n";
    let conflict = |room: &Room, account: &str| room.log("logs.json", &[in_account(account)]);
    for accounts in [["111122223333", "444455556666"], ["444455556666", "111122223333"]] {
        let room = Room::new();
        for account in accounts {
            room.load("events", &[&conflict(&room, account)]);
        }
        let (dataset, _) = room.load("events", &[&conflict(&room, accounts[0])]);
        assert_eq!((dataset.ledger.counts, ids(&dataset).len()), (counts(2, 0, 0, 0, 2), 2), "{accounts:?}");
    }
    // Nor does a table that tells less, in any order.
    let room = Room::new();
    for (dataset, is_table_first) in [("table first", true), ("table last", false)] {
        for is_table in [is_table_first, !is_table_first] {
            let file = if is_table { room.write("logs.json", table) } else { conflict(&room, "111122223333") };
            room.load(dataset, &[&file]);
        }
    }
    assert_same(&events_of(&room.path("table first")), &events_of(&room.path("table last")), "either order");
}

#[test]
fn what_was_beyond_the_limit_is_read_when_the_limit_is_raised() {
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    // The file itself is smaller than the limit.
    let long = |id: u32| record(&format!("id-{id}"), &json!({"userAgent": "x".repeat(10_000)})).to_string() + "\n";
    let members: Vec<Vec<u8>> = (0..5).map(|id| gzip(&long(id))).collect();
    let room = Room::new();
    let file = room.write("log.json.gz", members[..4].concat());
    let load = |limit: u64| {
        let mut dataset = Dataset::open_or_create(&room.path("events")).unwrap();
        let ingested = ingest(
            std::slice::from_ref(&file),
            &Reading { max_inflated: limit, ..Reading::default() },
            &mut dataset,
            Catalog::builtin(),
            &Silent,
        );
        (ingested.unwrap(), dataset.ledger.counts)
    };
    let small = 2 * long(0).len() as u64 + 10;
    let (_, cut) = load(small);
    assert!(cut.events >= 2 && cut.events < 4 && cut.skipped >= 1, "{cut:?}");
    assert_eq!(load(small).0.already_loaded, 1, "the limit is what it was");
    assert_eq!(load(1 << 20).1, counts(4, 0, 0, 0, 4));
    assert_eq!(load(1 << 20).0.already_loaded, 1);
    // It has grown, and less of it may be read: what is there stays.
    room.write("log.json.gz", members.concat());
    let (_, less) = load(small);
    assert_eq!((less.events, less.records), (4, less.events + less.duplicates + less.skipped), "{less:?}");
    let (_, all) = load(1 << 20);
    assert_eq!((all.events, all.records), (5, all.events + all.duplicates + all.skipped), "{all:?}");
}

#[test]
fn a_file_that_grows_takes_its_own_rows_along_and_no_others() {
    let room = Room::new();
    let line = |id: &str| plain(id).to_string() + "\n";
    let (broken, whole) = ("{\"eventVersion\": nothing}\n", line("c"));
    let file = room.write("log.jsonl", line("a") + broken);
    assert_eq!(room.load("events", &[&file]).0.ledger.counts, counts(2, 0, 1, 0, 1));
    // Another content under the name: both stay.
    room.write("log.jsonl", line("b") + &whole[..40]);
    assert_eq!(room.load("events", &[&file]).0.ledger.counts, counts(4, 0, 2, 0, 2));
    // It grows: what was cut is whole, what was broken of the other stays broken.
    room.write("log.jsonl", line("b") + &whole);
    assert_eq!(room.load("events", &[&file]).0.ledger.counts, counts(4, 0, 1, 0, 3));
    room.write("log.jsonl", line("b") + &whole + &line("d"));
    let (dataset, _) = room.load("events", &[&file]);
    assert_eq!(dataset.ledger.counts, counts(5, 0, 1, 0, 4));
    assert!(dataset.ledger.skipped[0].reason == "broken_json", "{:?}", dataset.ledger.skipped);
    assert_eq!(room.load("events", &[&file]).1.already_loaded, 1);
}

#[test]
fn a_ledger_that_does_not_say_which_state_a_row_is_of_is_still_right() {
    let room = Room::new();
    let line = |id: &str| plain(id).to_string() + "\n";
    let text = line("a") + "{\"eventVersion\": nothing}\n";
    let file = room.write("log.jsonl", &text);
    room.load("events", &[&file]);
    let ledger = room.path("events/_retrial/ledger.json");
    let mut before: Value = serde_json::from_str(&std::fs::read_to_string(&ledger).unwrap()).unwrap();
    before["skipped"][0].as_object_mut().unwrap().remove("source").unwrap();
    std::fs::write(&ledger, before.to_string()).unwrap();
    room.write("log.jsonl", text + &line("b"));
    assert_eq!(room.load("events", &[&file]).0.ledger.counts, counts(3, 0, 1, 0, 2));
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read_is_said_each_time_and_forgotten_once_it_can() {
    let room = Room::new();
    let target = room.log("target", &[plain("a")]);
    let link = room.path("link.json");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    assert_eq!(room.load("events", &[&link]).0.ledger.counts, counts(1, 0, 0, 0, 1));
    std::fs::remove_file(&target).unwrap();
    for _ in 0..2 {
        let (dataset, ingested) = room.load("events", &[&link]);
        assert_eq!((ingested.skipped.len(), ingested.already_loaded), (1, 0));
        assert_eq!(dataset.ledger.counts, counts(2, 0, 1, 0, 1));
    }
    room.log("target", &[plain("b")]);
    assert_eq!(room.load("events", &[&link]).0.ledger.counts, counts(2, 0, 0, 0, 2));
}

#[test]
fn of_two_copies_that_stays_which_can_be_replayed_whatever_it_is_called() {
    // A table without `vpcEndpointId`: who called and what is there, but it cannot be replayed.
    let trail = plain("a");
    let members = [
        "eventVersion",
        "userIdentity",
        "eventTime",
        "eventSource",
        "eventName",
        "awsRegion",
        "eventID",
        "eventType",
        "recipientAccountId",
        "errorCode",
        "errorMessage",
    ];
    let cell = |name: &&str| match &trail[*name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => format!("\"{}\"", other.to_string().replace('"', "\"\"")),
    };
    let table = format!("{}\n{}\n", members.join(","), members.iter().map(cell).collect::<Vec<_>>().join(","));
    for (name, trails) in [("a.csv", "z.json"), ("z.csv", "a.json")] {
        let room = Room::new();
        let (table, trail) = (room.write(name, &table), room.log(trails, std::slice::from_ref(&trail)));
        for files in [vec![&table, &trail], vec![&trail]] {
            let (dataset, _) = room.load("events", &files);
            let events = dataset.files().unwrap().iter().flat_map(|file| parquet::read(file, None).unwrap()).collect::<Vec<_>>();
            assert_eq!(events.len(), 1);
            assert_eq!(read::get(read::text(&events[0], "not_replayable").unwrap(), 0), None, "{name}");
        }
    }
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
fn a_poor_copy_gives_way_to_a_full_one() {
    let room = Room::new();
    // As from a table that tells neither who called nor with what; of an action that is not in the catalogue the keys
    // are not known to be complete.
    let call = |name: &str| json!({ "eventName": name, "eventSource": "unlisted.amazonaws.com" });
    let poor = |id: &str, name: &str| {
        let mut record = record(id, &call(name));
        record.as_object_mut().unwrap().retain(|member, _| member != "userIdentity" && member != "recipientAccountId");
        record
    };
    let files =
        [room.log("1.json", &[poor("a", "One"), poor("b", "One"), poor("a", "Other")]), room.log("2.json", &[record("a", &call("One"))])];
    // `Other` is not the call that is there in full.
    assert_eq!(leaves(&room, &files, &["a", "a", "b"]), counts(4, 1, 0, 0, 3));
}

#[test]
fn a_file_that_has_grown_takes_the_place_of_what_was_loaded() {
    let room = Room::new();
    let lines = |ids: &[&str]| ids.iter().map(|id| plain(id).to_string() + "\n").collect::<String>();
    let other = room.log("other.json", &[plain("b")]);
    // The last line is cut; the second one is a duplicate of what the other file has.
    let whole = lines(&["a", "b", "c"]);
    let growing = room.write("growing.jsonl", &whole[..whole.len() - 30]);
    let (dataset, _) = room.load("events", &[&growing, &other]);
    assert_eq!(dataset.ledger.counts, counts(4, 1, 1, 0, 2));
    room.write("growing.jsonl", lines(&["a", "b", "c", "d"]));
    let (dataset, ingested) = room.load("events", &[&growing]);
    assert_eq!((dataset.ledger.counts, ingested.files, ingested.records), (counts(5, 1, 0, 0, 4), 1, 4));
    room.load("afresh", &[&growing, &other]);
    assert_same(&bytes(&room.path("afresh")), &bytes(&room.path("events")), "as if loaded once");

    // Another content under the same path is another file.
    room.write("growing.jsonl", lines(&["e", "a"]));
    let (dataset, _) = room.load("events", &[&growing]);
    assert_eq!((dataset.ledger.counts, dataset.ledger.sources.len()), (counts(7, 2, 0, 0, 5), 3));
}

#[test]
fn a_file_is_loaded_once_under_one_path_and_is_all_duplicates_under_another() {
    let room = Room::new();
    let files = [room.log("2.json", &[plain("a"), json!(1)]), room.path("1.json")];
    room.load("events", &[&files[0]]);
    let before = bytes(&room.path("events"));
    let (dataset, again) = room.load("events", &[&files[0]]);
    assert_eq!((dataset.ledger.counts, again.already_loaded), (counts(2, 0, 1, 0, 1), 1));
    assert_same(&before, &bytes(&room.path("events")), "a second run");
    std::fs::copy(&files[0], &files[1]).unwrap();
    assert_eq!(leaves(&room, &files, &["a"]), counts(4, 1, 2, 0, 1));
}

#[test]
#[cfg(unix)]
fn a_file_that_could_not_be_read_is_read_when_it_can_be() {
    let room = Room::new();
    let file = room.path("1.json");
    std::os::unix::fs::symlink(room.path("target"), &file).unwrap();
    for _ in 0..2 {
        let (dataset, ingested) = room.load("events", &[&file]);
        assert_eq!((dataset.ledger.counts, ingested.skipped.len()), (counts(1, 0, 1, 0, 0), 1));
    }
    room.log("target", &[plain("a")]);
    assert_eq!(room.load("events", &[&file]).0.ledger.counts, counts(1, 0, 0, 0, 1));
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

/// The program, in processes of their own that can be killed.
#[cfg(all(feature = "cli", unix))]
mod processes {
    use std::process::{Child, Command, Output, Stdio};
    use std::time::Instant;

    use rand::{Rng as _, SeedableRng as _};

    use super::*;

    fn command(logs: &[PathBuf], events: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retrial"));
        command.arg("ingest").args(logs).arg("-o").arg(events).args(["--memory", "1", "--threads", "2", "-q"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(logs: &Path, events: &Path) -> Output {
        command(&[logs.to_path_buf()], events).output().unwrap()
    }

    #[track_caller]
    fn says(output: &Output, code: i32, text: &str) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(code) && stderr.contains(text) && !stderr.contains("panicked"),
            "{:?}: {stderr}",
            output.status
        );
    }

    /// Every day is as it was, or as it will be, and can be read.
    fn assert_valid(events: &Path, before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
        let now = if events.is_dir() { events_of(events) } else { BTreeMap::new() };
        for (path, content) in &now {
            let expected = [before.get(path), after.get(path)];
            assert!(expected.contains(&Some(content)), "{} is neither old nor new", path.display());
        }
        assert!(before.keys().all(|path| now.contains_key(path)), "a day is gone");
    }

    /// How often the kill test kills: `RETRIAL_KILLS`.
    fn kills() -> u32 {
        std::env::var("RETRIAL_KILLS").map_or(10, |text| text.parse().unwrap())
    }

    #[test]
    fn a_run_that_is_killed_leaves_a_valid_dataset_that_the_next_run_completes() {
        let room = Room::new();
        let logs = room.generated(4_000);
        let (half, reference, work) = (room.path("half"), room.path("reference"), room.path("work"));
        let some: Vec<PathBuf> = bytes(&logs).into_keys().step_by(2).map(|file| logs.join(file)).collect();
        says(&command(&some, &half).output().unwrap(), 0, "");
        let begun = Instant::now();
        says(&run(&logs, &reference), 0, "");
        let took = begun.elapsed();
        let (expected, after, before) = (bytes(&reference), events_of(&reference), events_of(&half));
        assert!(!before.is_empty() && before.len() <= after.len() && before != after);

        let mut chance = rand_chacha::ChaCha8Rng::seed_from_u64(u64::from(std::process::id()));
        let (mut killed, mut stages) = (0, BTreeMap::<&str, u32>::new());
        while killed < kills() {
            let _ = std::fs::remove_dir_all(&work);
            let from_half = chance.random_bool(0.5);
            if from_half {
                copy(&half, &work);
            }
            for _ in 0..chance.random_range(1..=3) {
                let mut child: Child = command(std::slice::from_ref(&logs), &work).spawn().unwrap();
                if chance.random_bool(0.3) {
                    // The moment in which the files are put in place is short: it is waited for.
                    while child.try_wait().unwrap().is_none() && !work.join("_retrial/commit").is_dir() {}
                    std::thread::sleep(took.mul_f64(chance.random_range(0.0..0.05)));
                } else {
                    std::thread::sleep(took.mul_f64(chance.random_range(0.0..1.1)));
                }
                child.kill().unwrap();
                killed += u32::from(child.wait().unwrap().code().is_none());
                assert_valid(&work, if from_half { &before } else { const { &BTreeMap::new() } }, &after);
                let retrial = work.join("_retrial");
                let stage = match (retrial.join("commit").is_dir(), retrial.join("staging").is_dir(), retrial.join("ledger.json").is_file())
                {
                    (true, ..) => "putting in place",
                    (_, true, _) => "loading",
                    (_, _, true) => "before or after",
                    _ => "nothing yet",
                };
                *stages.entry(stage).or_default() += 1;
            }
            says(&run(&logs, &work), 0, "");
            assert_same(&expected, &bytes(&work), "after a kill");
        }
        assert!(killed < 100 || stages.contains_key("putting in place"), "no kill in that moment: {stages:?}");
    }

    fn copy(from: &Path, to: &Path) {
        for (path, content) in bytes(from) {
            let path = to.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    }

    #[test]
    fn two_runs_at_once_do_each_others_work_no_harm() {
        let room = Room::new();
        let logs = room.generated(1_000);
        says(&run(&logs, &room.path("reference")), 0, "");
        let events = room.path("events");
        for round in 0..3 {
            let _ = std::fs::remove_dir_all(&events);
            let children: Vec<Child> = (0..2).map(|_| command(std::slice::from_ref(&logs), &events).spawn().unwrap()).collect();
            let outputs: Vec<Output> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
            assert!(outputs.iter().any(|output| output.status.success()), "round {round}: none was let in");
            for output in outputs.iter().filter(|output| !output.status.success()) {
                says(output, 2, "another run is loading into `");
            }
            assert_same(&bytes(&room.path("reference")), &bytes(&events), "two at once");
        }
    }

    #[test]
    fn a_dataset_in_use_says_so_and_can_be_read() {
        let room = Room::new();
        let logs = room.generated(300);
        let events = room.path("events");
        says(&run(&logs, &events), 0, "");
        let held = std::fs::File::open(events.join("_retrial/lock")).unwrap();
        held.try_lock().unwrap();
        let output = run(&logs, &events);
        says(&output, 2, "wait for it to end, or give another folder to -o");
        says(&output, 2, &format!("`{}`", events.display()));
        assert!(Dataset::open(&events).is_ok_and(|dataset| !ids(&dataset).is_empty()));
        drop(held);
        says(&run(&logs, &events), 0, "");
    }

    #[test]
    fn what_was_committed_is_put_in_place_from_wherever_it_was_interrupted() {
        let room = Room::new();
        let day = |day: u8| record(&format!("id-{day}"), &json!({ "eventTime": format!("2026-03-{day:02}T05:06:07Z") }));
        let (old, new) = (room.log("old.json", &[day(2), day(3)]), room.log("new.json", &(1..=6).map(day).collect::<Vec<_>>()));
        room.load("before", &[&old]);
        room.load("after", &[&old]);
        room.load("after", &[&new]);
        let after = bytes(&room.path("after"));
        let days = events_of(&room.path("after"));
        for moved in 0..=days.len() + 1 {
            let work = room.path(&format!("work-{moved}"));
            copy(&room.path("before"), &work);
            let staged = |path: &Path| path.parent().unwrap().to_string_lossy().replace("date=", "") + ".00.new";
            let write = |path: PathBuf, content: &[u8]| {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, content).unwrap();
            };
            for (n, (path, content)) in days.iter().enumerate() {
                let to = if n < moved { work.join(path) } else { work.join("_retrial/commit").join(staged(path)) };
                write(to, content);
            }
            let ledger = &after[Path::new("_retrial/ledger.json")];
            let folder = if moved > days.len() { "_retrial" } else { "_retrial/commit" };
            write(work.join(folder).join("ledger.json"), ledger);
            std::fs::create_dir_all(work.join("_retrial/commit")).unwrap();
            assert_eq!(ids(&Dataset::open(&work).unwrap()).len(), 6, "{moved} moved");
            assert_same(&after, &bytes(&work), &format!("{moved} moved"));
        }
    }

    #[test]
    fn a_full_disk_is_said_and_costs_nothing_that_was_there() {
        let room = Room::new();
        let logs = room.generated(2_000);
        let (events, first) = (room.path("events"), room.log("first.json", &[plain("a")]));
        says(&run(&first, &events), 0, "");
        let before = bytes(&events);
        // A limit for the size of files stands for the full disk: writing fails in the same way.
        for blocks in [8, 64] {
            let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
            let plain = command(std::slice::from_ref(&logs), &events);
            let output = Command::new("sh").args(["-c", &script]).arg(plain.get_program()).args(plain.get_args()).output().unwrap();
            says(&output, 2, "cannot write `");
            says(&output, 2, "File too large");
            assert_same(&before, &bytes(&events), "after a full disk");
        }
        says(&run(&logs, &events), 0, "");
    }
}
