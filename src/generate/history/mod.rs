//! An account whose policies change while the log goes on, and a log that follows from the policies of each moment.
//!
//! It is simpler than the estate: one account, calls of WorkMail alone, hardly a condition. What everyone may do is plain
//! set logic of its own, without the evaluator, so that a replay can be held against it.

mod changes;
mod documents;
mod files;
mod kinds;
mod model;
mod plan;
mod sessions;
mod snapshot;
mod start;
mod traffic;

use std::io;
use std::path::Path;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use self::plan::{MOST_CHANGES, Plan};
use self::traffic::{Traffic, needed};
use super::operations::Operations;
use super::write::Delivery;
use super::{Options, Written};
use crate::error::{Error, Result};

/// Writes an account with a history below `out`: `logs/`, `policies/` and `README.md`.
///
/// `progress` is told the number of events written after each log file.
///
/// # Errors
/// [`Error::Usage`] for more changes than there is time or than so many events can show, [`Error::Io`].
pub fn generate_history(out: &Path, options: &Options, changes: usize, progress: &mut dyn FnMut(u64)) -> Result<Written> {
    if changes > MOST_CHANGES {
        return Err(Error::Usage(format!("--policy-changes {changes} does not fit into the window: give at most {MOST_CHANGES}")));
    }
    let plan = Plan::new(options.seed, changes);
    let needed = needed(&plan);
    if options.events < needed {
        return Err(Error::Usage(format!(
            "--policy-changes {changes} needs --events {needed} or more: each change has calls that show it"
        )));
    }
    write(out, options, &plan, progress).map_err(|error| Error::io("write", out, error))
}

fn write(out: &Path, options: &Options, plan: &Plan, progress: &mut dyn FnMut(u64)) -> io::Result<Written> {
    std::fs::create_dir_all(out)?;
    // Not the seed of the plan, which would give the same numbers again.
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    rng.set_stream(1);
    files::policies(out, plan, &mut rng)?;
    let mut delivery = Delivery::new(out, options.events, progress);
    let operations = Operations::load()?;
    let mut traffic = Traffic::new(rng, &operations, &mut delivery, plan)?;
    traffic.run(options.events)?;
    let Traffic { mut rng, count, .. } = traffic;
    delivery.finish(&mut rng)?;
    files::readme(out, options, plan, count, delivery.duplicates)?;
    Ok(delivery.written)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::tests::{files, records};
    use super::super::values::time_text;
    use super::documents::OPERATIONS;
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;

    use serde_json::Value;

    fn history(events: u64, seed: u64, changes: usize) -> (tempfile::TempDir, Written) {
        let folder = tempfile::tempdir().unwrap();
        let written = generate_history(folder.path(), &Options { events, seed }, changes, &mut |_| {}).unwrap();
        (folder, written)
    }

    /// The ARN of the user or the role.
    fn caller(record: &Value) -> &str {
        let identity = &record["userIdentity"];
        identity["sessionContext"]["sessionIssuer"]["arn"].as_str().or(identity["arn"].as_str()).unwrap()
    }

    #[test]
    fn equal_options_give_equal_bytes() {
        let bytes = |seed, changes| files(history(400, seed, changes).0.path());
        assert_eq!(bytes(5, 7), bytes(5, 7));
        assert_ne!(bytes(5, 7), bytes(6, 7));
        assert_ne!(bytes(5, 7), bytes(5, 8));
    }

    #[test]
    fn events_are_counted() {
        for (events, changes) in [(0, 0), (1, 0), (47, 0), (150, 16), (3_000, 5), (3_000, 200)] {
            let (folder, written) = history(events, 11, changes);
            let ids: BTreeSet<String> = records(folder.path()).iter().map(|record| record["eventID"].to_string()).collect();
            assert_eq!((ids.len() as u64, written.events), (events, events));
            assert!(!fs::read_to_string(folder.path().join("README.md")).unwrap().contains('{'), "every blank is filled in");
        }
    }

    #[test]
    fn every_change_is_seen_by_somebody() {
        for changes in [5, 16] {
            let (folder, _) = history(3_000, 7, changes);
            let (records, plan) = (records(folder.path()), Plan::new(7, changes));
            for (index, change) in plan.changes.iter().enumerate() {
                let near = |at: usize| plan.changes.get(at).map(|change| time_text(change.time));
                let (before, now, after) = (index.checked_sub(1).and_then(near), time_text(change.time), near(index + 1));
                let (arn, operation) = (plan.end.arn(&change.witness.name), OPERATIONS[change.witness.operation]);
                let mut seen = BTreeSet::new();
                for record in records.iter().filter(|record| record["eventName"] == operation && caller(record) == arn) {
                    let time = record["eventTime"].as_str().unwrap().to_owned();
                    let is_near = before.as_ref().is_none_or(|before| *before < time) && after.as_ref().is_none_or(|after| time < *after);
                    let limited = record["errorMessage"].as_str().is_some_and(|message| message.contains("session policy"));
                    if is_near && !limited {
                        seen.insert((now < time, record["errorCode"].is_null()));
                    }
                }
                let gains = change.witness.gains;
                let wanted = [(false, !gains), (true, gains)];
                assert_eq!(seen, wanted.into_iter().filter(|(after, _)| *after || !change.witness.is_new).collect(), "{now}");
            }
        }
    }

    #[test]
    fn changes_are_in_the_log_and_nobody_calls_near_them() {
        let (folder, _) = history(3_000, 3, 16);
        let (records, plan) = (records(folder.path()), Plan::new(3, 16));
        let mut logged: BTreeSet<(String, String)> = BTreeSet::new();
        for record in &records {
            let time = record["eventTime"].as_str().unwrap();
            if record["eventSource"] == "iam.amazonaws.com" {
                logged.insert((time.to_owned(), record["eventName"].as_str().unwrap().to_owned()));
                continue;
            }
            for change in &plan.changes {
                assert!(time < time_text(change.time - 600).as_str() || time > time_text(change.time + 600).as_str());
            }
        }
        let edits = plan.changes.iter().flat_map(|change| change.edits.iter().zip((change.time..).step_by(7)));
        assert_eq!(logged, edits.map(|(edit, time)| (time_text(time), edit.event())).collect());
    }

    #[test]
    fn a_fifth_of_the_calls_is_refused_for_each_of_the_reasons() {
        let (folder, _) = history(3_000, 7, 16);
        let records = records(folder.path());
        let calls = records.iter().filter(|record| record["eventSource"] == "workmail.amazonaws.com").count();
        let messages: Vec<&str> = records.iter().filter_map(|record| record["errorMessage"].as_str()).collect();
        assert!((15..=25).contains(&(messages.len() * 100 / calls)), "{} of {calls}", messages.len());
        for reason in ["an explicit deny in an identity-based", "no identity-based", "no permissions boundary", "no session policy"] {
            assert!(messages.iter().any(|message| message.contains(reason)), "{reason}");
        }
    }

    #[test]
    fn the_snapshots_are_those_of_the_first_and_the_last_day() {
        let (folder, _) = history(200, 7, 5);
        let read = |path: &str| -> Value {
            serde_json::from_slice(&fs::read(folder.path().join("policies").join(path).join("account.json")).unwrap()).unwrap()
        };
        let (oldest, newest) = (read("oldest/2026-06-01T000000Z"), read("newest/2026-09-29T000000Z"));
        assert_ne!(oldest, newest);
        assert_eq!(oldest["UserDetailList"].as_array().unwrap().len(), 12 + 2);
        let candidate = fs::read_to_string(folder.path().join("policies/candidate/changes.toml")).unwrap();
        assert_eq!(candidate.matches("[[change]]").count(), 2);
    }

    #[test]
    fn what_cannot_be_shown_is_bad_usage() {
        let folder = tempfile::tempdir().unwrap();
        for (events, changes) in [(10, 16), (1_000_000, MOST_CHANGES + 1)] {
            let refused = generate_history(folder.path(), &Options { events, seed: 1 }, changes, &mut |_| {});
            assert!(matches!(refused, Err(Error::Usage(_))));
        }
    }
}
