//! What changes, for the renderers: rows of `changes.parquet` that agree in everything that a reader asks first, added up.
//! Unchanged requests are not among them.

use std::path::Path;

use arrow::array::{Array as _, ListArray, RecordBatch, StringArray};
use hashbrown::HashMap;

use super::Report;
use super::statements::Statements;
use crate::error::Result;
use crate::frame::{Distinct, parquet, read};
use crate::replay::Change;

/// Rows that agree in candidate, change, principal, action, statements, reason, and in what would settle them.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Index of the candidate in the manifest.
    pub candidate: usize,
    /// What changes.
    pub change: Change,
    /// ARN of the principal; `None` where only its account is known. This and all other texts are numbers of [`Findings::text`].
    pub principal: Option<u32>,
    /// Permission set of an Identity Center role.
    pub permission_set: Option<u32>,
    /// The action.
    pub action: Option<u32>,
    /// The candidate's reason, or the baseline's where it contradicts the log.
    pub why: Option<u32>,
    /// The context keys and layers that would settle it, joined.
    pub missing: Option<u32>,
    /// Under which condition the candidate allows it.
    pub residual: Option<u32>,
    /// The statement that decides in the baseline, by its place in [`Findings::statements`].
    pub before: Option<usize>,
    /// The one that decides in the candidate.
    pub after: Option<usize>,
    /// Where one side has no statement that decides, the one to look at there: [`Statements`] says which.
    pub counterpart: Option<usize>,
    /// One of the resources, and how many there are.
    pub resource: Option<u32>,
    /// Distinct resources.
    pub resources: u64,
    /// Distinct requests: rows of `changes.parquet`.
    pub requests: u64,
    /// Events.
    pub events: u64,
    /// Events that failed in the log for another reason than authorization.
    pub failed_otherwise: u64,
    /// Days seen, at least: the most of any row.
    pub days_seen: u64,
    /// First and last event, in microseconds since 1970.
    pub first_seen: Option<i64>,
    /// Last event.
    pub last_seen: Option<i64>,
    /// The id of one of its events.
    pub sample: Option<String>,
    /// The id of the row with the most events, for `retrial explain`.
    pub change_id: String,
    /// The events of that row.
    largest: u64,
}

/// All findings of a report: candidate by candidate, class by class, most events first.
#[derive(Debug)]
pub struct Findings {
    texts: Distinct,
    /// The findings.
    pub all: Vec<Finding>,
    /// The statements that they name.
    pub statements: Statements,
}

/// What findings of one kind agree in.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    candidate: usize,
    change: Change,
    principal: Option<u32>,
    action: Option<u32>,
    why: Option<u32>,
    missing: Option<u32>,
    residual: Option<u32>,
    before: Option<usize>,
    after: Option<usize>,
}

const COLUMNS: [&str; 25] = [
    "change_id",
    "candidate",
    "change",
    "observed",
    "principal_arn",
    "permission_set",
    "action",
    "resource",
    "events",
    "days_seen",
    "first_seen",
    "last_seen",
    "sample_event_ids",
    "baseline_reason",
    "candidate_reason",
    "baseline_layer",
    "baseline_policy",
    "baseline_statement",
    "baseline_sid",
    "candidate_layer",
    "candidate_policy",
    "candidate_statement",
    "candidate_sid",
    "missing_keys",
    "residual",
];

impl Findings {
    /// Reads the findings of a report.
    ///
    /// # Errors
    /// [`crate::Error::Io`] and [`crate::Error::Format`] for a folder that is no report.
    pub fn read(report: &Report) -> Result<Self> {
        let statements = Statements::read(&report.folder.join("statements.parquet"))?;
        let mut collecting = Collecting {
            candidates: report.manifest.candidates.iter().enumerate().map(|(at, candidate)| (candidate.name.clone(), at)).collect(),
            texts: Distinct::default(),
            statements,
            places: HashMap::new(),
            resources: HashMap::new(),
            all: Vec::new(),
        };
        let path: &Path = &report.folder.join("changes.parquet");
        parquet::read_each(path, Some(&COLUMNS), |batch| collecting.add(&batch))?;
        Ok(collecting.finish())
    }

    /// A text by its number.
    pub fn text(&self, number: Option<u32>) -> Option<&str> {
        self.texts.get(number?)
    }

    /// The findings of a candidate and class.
    pub fn of(&self, candidate: usize, change: Change) -> impl Iterator<Item = &Finding> {
        self.all.iter().filter(move |finding| finding.candidate == candidate && finding.change == change)
    }
}

struct Collecting {
    candidates: HashMap<String, usize>,
    texts: Distinct,
    statements: Statements,
    places: HashMap<Key, usize>,
    /// Resources of findings.
    resources: HashMap<(usize, u32), ()>,
    all: Vec<Finding>,
}

impl Collecting {
    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let text = |name: &str| read::text(batch, name);
        let (ids, candidates, changes, observed) = (text("change_id")?, text("candidate")?, text("change")?, text("observed")?);
        let (principals, sets, actions, resources) = (text("principal_arn")?, text("permission_set")?, text("action")?, text("resource")?);
        let (baseline_reasons, candidate_reasons, residuals) = (text("baseline_reason")?, text("candidate_reason")?, text("residual")?);
        let (events, days) = (read::int(batch, "events")?, read::int(batch, "days_seen")?);
        let (first, last) = (read::time(batch, "first_seen")?, read::time(batch, "last_seen")?);
        let (missing, samples) = (read::list(batch, "missing_keys")?, read::list(batch, "sample_event_ids")?);
        for row in 0..batch.num_rows() {
            let Some(change) = read::get(changes, row).and_then(Change::parse) else { continue };
            let contradicted = change == Change::BaselineContradicted;
            let Some(candidate) = read::get(candidates, row).and_then(|name| self.candidates.get(name)).copied() else { continue };
            if !change.is_change() && !contradicted {
                continue;
            }
            let name = read::get(candidates, row).unwrap_or_default();
            let before = self.statement(batch, "baseline", "baseline", row)?;
            let after = self.statement(batch, "candidate", name, row)?;
            let reason = if contradicted { baseline_reasons } else { candidate_reasons };
            let key = Key {
                candidate,
                change,
                principal: self.number(principals, row)?,
                action: self.number(actions, row)?,
                why: self.number(reason, row)?,
                missing: self.joined(missing, row)?,
                residual: self.number(residuals, row)?,
                before,
                after,
            };
            let (permission_set, resource) = (self.number(sets, row)?, self.number(resources, row)?);
            let reasons = [baseline_reasons, candidate_reasons].map(|reasons| read::get(reasons, row).unwrap_or_default());
            let counterpart = self.statements.counterpart(before, after, name, reasons);
            let count = |value: i64| u64::try_from(value).unwrap_or_default();
            let events = count(events.value(row));
            let (place, new) = (self.all.len(), &key);
            let finding = Finding {
                candidate,
                change,
                principal: new.principal,
                permission_set,
                action: new.action,
                why: new.why,
                missing: new.missing,
                residual: new.residual,
                before,
                after,
                counterpart,
                resource,
                resources: 0,
                requests: 0,
                events: 0,
                failed_otherwise: 0,
                days_seen: 0,
                first_seen: None,
                last_seen: None,
                sample: None,
                change_id: String::new(),
                largest: 0,
            };
            let place = *self.places.entry(key).or_insert(place);
            if place == self.all.len() {
                self.all.push(finding);
            }
            let is_new_resource = resource.is_some_and(|resource| self.resources.insert((place, resource), ()).is_none());
            let Some(finding) = self.all.get_mut(place) else { continue };
            finding.requests += 1;
            finding.events += events;
            finding.resources += u64::from(is_new_resource);
            finding.resource = finding.resource.or(resource);
            if read::get(observed, row) == Some("other_error") {
                finding.failed_otherwise += events;
            }
            finding.days_seen = finding.days_seen.max(count(days.value(row)));
            let time = |times: &arrow::array::TimestampMicrosecondArray| times.is_valid(row).then(|| times.value(row));
            finding.first_seen = finding.first_seen.into_iter().chain(time(first)).min();
            finding.last_seen = finding.last_seen.into_iter().chain(time(last)).max();
            if finding.sample.is_none() {
                finding.sample = read::texts(&samples.value(row)).into_iter().next();
            }
            // The first of equals, which is the smallest key.
            if events > finding.largest {
                finding.largest = events;
                finding.change_id = read::get(ids, row).unwrap_or_default().to_owned();
            }
        }
        Ok(())
    }

    /// The statement that decides a row on one side.
    fn statement(&self, batch: &RecordBatch, columns: &str, side: &str, row: usize) -> Result<Option<usize>> {
        let text = |name: &str| read::text(batch, &format!("{columns}_{name}"));
        let (layer, policy) = (read::get(text("layer")?, row), read::get(text("policy")?, row));
        let statements = read::int(batch, &format!("{columns}_statement"))?;
        let (Some(layer), Some(policy), true) = (layer, policy, statements.is_valid(row)) else { return Ok(None) };
        Ok(self.statements.find(side, layer, policy, statements.value(row)))
    }

    fn number(&mut self, column: &StringArray, row: usize) -> Result<Option<u32>> {
        read::get(column, row).map(|text| Ok(self.texts.number(text)?.0)).transpose()
    }

    fn joined(&mut self, column: &ListArray, row: usize) -> Result<Option<u32>> {
        let texts = if column.is_valid(row) { read::texts(&column.value(row)) } else { Vec::new() };
        (!texts.is_empty()).then(|| Ok(self.texts.number(&texts.join(", "))?.0)).transpose()
    }

    fn finish(self) -> Findings {
        let Self { texts, statements, mut all, .. } = self;
        let text = |number: Option<u32>| number.and_then(|number| texts.get(number));
        all.sort_by(|a, b| {
            let order = (a.candidate, a.change).cmp(&(b.candidate, b.change)).then(b.events.cmp(&a.events));
            let names = |finding: &Finding| (text(finding.principal), text(finding.action), text(finding.why), text(finding.missing));
            order.then_with(|| names(a).cmp(&names(b))).then_with(|| a.change_id.cmp(&b.change_id))
        });
        Findings { texts, all, statements }
    }
}
