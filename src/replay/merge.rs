//! Adds up the reports of all shards of a run: the result is the report of the run in one piece.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, interleave_record_batch};
use serde_json::Value;

use super::actions_table;
use super::coverage_table::CoverageTable;
use super::manifest::{AgreementCounts, CandidateSummary, Counts, Manifest};
use super::rows::{self, Said};
use super::shard::Shard;
use super::tally_table;
use crate::error::{Error, Result};
use crate::evaluate::LayerKind;
use crate::frame::schema::{ACTIONS, CHANGES, COVERAGE, PRINCIPALS, SKIPPED, STATEMENTS, TALLY, Table};
use crate::frame::{Place, parquet, read};

/// Adds up the reports of shards, one for each of the run, and writes the report of the whole into `folder`, which must
/// exist and be empty.
///
/// # Errors
/// [`Error::Usage`] if the reports are not all shards of one run, [`Error::Io`] and [`Error::Format`] for a folder that is
/// no report, [`Error::Internal`] if the sums do not add up.
pub fn merge(reports: &[PathBuf], folder: &Path) -> Result<Manifest> {
    let shards = shards(reports)?;
    let Some((first, (first_path, _))) = shards.iter().next() else { return Err(Error::Usage("name the shards' reports".to_owned())) };
    let paths = || shards.values().map(|(path, _)| *path);
    let manifests: Vec<&Manifest> = shards.values().map(|(_, manifest)| manifest).collect();
    // Shards of one run have the same candidates.
    let candidates: Vec<&str> =
        manifests.iter().take(1).flat_map(|manifest| &manifest.candidates).map(|candidate| candidate.name.as_str()).collect();
    let mut said: Vec<Said> = Vec::new();
    let mut coverage = CoverageTable::default();
    for path in paths() {
        said.extend(tally_table::read(&file(path, &TALLY), &candidates)?);
        coverage.add_shard(&file(path, &COVERAGE))?;
    }
    let said = rows::add_up(said);
    let manifest = sum(*first, &manifests, &said, &coverage)?;
    manifest.check()?;
    rows::write_changes(&file(folder, &CHANGES), &said, &candidates)?;
    let principals = tables(paths(), &PRINCIPALS)?;
    parquet::write(&file(folder, &PRINCIPALS), &PRINCIPALS, &[principals_of(&principals)?])?;
    let actions = shards.keys().copied().zip(tables(paths(), &ACTIONS)?).collect::<Vec<_>>();
    actions_table::write_merged(&file(folder, &ACTIONS), &actions, coverage.length())?;
    let statements = tables(paths(), &STATEMENTS)?;
    parquet::write(&file(folder, &STATEMENTS), &STATEMENTS, &[statements_of(&statements)?])?;
    // Every shard lists all of them.
    parquet::write(&file(folder, &SKIPPED), &SKIPPED, &tables([*first_path].into_iter(), &SKIPPED)?)?;
    coverage.write(&file(folder, &COVERAGE), [])?;
    manifest.write(&folder.join("manifest.json"))?;
    Ok(manifest)
}

fn file(folder: &Path, table: &Table) -> PathBuf {
    folder.join(format!("{}.parquet", table.name))
}

/// The reports by shard, each with its manifest.
fn shards(reports: &[PathBuf]) -> Result<BTreeMap<Shard, (&Path, Manifest)>> {
    let mut shards: BTreeMap<Shard, (&Path, Manifest)> = BTreeMap::new();
    for path in reports {
        let manifest = Manifest::read(&path.join("manifest.json"))?;
        let Some(shard) = manifest.shard else {
            return Err(Error::Usage(format!("`{}` is no shard: it was not written by `replay --shard I/N`", path.display())));
        };
        if let Some((other, _)) = shards.get(&shard) {
            return Err(Error::Usage(format!("`{}` and `{}` are both shard {shard}", other.display(), path.display())));
        }
        shards.insert(shard, (path, manifest));
    }
    let Some((first, (first_path, first_manifest))) = shards.first_key_value() else { return Ok(shards) };
    for (path, manifest) in shards.values() {
        if let Some(what) = difference(first_manifest, manifest)? {
            let (one, other) = (first_path.display(), path.display());
            return Err(Error::Usage(format!("`{one}` and `{other}` are not of one run: they differ in `{what}`")));
        }
    }
    let missing = (first.of as usize).saturating_sub(shards.len());
    if missing > 0 {
        const NAMED: usize = 5;
        let all = (0..first.of).map(|index| Shard { index, of: first.of });
        let named: Vec<String> = all.filter(|shard| !shards.contains_key(shard)).take(NAMED).map(|shard| shard.to_string()).collect();
        let more = if missing > NAMED { format!(" and {} more", missing - NAMED) } else { String::new() };
        return Err(Error::Usage(format!("shards are missing: {}{more}", named.join(", "))));
    }
    Ok(shards)
}

/// The first thing in which two shards differ and shards of one run do not.
fn difference(one: &Manifest, other: &Manifest) -> Result<Option<String>> {
    let common = |manifest: &Manifest| -> Result<Value> {
        let shard = manifest.shard.map(|shard| shard.of);
        let Counts { records, duplicates, skipped, id_conflicts, .. } = manifest.counts;
        let own = Manifest {
            counts: Counts { records, duplicates, skipped, id_conflicts, ..Counts::default() },
            window: None,
            agreement: None,
            candidates: manifest
                .candidates
                .iter()
                .map(|candidate| CandidateSummary { unresolved: candidate.unresolved.clone(), ..CandidateSummary::empty(&candidate.name) })
                .collect(),
            shard: shard.map(|of| Shard { index: 0, of }),
            run: BTreeMap::new(),
            ..manifest.clone()
        };
        serde_json::to_value(own).map_err(|error| Error::Internal(error.to_string()))
    };
    let (one, other) = (common(one)?, common(other)?);
    let members = one.as_object().into_iter().flatten();
    Ok(members.filter(|(name, value)| other.get(name) != Some(value)).map(|(name, _)| name.clone()).next())
}

/// The manifest of the whole.
fn sum(first: Shard, manifests: &[&Manifest], said: &[Said], coverage: &CoverageTable) -> Result<Manifest> {
    let Some(one) = manifests.first() else { return Err(Error::Internal(format!("no manifest of shard {first}"))) };
    let sum = |count: fn(&Counts) -> u64| manifests.iter().map(|manifest| count(&manifest.counts)).sum::<u64>();
    let events = sum(|counts| counts.events);
    let mut not_replayed: BTreeMap<String, u64> = BTreeMap::new();
    for (reason, count) in manifests.iter().flat_map(|manifest| &manifest.counts.not_replayed) {
        *not_replayed.entry(reason.clone()).or_default() += count;
    }
    let Counts { records, duplicates, skipped, id_conflicts, .. } = one.counts;
    let kept = records.checked_sub(duplicates + skipped);
    let filtered = kept.and_then(|kept| kept.checked_sub(events));
    let filtered = filtered.ok_or_else(|| Error::Internal(format!("the shards have {events} events of {records} records")))?;
    let counts =
        Counts { records, duplicates, filtered, skipped, id_conflicts, events, replayed: sum(|counts| counts.replayed), not_replayed };
    let agreement = manifests.iter().filter_map(|manifest| manifest.agreement).reduce(AgreementCounts::plus);
    Ok(Manifest {
        window: super::manifest::window(coverage),
        counts,
        agreement,
        candidates: (0..)
            .zip(&one.candidates)
            .map(|(number, candidate)| CandidateSummary::of((number, &candidate.name), said, &candidate.unresolved))
            .collect(),
        shard: None,
        run: BTreeMap::new(),
        ..(*one).clone()
    })
}

fn tables<'p>(reports: impl Iterator<Item = &'p Path>, table: &Table) -> Result<Vec<RecordBatch>> {
    let whole = |path: &Path| Ok(concat_batches(&table.schema, &retyped(table, parquet::read(&file(path, table), None)?)?)?);
    reports.map(whole).collect()
}

/// Batches as read, with the schema of the program: field names inside lists differ.
fn retyped(table: &Table, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
    let retype = |batch: RecordBatch| {
        let columns = batch.columns().iter().zip(table.schema.fields());
        let columns = columns.map(|(column, field)| arrow::compute::cast(column, field.data_type())).collect::<Result<_, _>>()?;
        Ok(RecordBatch::try_new(table.schema.clone(), columns)?)
    };
    batches.into_iter().map(retype).collect()
}

/// The rows of principals: all events of a principal are in one shard, and the others say of it what they say of one without
/// events.
fn principals_of(shards: &[RecordBatch]) -> Result<RecordBatch> {
    let mut chosen: BTreeMap<(String, Option<String>), (bool, Place)> = BTreeMap::new();
    for (shard, batch) in shards.iter().enumerate() {
        let (candidates, arns) = (read::text(batch, "candidate")?, read::text(batch, "principal_arn")?);
        let events = read::int(batch, "events")?;
        for row in 0..batch.num_rows() {
            let key = (candidates.value(row).to_owned(), read::get(arns, row).map(str::to_owned));
            let has_events = events.value(row) > 0;
            let place = chosen.entry(key).or_insert((has_events, (shard, row)));
            if has_events && !place.0 {
                *place = (true, (shard, row));
            }
        }
    }
    picked(shards, chosen.into_values().map(|(_, place)| place))
}

/// The statements that any shard names.
fn statements_of(shards: &[RecordBatch]) -> Result<RecordBatch> {
    let mut chosen = BTreeMap::new();
    for (shard, batch) in shards.iter().enumerate() {
        let [sides, layers, policies] = ["side", "layer", "policy"].map(|name| read::text(batch, name));
        let (sides, layers, policies, statements) = (sides?, layers?, policies?, read::int(batch, "statement")?);
        for row in 0..batch.num_rows() {
            let key = (sides.value(row), LayerKind::parse(layers.value(row)), policies.value(row), statements.value(row));
            chosen.entry(key).or_insert((shard, row));
        }
    }
    picked(shards, chosen.into_values())
}

fn picked(batches: &[RecordBatch], places: impl Iterator<Item = Place>) -> Result<RecordBatch> {
    Ok(interleave_record_batch(&batches.iter().collect::<Vec<_>>(), &places.collect::<Vec<_>>())?)
}
