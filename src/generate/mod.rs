//! A synthetic WorkMail estate: logs as a trail delivers them, the account snapshots that explain them, and candidates.
//!
//! Every success in the log is allowed by the snapshots and every denial denied by them, but for a few planted
//! contradictions. The same options give the same bytes.

mod acts;
mod calls;
mod crowd;
mod estate;
mod events;
mod history;
mod network;
mod operations;
mod personas;
mod plan;
mod policies;
mod principals;
mod records;
mod roster;
mod sign_ins;
mod stories;
mod traffic;
mod values;
mod write;

use std::io;
use std::path::Path;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

pub use self::crowd::generate_dataset;
pub use self::history::generate_history;
use self::operations::Operations;
use self::traffic::{Contradiction, Traffic};
use self::write::Delivery;

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Distinct events; some are delivered twice on top. From 1,000 on, every operation of WorkMail occurs.
    pub events: u64,
    /// The seed of all chance.
    pub seed: u64,
}

/// What was generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Distinct events in the logs.
    pub events: u64,
    /// Log files.
    pub files: u64,
    /// Bytes of the log files, compressed.
    pub bytes: u64,
}

/// Writes an estate below `out`: `logs/`, `policies/` and `README.md`.
///
/// `progress` is told the number of events written after each log file.
///
/// # Errors
///
/// When a file or a folder cannot be written.
pub fn generate(out: &Path, options: &Options, progress: &mut dyn FnMut(u64)) -> io::Result<Written> {
    std::fs::create_dir_all(out)?;
    write::policies(out, &|_| Vec::new())?;
    let mut delivery = Delivery::new(out, options.events, progress);
    let (contradictions, mut rng) = run(&mut delivery, options)?;
    delivery.finish(&mut rng)?;
    write::readme(out, options, &delivery, &contradictions)?;
    Ok(delivery.written)
}

/// Makes the records of the estate; returns the planted contradictions, and the chance that is left.
fn run(trail: &mut dyn write::Trail, options: &Options) -> io::Result<(Vec<Contradiction>, ChaCha8Rng)> {
    let operations = Operations::load()?;
    let mut traffic = Traffic::new(ChaCha8Rng::seed_from_u64(options.seed), &operations, trail, options.events)?;
    traffic.run()?;
    let Traffic { rng, contradictions, .. } = traffic;
    Ok((contradictions, rng))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::io::Read as _;
    use std::path::PathBuf;

    use serde_json::Value;

    fn estate(events: u64, seed: u64) -> (tempfile::TempDir, Written) {
        let folder = tempfile::tempdir().unwrap();
        let written = generate(folder.path(), &Options { events, seed }, &mut |_| {}).unwrap();
        (folder, written)
    }

    pub(super) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut open = vec![folder.to_owned()];
        while let Some(next) = open.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
                }
            }
        }
        found
    }

    pub(super) fn records(folder: &Path) -> Vec<Value> {
        let mut records = Vec::new();
        for (path, bytes) in files(folder) {
            if path.extension().is_some_and(|extension| extension == "gz") {
                let mut text = String::new();
                flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
                let file: Value = serde_json::from_str(&text).unwrap();
                records.extend(file["Records"].as_array().unwrap().iter().cloned());
            }
        }
        records
    }

    #[test]
    fn equal_options_give_equal_bytes() {
        assert_eq!(files(estate(300, 5).0.path()), files(estate(300, 5).0.path()));
        assert_ne!(files(estate(300, 5).0.path()), files(estate(300, 6).0.path()));
    }

    #[test]
    fn every_operation_occurs_and_events_are_counted() {
        let (folder, written) = estate(3_000, 11);
        let records = records(folder.path());
        let text = |record: &Value, name: &str| record[name].as_str().unwrap().to_owned();
        let ids: BTreeSet<String> = records.iter().map(|record| text(record, "eventID")).collect();
        assert_eq!((ids.len() as u64, written.events), (3_000, 3_000));
        assert!(records.len() > ids.len(), "some are delivered twice");
        let seen: BTreeSet<(String, String)> =
            records.iter().map(|record| (text(record, "eventSource"), text(record, "eventName"))).collect();
        let operations = Operations::load().unwrap();
        for service in ["workmail", "workmailmessageflow"] {
            for operation in operations.of_service(service) {
                assert!(seen.contains(&(format!("{service}.amazonaws.com"), operation.name.clone())), "{}", operation.name);
            }
        }
    }

    #[test]
    fn any_number_of_events_can_be_written() {
        for events in [0, 1, 2, 3, 10, 47] {
            let (folder, written) = estate(events, 1);
            assert_eq!(written.events, events);
            assert!(folder.path().join("README.md").is_file());
        }
    }

    #[test]
    fn denials_have_no_parameters_and_name_the_caller() {
        let (folder, _) = estate(3_000, 2);
        let denied: Vec<Value> = records(folder.path()).into_iter().filter(|record| record["errorCode"] == "AccessDenied").collect();
        assert!(denied.len() > 20);
        for record in denied {
            assert!(record["requestParameters"].is_null() && record["responseElements"].is_null());
            let caller = record["userIdentity"]["arn"].as_str().unwrap();
            assert!(record["errorMessage"].as_str().unwrap().starts_with(&format!("User: {caller} is not authorized")));
        }
    }

    #[test]
    fn the_description_lists_the_contradictions() {
        let (folder, _) = estate(3_000, 2);
        let readme = fs::read_to_string(folder.path().join("README.md")).unwrap();
        assert_eq!(readme.matches("was attached to this user").count(), 5);
        assert!(!readme.contains('{'), "every blank is filled in");
    }
}
