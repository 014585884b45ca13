//! The integration tests: one binary, one module a topic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail")]

mod candidates;
mod catalog;
mod catalog_command;
mod check;
mod cloudformation;
mod commands;
mod conformance;
mod containers;
mod dataset;
mod documents;
mod explain;
mod fuzz_checks;
mod fuzz_corpus;
mod laws;
mod layers;
mod organization;
mod parquet_inputs;
mod quirks;
mod reference;
mod replay;
mod report;
mod scale;
mod several_datasets;
mod shards;
mod sources;
mod terraform;
mod timeline;
mod witness;
