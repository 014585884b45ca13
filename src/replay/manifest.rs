//! The manifest of a report: what was run on what, and what it came to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::changes::Changes;
use super::compare::Change;
use super::coverage_table::CoverageTable;
use super::decide::ALREADY_LOST;
use super::kernel::Accumulator;
use super::rows::Said;
use super::shard::Shard;
use super::{Agreement, Options};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::frame::parquet;
use crate::frame::schema::SCHEMA_VERSION;
use crate::ingest::Dataset;
use crate::ingest::dataset::date_text;

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Program name and version.
    pub tool: String,
    /// Version of the tables.
    pub schema_version: String,
    /// Version of the catalogue that the events were mapped with.
    pub catalog_version: String,
    /// The arguments.
    pub arguments: Vec<String>,
    /// `policies` or `logged`.
    pub baseline: String,
    /// First and last day with an event; null if there is none.
    pub window: Option<Window>,
    /// What became of the records.
    pub counts: Counts,
    /// How well the baseline explains the log; null where the log is the baseline.
    pub agreement: Option<AgreementCounts>,
    /// The changes of policies that were followed, so that each event is compared with what was in force; absent if there
    /// were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followed: Option<Followed>,
    /// What was skipped, by reason.
    pub skipped_by_reason: BTreeMap<String, u64>,
    /// The candidates, in the order of the arguments.
    pub candidates: Vec<CandidateSummary>,
    /// Policy files by side, with their digests.
    pub policies: Vec<PolicyInput>,
    /// Log files with their digests.
    pub inputs: Vec<crate::ingest::SourceFile>,
    /// Which part of the run this is; absent in the report of a whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// What may differ between equal runs.
    pub run: BTreeMap<String, String>,
}

/// First and last day, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// `YYYY-MM-DD`.
    pub first: String,
    /// `YYYY-MM-DD`.
    pub last: String,
}

/// `records = duplicates + filtered + skipped + events`, `events = replayed + sum(not_replayed)`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Everything that came in.
    pub records: u64,
    /// Records that were there already.
    pub duplicates: u64,
    /// Events that the filters left out.
    pub filtered: u64,
    /// Records that were not kept.
    pub skipped: u64,
    /// Events with the id of another event and different content.
    pub id_conflicts: u64,
    /// Events.
    pub events: u64,
    /// Events that were replayed.
    pub replayed: u64,
    /// Events that no loaded policy set can decide, by reason.
    pub not_replayed: BTreeMap<String, u64>,
}

/// Changes of policies in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    /// Times at which something changed.
    pub changes: u64,
    /// Calls in the log that changed something.
    pub calls: u64,
    /// Calls that changed something, and it is not known what or whose.
    pub not_followed: u64,
}

/// [`Agreement`], as saved: its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementCounts {
    pub events: u64,
    pub agree: u64,
    pub explained_by_opaque: u64,
    pub open: u64,
    pub contradict: u64,
}

/// What a candidate comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateSummary {
    /// Name.
    pub name: String,
    /// Distinct requests by change.
    pub requests: BTreeMap<String, u64>,
    /// Events by change.
    pub events: BTreeMap<String, u64>,
    /// Events that were allowed when they happened and are denied by the newest policies already, whatever the candidate;
    /// absent if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub already_lost: u64,
    /// What of its plan would change who may do what and could not be followed: the candidate is not the whole of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The files of a policy set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInput {
    /// `baseline` or the candidate's name.
    pub side: String,
    /// Path.
    pub file: String,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes.
    pub sha256: String,
}

impl Manifest {
    pub(super) fn new(
        dataset: &Dataset,
        options: &Options,
        catalog: &Catalog,
        accumulated: &Accumulator,
        coverage: &CoverageTable,
        changes: &Changes,
        followed: Option<Followed>,
    ) -> Self {
        let ledger = &dataset.ledger;
        let replayed = accumulated.events - accumulated.not_replayed.values().sum::<u64>();
        let mut skipped_by_reason: BTreeMap<String, u64> = BTreeMap::new();
        for row in &ledger.skipped {
            *skipped_by_reason.entry(row.reason.clone()).or_default() += row.count;
        }
        let counts = Counts {
            records: ledger.counts.records,
            duplicates: ledger.counts.duplicates,
            filtered: accumulated.filtered,
            skipped: ledger.counts.skipped,
            id_conflicts: ledger.counts.id_conflicts,
            events: accumulated.events,
            replayed,
            not_replayed: accumulated.not_replayed.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect(),
        };
        let policy = |side: &String, file: &crate::account::PolicyFile| PolicyInput {
            side: side.clone(),
            file: file.path.display().to_string(),
            bytes: file.bytes,
            sha256: file.sha256.clone(),
        };
        let unresolved = |name: &str| options.unresolved.get(name).map(Vec::as_slice).unwrap_or_default();
        Self {
            tool: format!("retrial {}", env!("CARGO_PKG_VERSION")),
            schema_version: SCHEMA_VERSION.to_owned(),
            catalog_version: if ledger.catalog_version.is_empty() { catalog.version().to_owned() } else { ledger.catalog_version.clone() },
            arguments: options.arguments.clone(),
            baseline: if options.baseline.logged { "logged" } else { "policies" }.to_owned(),
            window: window(coverage),
            counts,
            agreement: (!options.baseline.logged).then(|| changes.agreement.into()),
            followed,
            skipped_by_reason,
            candidates: (0..)
                .zip(&options.candidates)
                .map(|(number, (name, _))| CandidateSummary::of((number, name), &changes.said, unresolved(name)))
                .collect(),
            policies: options.policy_files.iter().flat_map(|(side, files)| files.iter().map(move |file| policy(side, file))).collect(),
            inputs: ledger.sources.clone(),
            shard: options.shard,
            run: BTreeMap::new(),
        }
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Format`] for a file that is no manifest.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
        serde_json::from_str(&text).map_err(|error| Error::format(path, format!("is no manifest of a report: {error}")))
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::Internal(error.to_string()))?;
        parquet::write_private(path, &(text + "\n"))
    }

    /// The sums that every report keeps.
    ///
    /// # Errors
    /// [`Error::Internal`] if one does not hold.
    pub fn check(&self) -> Result<()> {
        let counts = &self.counts;
        let sum = counts.duplicates + counts.filtered + counts.skipped + counts.events;
        if counts.records != sum {
            return Err(Error::Internal(format!(
                "{} records, but duplicates, filtered, skipped and events add up to {sum}",
                counts.records
            )));
        }
        let decided = counts.replayed + counts.not_replayed.values().sum::<u64>();
        if counts.events != decided {
            return Err(Error::Internal(format!("{} events, but replayed and not replayed add up to {decided}", counts.events)));
        }
        for candidate in &self.candidates {
            let events: u64 = candidate.events.values().sum();
            if events != counts.replayed {
                return Err(Error::Internal(format!(
                    "{} events replayed, but the changes of `{}` add up to {events}",
                    counts.replayed, candidate.name
                )));
            }
        }
        Ok(())
    }

    /// The names of the candidates.
    pub fn candidate_names(&self) -> BTreeSet<&str> {
        self.candidates.iter().map(|candidate| candidate.name.as_str()).collect()
    }
}

impl CandidateSummary {
    /// Nothing yet.
    pub(super) fn empty(name: &str) -> Self {
        let zero: BTreeMap<String, u64> = Change::ALL.iter().map(|change| (change.name().to_owned(), 0)).collect();
        Self { name: name.to_owned(), requests: zero.clone(), events: zero, already_lost: 0, unresolved: Vec::new() }
    }

    /// What a candidate, given by its number and name, says.
    pub(super) fn of((number, name): (u32, &str), said: &[Said], unresolved: &[String]) -> Self {
        let mut summary = Self { unresolved: unresolved.to_vec(), ..Self::empty(name) };
        let mut of_changes: BTreeMap<Change, (u64, u64)> = BTreeMap::new();
        for said in said.iter().filter(|said| said.is_of(number)) {
            let (requests, events) = of_changes.entry(said.key.change).or_default();
            (*requests, *events) = (*requests + 1, *events + said.measures.events);
            summary.already_lost += if said.key.candidate_reason.starts_with(ALREADY_LOST) { said.measures.events } else { 0 };
        }
        for (change, (requests, events)) in of_changes {
            summary.requests.insert(change.name().to_owned(), requests);
            summary.events.insert(change.name().to_owned(), events);
        }
        summary
    }
}

/// First and last day with an event.
pub(super) fn window(coverage: &CoverageTable) -> Option<Window> {
    coverage.days().map(|(first, last)| Window { first: date_text(first), last: date_text(last) })
}

impl AgreementCounts {
    /// The sums.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            agree: self.agree + other.agree,
            explained_by_opaque: self.explained_by_opaque + other.explained_by_opaque,
            open: self.open + other.open,
            contradict: self.contradict + other.contradict,
        }
    }
}

impl From<Agreement> for AgreementCounts {
    fn from(agreement: Agreement) -> Self {
        let Agreement { events, agree, explained_by_opaque, open, contradict } = agreement;
        Self { events, agree, explained_by_opaque, open, contradict }
    }
}
