//! The batch: an events dataset against a baseline and candidates, in parallel, into a report folder.
//!
//! Events become distinct requests ([`tally`] says what is measured of them); each is decided once for the baseline and
//! every candidate together ([`compare`] says what that makes of it), and the rows are added up by everything that
//! describes them.

mod actions_table;
mod beside;
mod caller;
mod callers;
mod changes;
mod codes;
pub mod compare;
mod context;
mod coverage;
mod coverage_table;
mod decide;
mod decisions;
pub mod explain;
mod filter;
mod granted;
mod inputs;
mod kernel;
#[cfg(test)]
mod laws;
mod manifest;
mod measuring;
mod memo;
mod merge;
mod past;
mod pipeline;
mod principals;
mod principals_table;
mod request;
mod row;
mod rows;
mod rules;
mod sessions;
mod shard;
pub mod simulate;
pub mod tally;
mod tally_table;
mod timeline;
mod used;
mod variants;
mod view;

use std::collections::BTreeMap;
use std::path::PathBuf;

use rayon::prelude::*;

use crate::account::{PolicyFile, PolicySet};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::evaluate::{Evaluator, Layers};
use crate::frame::schema::{PRINCIPALS, SKIPPED, STATEMENTS, TALLY};
use crate::frame::{Cell, EventReader, Grain, TableBuilder, parquet};
use crate::ingest::{Dataset, on_all_threads};
use crate::progress::Progress;

use changes::Changes;
use coverage_table::CoverageTable;
use decide::Decider;
use decisions::Decisions;
use kernel::{Accumulator, Kernel, Shared};
use principals::Principals;
use principals_table::Collected;
use timeline::Timeline;

pub use changes::Agreement;
pub use compare::{Change, Contradiction};
pub use filter::Filter;
pub use manifest::{CandidateSummary, Counts, Followed, Manifest, Window};
pub use merge::merge;
pub use shard::Shard;
pub use tally::Measures;

/// Distinct requests that a thread decides at a time.
const REQUESTS: usize = 256;

/// What to replay, and how.
#[derive(Debug, Default)]
pub struct Options {
    /// The policies in force.
    pub baseline: PolicySet,
    /// The drafts, by name.
    pub candidates: Vec<(String, PolicySet)>,
    /// What of a candidate's plan could not be followed, by the candidate's name.
    pub unresolved: BTreeMap<String, Vec<String>>,
    /// Which events.
    pub filter: Filter,
    /// Layers that are taken to be absent where no policy file supplies them.
    pub assume_absent: Layers,
    /// The policy files of the baseline and of each candidate, for the manifest.
    pub policy_files: Vec<(String, Vec<PolicyFile>)>,
    /// Within so many microseconds of a change of policies either state may have been in force.
    pub change_window: i64,
    /// Whether to write the decision on every event too.
    pub decisions: bool,
    /// Only the events of some of the principals: the report is then one of several that [`merge`] adds up.
    pub shard: Option<Shard>,
    /// The arguments of the run, for the manifest.
    pub arguments: Vec<String>,
}

/// What a replay held when it ended: millions of small things, which take a while to free. A program that ends need not free
/// them.
pub struct Held(#[expect(dead_code, reason = "it is only held")] Box<dyn std::any::Any + Send>);

/// Replays a dataset and writes the report folder: the tables and the manifest. `folder` must exist and be empty.
///
/// # Errors
/// [`Error::Nothing`] if the dataset holds no event, [`Error::Io`] and [`Error::Columns`], [`Error::Internal`] if the
/// sums of the report do not add up.
pub fn replay(
    dataset: &Dataset,
    options: &Options,
    catalog: &Catalog,
    folder: &std::path::Path,
    progress: &dyn Progress,
) -> Result<Manifest> {
    replay_and_hold(dataset, options, catalog, folder, progress).map(|(manifest, _)| manifest)
}

/// As [`replay`], with what it held.
///
/// # Errors
/// Those of [`replay`].
pub fn replay_and_hold(
    dataset: &Dataset,
    options: &Options,
    catalog: &Catalog,
    folder: &std::path::Path,
    progress: &dyn Progress,
) -> Result<(Manifest, Held)> {
    let files = dataset.files()?;
    if files.is_empty() && dataset.ledger.counts.records == 0 {
        return Err(Error::Nothing(format!("`{}` holds no event", dataset.path.display())));
    }
    if let Some(warning) = dataset.ledger.mapped_otherwise(catalog.version()) {
        progress.warn(&warning);
    }
    let (principals, program) = match join(&files, options) {
        Ok(joined) => joined,
        Err(error) => return Err(dataset.assert_unchanged().err().unwrap_or(error)),
    };
    principals.not_followed.iter().for_each(|line| progress.warn(line));
    let shared = Shared {
        program: &program,
        principals: &principals,
        catalog,
        filter: &options.filter,
        assume_absent: options.assume_absent,
        shard: options.shard,
    };
    progress.begin("replaying events", files.len() as u64, 0);
    let columns = columns(&shared);
    let kernels = pipeline::run(
        &files,
        &columns,
        || Kernel::new(&shared),
        |kernel, rows| {
            let before = kernel.events();
            kernel.consume(rows)?;
            progress.advance(0, kernel.events() - before);
            Ok(())
        },
    );
    // What went wrong may be that the files are others by now.
    dataset.assert_unchanged()?;
    let mut accumulated = kernels?.into_par_iter().map(Kernel::finish).reduce(Accumulator::default, Accumulator::merge);
    accumulated.coverage.skipped(&dataset.ledger.skipped);
    progress.end();
    progress.begin("deciding distinct requests", accumulated.requests.len() as u64, 0);
    let names = options.candidates.iter().map(|(name, _)| name.as_str().into()).collect();
    let decider = Decider::new(&program, &principals, names, options.baseline.logged);
    let mut requests: Vec<_> = std::mem::take(&mut accumulated.requests).into_iter().collect();
    // What was worked out of a principal's policies is used again while it is at hand.
    requests.sort_unstable_by_key(|(request, _)| (request.principal, request.variant));
    let chunks: Vec<_> = requests.chunks(REQUESTS).enumerate().collect();
    let decided = on_all_threads(chunks.len(), usize::MAX, |_, next| {
        let (mut evaluator, mut changes) = (Evaluator::new(&program), Changes::default());
        while let Some((chunk, requests)) = next().and_then(|at| chunks.get(at)) {
            for (at, (request, measures)) in requests.iter().enumerate() {
                let keys = decider.decide(&mut evaluator, request, measures, &mut changes);
                if options.decisions {
                    changes.decided.push((chunk * REQUESTS + at, keys));
                }
            }
        }
        Ok(changes)
    })?;
    let changes = decided.into_iter().fold(Changes::default(), Changes::merge).finish();
    progress.end();
    let coverage = std::mem::take(&mut accumulated.coverage).finish();
    let manifest = Manifest::new(dataset, options, catalog, &accumulated, &coverage, &changes, principals.followed);
    manifest.check()?;
    if options.decisions {
        let names = options.candidates.iter().map(|(name, _)| name.as_str().into()).collect();
        let decided = changes.decided.iter().filter_map(|(number, keys)| Some((requests.get(*number)?.0.as_ref(), keys.clone())));
        let path = folder.join("decisions.parquet");
        Decisions::new(names, decided).write(&path, &files, &shared, &columns, progress)?;
        dataset.assert_unchanged()?;
    }
    write(folder, dataset, options, catalog, &principals, &accumulated, coverage, &changes, &manifest)?;
    Ok((manifest, Held(Box::new((principals, accumulated, requests, changes)))))
}

/// The columns that the policies and the filter need.
fn columns(shared: &Shared<'_>) -> Vec<&'static str> {
    let keys = (0..shared.program.key_count()).map(|key| shared.program.key_name(key));
    context::columns(keys)
}

/// First pass: who is in the log, and with which policies.
fn join(files: &[PathBuf], options: &Options) -> Result<(Principals, crate::evaluate::Program)> {
    let threads = on_all_threads(files.len(), usize::MAX, |_, next| {
        let (mut scan, mut changes) = (principals::Scan::default(), timeline::Scan::default());
        let mut reader = EventReader::new()?;
        let columns: Vec<&str> = principals::COLUMNS.into_iter().chain(timeline::COLUMNS).collect();
        while let Some(file) = next().and_then(|at| files.get(at)) {
            reader.read(file, &columns, |rows| {
                changes.add(&rows.events)?;
                scan.add(rows.batch(Grain::Caller))
            })?;
        }
        Ok((scan.seen(), changes))
    })?;
    let (seen, changes): (Vec<_>, Vec<_>) = threads.into_iter().unzip();
    let timeline = Timeline::new(changes, &options.baseline, options.change_window);
    let seen = seen.into_iter().flatten().collect();
    Ok(Principals::compile(seen, &options.baseline, &options.candidates, options.assume_absent, timeline))
}

/// What the log tells of policies, tags and sessions in time.
fn timeline(files: &[PathBuf], options: &Options) -> Result<Timeline> {
    let threads = on_all_threads(files.len(), usize::MAX, |_, next| {
        let (mut changes, mut reader) = (timeline::Scan::default(), EventReader::new()?);
        while let Some(file) = next().and_then(|at| files.get(at)) {
            reader.read(file, &timeline::COLUMNS, |rows| changes.add(&rows.events))?;
        }
        Ok(changes)
    })?;
    Ok(Timeline::new(threads, &options.baseline, options.change_window))
}

#[expect(clippy::too_many_arguments, reason = "the report is made of all of them")]
fn write(
    folder: &std::path::Path,
    dataset: &Dataset,
    options: &Options,
    catalog: &Catalog,
    principals: &Principals,
    accumulated: &Accumulator,
    coverage: CoverageTable,
    changes: &Changes,
    manifest: &Manifest,
) -> Result<()> {
    let names: Vec<&str> = options.candidates.iter().map(|(name, _)| name.as_str()).collect();
    rows::write_changes(&folder.join("changes.parquet"), &changes.said, &names)?;
    let sets = || std::iter::once(&options.baseline).chain(options.candidates.iter().map(|(_, set)| set));
    let of_organizations = sets().flat_map(|set| set.organizations.accounts()).map(str::to_owned);
    let accounts = sets().flat_map(|set| &set.accounts).cloned().chain(of_organizations);
    let sides = options.candidates.iter().map(|(name, set)| (name.as_str(), set)).chain([("baseline", &options.baseline)]).collect();
    let used = principals_table::used_by_arn(changes, principals);
    let session_names = &accumulated.session_names;
    let collected = Collected::new(changes, principals, &used, session_names, &options.baseline, &options.candidates, catalog);
    let tables = [(&*STATEMENTS, vec![changes.statements_table(principals, &sides)?]), (&*PRINCIPALS, vec![collected.table()?])];
    write_skipped(&folder.join("skipped.parquet"), dataset)?;
    actions_table::write(&folder.join("actions.parquet"), &collected, coverage.length())?;
    for (table, batches) in tables {
        parquet::write(&folder.join(format!("{}.parquet", table.name)), table, &batches)?;
    }
    if options.shard.is_some() {
        rows::write(&folder.join("tally.parquet"), &TALLY, &changes.said, &names, tally_table::cells)?;
    }
    coverage.write(&folder.join("coverage.parquet"), accounts)?;
    manifest.write(&folder.join("manifest.json"))
}

/// Writes a row for each record that was skipped, some at a time: there may be millions of them in one row of the ledger.
fn write_skipped(path: &std::path::Path, dataset: &Dataset) -> Result<()> {
    const ROWS: usize = 16_384;
    let mut writer = parquet::TableWriter::create(path, &SKIPPED)?;
    let mut rows = dataset.ledger.skipped.iter().flat_map(|row| row.indices().map(move |index| (row, index))).peekable();
    while rows.peek().is_some() {
        let mut table = TableBuilder::new(&SKIPPED)?;
        for (row, index) in rows.by_ref().take(ROWS) {
            table.push(vec![
                row.file.as_str().into(),
                index.map_or(Cell::Null, Cell::count),
                row.reason.as_str().into(),
                row.detail.as_str().into(),
                Cell::count(row.length),
                row.sha256.as_str().into(),
                row.event_time.map_or(Cell::Null, Cell::Time),
                row.raw.as_deref().map_or(Cell::Null, Cell::from),
            ])?;
        }
        writer.push(&table.finish()?)?;
    }
    writer.finish()
}
