//! Datasets as sources: several are replayed as one, and one takes over what another was loaded from.
#![cfg(feature = "cli")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::commands::{Room, policy};

/// Logs of an estate in two folders, one of which has a broken file too, and a dataset of each.
fn parts() -> Room {
    let room = Room::new();
    room.run(&["generate", "estate", "--events", "3000", "--seed", "11"]).exits(0);
    let mut logs: Vec<PathBuf> = Vec::new();
    walk(&room.path("estate/logs"), &mut logs);
    logs.sort();
    for (at, log) in logs.iter().enumerate() {
        let part = if at % 3 == 0 { "one" } else { "two" };
        room.write(&format!("{part}/{}", log.file_name().unwrap().to_str().unwrap()), std::fs::read(log).unwrap());
    }
    room.write("two/broken.json", "{\"Records\": [{\"eventVersion\": }]}");
    room.write("draft.json", policy("workmail:DescribeUser"));
    room.run(&["ingest", "one", "-o", "first"]).exits(0);
    room.run(&["ingest", "two", "-o", "second"]).exits(0);
    room
}

fn walk(folder: &std::path::Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

fn bytes(room: &Room, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, root) = (Vec::new(), room.path(folder));
    walk(&root, &mut found);
    found.into_iter().map(|path| (path.strip_prefix(&root).unwrap().to_path_buf(), std::fs::read(&path).unwrap())).collect()
}

fn ledger(room: &Room, dataset: &str) -> Value {
    serde_json::from_slice(&std::fs::read(room.path(dataset).join("_retrial/ledger.json")).unwrap()).unwrap()
}

#[test]
fn several_are_replayed_as_the_logs_are() {
    let room = parts();
    let policies = ["--baseline", "estate/policies/baseline", "--candidate", "draft.json"];
    let replay = |inputs: &[&str], report: &str| {
        room.run(&[&["replay"], inputs, &["-o", report, "-q"], policies.as_slice()].concat()).exits(0);
        let mut tables = bytes(&room, report);
        tables.retain(|path, _| path.extension().is_some_and(|extension| extension == "parquet"));
        tables
    };
    let of_logs = replay(&["one", "two"], "of-logs");
    assert!(of_logs.len() > 4, "{:?}", of_logs.keys());
    assert!(of_logs == replay(&["first", "second"], "of-datasets"), "two datasets");
    assert!(of_logs == replay(&["second", "one"], "of-both"), "a dataset and logs");
    // A report is explained from the same again, also when the logs are gone.
    let explained = room.run(&["report", "of-datasets", "--format", "csv"]).exits(0).stdout;
    let header = explained.lines().next().unwrap().split(',').position(|column| column == "change_id").unwrap();
    let id = explained.lines().nth(1).unwrap().split(',').nth(header).unwrap();
    std::fs::rename(room.path("one"), room.path("gone")).unwrap();
    let explained = room.run(&["explain", "of-datasets", "--change", id, "--format", "json"]).exits(0).json();
    assert_eq!(explained["row"]["change_id"], id);
    std::fs::rename(room.path("gone"), room.path("one")).unwrap();
    room.run(&["explain", "of-both", "--change", id]).exits(0);
    room.write("more/broken.json", "{");
    room.run(&["ingest", "more", "-o", "second"]).exits(0);
    room.run(&["explain", "of-both", "--change", id]).exits(2).says(&["is not the dataset that the report was made from"]);
}

#[test]
fn one_takes_over_what_others_were_loaded_from() {
    let room = parts();
    room.run(&["ingest", "one", "two", "-o", "all"]).exits(0);
    let run = room.run(&["ingest", "first", "second", "-o", "combined"]).exits(0).says(&["`two/broken.json`, record 0: broken json"]);
    assert!(run.stdout.contains("from 2 files") || run.stdout.contains("files\n"), "{}", run.stdout);
    assert!(bytes(&room, "all") == bytes(&room, "combined"), "rows and ledger");
    // What is there already is not taken again, as files or as a dataset.
    for inputs in [["first", "two"], ["one", "second"], ["combined/", "all"]] {
        let run = room.run(&["ingest", inputs[0], inputs[1], "-o", "all", "--format", "json"]);
        if inputs[1] == "all" {
            run.exits(2).says(&["`all` is the dataset itself"]);
            continue;
        }
        let told = run.exits(0).json();
        assert_eq!((&told["run"]["files"], &told["run"]["records"]), (&0.into(), &0.into()), "{told:#}");
    }
    assert!(bytes(&room, "all") == bytes(&room, "combined"), "nothing was new");
    // One that something else has changed costs the run, and the dataset nothing.
    let mut days = Vec::new();
    walk(&room.path("second"), &mut days);
    days.retain(|path| path.ends_with("events.parquet"));
    std::fs::remove_file(&days[0]).unwrap();
    room.run(&["ingest", "second", "-o", "third"]).exits(2).says(&["cannot read"]);
    assert_eq!(room.run(&["ingest", "first", "-o", "third", "--format", "json"]).exits(0).json()["run"]["skipped"], 0);
    assert!(bytes(&room, "first") == bytes(&room, "third"), "as if the run before had not been");
}

#[test]
fn the_oldest_catalogue_is_the_datasets() {
    let room = parts();
    let mut old = ledger(&room, "first");
    let today = old["catalog_version"].clone();
    old["catalog_version"] = "2020-01-01".into();
    room.write("first/_retrial/ledger.json", old.to_string());
    let told = "mapped with catalogue 2020-01-01";
    room.run(&["ingest", "two", "-o", "first"]).exits(0).says(&[told, "load the logs into a new folder"]);
    room.run(&["ingest", "first", "-o", "second"]).exits(0).says(&[told]);
    for dataset in ["first", "second"] {
        assert_eq!(ledger(&room, dataset)["catalog_version"], "2020-01-01");
        room.run(&["replay", dataset, "--candidate", "draft.json", "-o", "report"]).exits(0).says(&[told]);
    }
    room.run(&["ingest", "one", "-o", "new"]).exits(0);
    assert_eq!(ledger(&room, "new")["catalog_version"], today);
}

#[test]
fn a_dataset_is_kept_where_it_stays() {
    let room = parts();
    let replay = |more: &[&str]| room.run(&[&["replay", "one", "--candidate", "draft.json"], more].concat());
    std::fs::create_dir(room.path("there")).unwrap();
    for keep in ["report", "report/events", "there/../report/events"] {
        replay(&["-o", "report", "--keep", keep]).exits(2).says(&["lies in the report folder `report`"]);
        assert!(!room.path("report").exists());
    }
    replay(&["-o", "report", "--keep", "report-events"]).exits(0);
    assert!(room.path("report-events/_retrial/ledger.json").is_file());
    let run = room.run(&["replay", "first", "--candidate", "draft.json", "-o", "report", "--keep", "kept"]);
    run.exits(2).says(&["`first` is an events dataset already"]);
    // A run that finds nothing to read leaves nothing behind.
    for logs in ["nowhere", "no*", "estate/policies/none"] {
        room.run(&["ingest", logs, "-o", "nothing"]).exits(2);
        assert!(!room.path("nothing").exists(), "{logs}");
    }
    room.run(&["ingest", "one", "-o", "draft.json"]).exits(2).says(&["`draft.json` is no folder"]);
}
