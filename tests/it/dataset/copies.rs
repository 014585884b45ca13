//! Records that take the place of others: addenda, network activity, copies in other accounts, poorer forms.

use super::*;

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
    // An addendum of the copy is one too; a table does not tell that its row is.
    let theirs = copy("theirs", "444455556666", "s");
    let addendum = record(
        "added",
        &json!({
            "recipientAccountId": "444455556666", "sharedEventID": "s",
            "addendum": { "reason": "UPDATED_DATA", "originalEventID": "theirs" }
        }),
    );
    let (name, source, time) = (&theirs["eventName"], &theirs["eventSource"], &theirs["eventTime"]);
    let table = format!("Event ID,Event name,Event source,Event time\ntheirs,{},{},{}\n", text(name), text(source), text(time));
    for first in 0..4 {
        let room = Room::new();
        let files = [
            room.log("1.json", &[copy("ours", "111122223333", "s")]),
            room.log("2.json", std::slice::from_ref(&theirs)),
            room.log("3.json", std::slice::from_ref(&addendum)),
            room.write("4.csv", &table),
        ];
        let rotated: Vec<PathBuf> = files.iter().cycle().skip(first).take(files.len()).cloned().collect();
        assert_eq!(leaves(&room, &rotated, &["ours"]), counts(4, 3, 0, 0, 1));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
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
