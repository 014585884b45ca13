//! Files that are read again: grown, cut, exported anew, unreadable before.

use super::*;

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
