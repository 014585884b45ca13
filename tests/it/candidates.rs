//! Many candidates: each comes to what it comes to alone.

use std::path::Path;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use retrial::account::{CandidateType, load};
use retrial::arrow::array::{AsArray as _, BooleanArray, RecordBatch};
use retrial::arrow::compute::filter_record_batch;
use retrial::replay::Options;
use serde_json::{Value, json};

use crate::replay::{baseline, estate, replay_into, shipped, table};

/// Which statements there are, in which order, what they are called and what they say.
fn edit(statements: &mut Vec<Value>, rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..statements.len());
    match rng.random_range(0..8) {
        // The same in another document.
        0 => {}
        1 if statements.len() > 1 => drop(statements.remove(at)),
        2 => statements[at]["Sid"] = json!("Renamed"),
        3 => statements.rotate_left(1),
        4 => statements[at]["Condition"] = json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/25"}}),
        5 => statements[at]["Effect"] = json!("Deny"),
        6 => statements[at]["Action"] = json!(["workmail:Get*", "workmail:List*", "sts:*"]),
        _ => statements[at]["Resource"] = json!("arn:aws:workmail:*:${aws:PrincipalAccount}:organization/m-0*"),
    }
}

/// A folder with a change set that replaces some policies of the estate by edited ones.
fn write_candidate(folder: &Path, rng: &mut ChaCha8Rng) {
    let snapshot = std::fs::read_to_string(estate("policies/baseline/account-111122223333.json")).unwrap();
    let snapshot: Value = serde_json::from_str(&snapshot).unwrap();
    let own = |policy: &&Value| policy["Arn"].as_str().unwrap().contains(":111122223333:");
    let policies: Vec<&Value> = snapshot["Policies"].as_array().unwrap().iter().filter(own).collect();
    std::fs::create_dir_all(folder).unwrap();
    let mut changes = String::new();
    let first = rng.random_range(0..policies.len());
    let second = (first + rng.random_range(1..policies.len())) % policies.len();
    for policy in [policies[first], policies[second]] {
        let (name, mut document) = (policy["PolicyName"].as_str().unwrap(), policy["PolicyVersionList"][0]["Document"].clone());
        edit(document["Statement"].as_array_mut().unwrap(), rng);
        std::fs::write(folder.join(format!("{name}.json")), document.to_string()).unwrap();
        changes.push_str(&format!("[[change]]\nreplace = {}\nwith = \"{name}.json\"\n", policy["Arn"]));
    }
    std::fs::write(folder.join("changes.toml"), changes).unwrap();
}

/// The rows whose column has a text.
fn of(batch: &RecordBatch, column: &str, text: &str) -> RecordBatch {
    let texts = batch.column_by_name(column).unwrap().as_string::<i32>();
    filter_record_batch(batch, &texts.iter().map(|other| Some(other == Some(text))).collect::<BooleanArray>()).unwrap()
}

#[test]
fn candidates_that_were_edited_here_and_there_come_to_what_each_comes_to_alone() {
    const MANY: usize = 12;
    let dir = tempfile::tempdir().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let names: Vec<String> = (0..MANY).map(|at| format!("candidate-{at:02}")).collect();
    names.iter().for_each(|name| write_candidate(&dir.path().join(name), &mut rng));
    let options = |names: &[String]| {
        let baseline = baseline();
        let candidate = |name: &String| {
            let set = load(&[dir.path().join(name)]).unwrap();
            (name.clone(), set.into_candidate(&baseline, CandidateType::Identity, &[]).unwrap())
        };
        Options { candidates: names.iter().map(candidate).collect(), baseline, ..Options::default() }
    };
    let report = |name: &str, names: &[String]| {
        let folder = dir.path().join(format!("report-{name}"));
        replay_into(&folder, &shipped().dataset, &options(names));
        folder
    };
    let all = report("all", &names);
    let mut change = 0;
    for name in &names {
        let alone = report(name, std::slice::from_ref(name));
        for (kind, column) in [("changes", "candidate"), ("principals", "candidate"), ("actions", "candidate"), ("statements", "side")] {
            let [alone, among] = [&alone, &all].map(|folder| of(&table(folder, kind), column, name));
            assert!(alone.num_rows() > 0 || kind == "statements", "{name} has no {kind}");
            assert_eq!(alone, among, "{kind} of {name}");
        }
        let changes = table(&alone, "changes");
        change += ["lost", "gained"].map(|kind| of(&changes, "change", kind).num_rows()).iter().sum::<usize>();
    }
    assert!(change > 100, "{change} rows in which something changes");
}
