//! The inputs of `tests/cases/fuzz/TARGET`: each goes through the check of its fuzz target. Some were found by fuzzing
//! and broke something once, the others are the shapes that fuzzing starts from.

use std::path::Path;

use crate::fuzz_checks;

fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/fuzz").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        let input = std::fs::read(&file).unwrap();
        let ran = std::panic::catch_unwind(|| check(&input));
        assert!(ran.is_ok(), "the panic above is of {}", file.display());
    }
}

#[test]
fn containers() {
    run("container", fuzz_checks::container::check);
}

#[test]
fn globs() {
    run("glob", fuzz_checks::glob::check);
}

#[test]
fn policy_documents() {
    run("policy_document", fuzz_checks::policy_document::check);
}

#[test]
fn resources() {
    run("resource", fuzz_checks::resource::check);
}

#[test]
fn simulated_cases() {
    run("simulate", fuzz_checks::simulate::check);
}
