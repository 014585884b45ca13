//! The tally at rest: rows of the changes with their measures as sets, which shards write and `merge` reads.
//!
//! Days are `YYYY-MM-DD`, sessions 16 hex digits of their hash, samples the time of an event and its id.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array as _, RecordBatch};
use jiff::Timestamp;

use super::compare::{Change, Contradiction};
use super::row::{ChangeKey, Deciding};
use super::rows::Said;
use super::tally::{Measures, Smallest};
use crate::error::{Error, Result};
use crate::evaluate::Decision;
use crate::frame::schema::TALLY;
use crate::frame::{Cell, parquet, read};
use crate::ingest::dataset::{date_text, day_of};

/// The cells of a candidate's row.
pub(super) fn cells<'r>(candidate: &'r str, said: &'r Said) -> Vec<Cell<'r>> {
    let measures = said.measures.as_ref();
    let time = |time: Option<i64>| time.map_or(Cell::Null, Cell::Time);
    let mut cells = Vec::with_capacity(TALLY.schema.fields().len());
    cells.push(candidate.into());
    said.key.columns_before(&mut cells);
    cells.extend([Cell::count(measures.events), time(measures.first_seen), time(measures.last_seen)]);
    said.key.columns_after(&mut cells);
    cells.extend([
        measures.days.iter().map(|day| date_text(*day)).collect::<Vec<_>>().into(),
        measures.sessions.iter().map(|hash| format!("{hash:016x}")).collect::<Vec<_>>().into(),
        Cell::Texts(measures.session_names.as_slice().into()),
        measures.samples.iter().map(|(time, id)| format!("{} {id}", instant(*time))).collect::<Vec<_>>().into(),
    ]);
    cells
}

/// Microseconds since 1970 as RFC 3339.
fn instant(time: i64) -> String {
    Timestamp::from_microsecond(time).map_or_else(|_| time.to_string(), |time| time.to_string())
}

/// The rows of a tally. `candidates` are the names of the run's candidates, by number.
///
/// # Errors
/// [`Error::Io`], [`Error::Format`] for a file that is no tally of these candidates.
pub(super) fn read(path: &Path, candidates: &[&str]) -> Result<Vec<Said>> {
    let found = parquet::schema(path)?;
    if let Some(missing) = TALLY.schema.fields().iter().find(|field| found.field_with_name(field.name()).is_err()) {
        return Err(Error::format(path, format!("is no tally: it has no column `{}`; replay that shard again", missing.name())));
    }
    let mut rows = Vec::new();
    parquet::read_each(path, None, |batch| {
        let columns = Columns { batch: &batch, path, candidates };
        rows.reserve(batch.num_rows());
        (0..batch.num_rows()).try_for_each(|row| {
            rows.push(columns.row(row)?);
            Ok(())
        })
    })?;
    Ok(rows)
}

struct Columns<'b> {
    batch: &'b RecordBatch,
    path: &'b Path,
    candidates: &'b [&'b str],
}

impl Columns<'_> {
    fn row(&self, row: usize) -> Result<Said> {
        let decision = |column: &str| self.one(column, row, Decision::parse);
        let key = ChangeKey {
            change: self.one("change", row, Change::parse)?,
            change_from_log: self.one("change_from_log", row, Change::parse)?,
            contradiction: self
                .text("contradiction", row)?
                .map(|name| self.parsed("contradiction", &name, Contradiction::parse))
                .transpose()?,
            baseline_decision: decision("baseline_decision")?,
            candidate_decision: decision("candidate_decision")?,
            observed: self.given("observed", row)?,
            principal_arn: self.text("principal_arn", row)?,
            principal_type: self.given("principal_type", row)?,
            permission_set: self.text("permission_set", row)?,
            account_id: self.text("account_id", row)?,
            resource_account_id: self.text("resource_account_id", row)?,
            action: self.given("action", row)?,
            resource: self.text("resource", row)?,
            region: self.text("region", row)?,
            checks: self.texts("checks", row)?,
            deciding_action: self.given("deciding_action", row)?,
            deciding_resource: self.text("deciding_resource", row)?,
            context: self.texts("context", row)?,
            baseline_reason: self.given("baseline_reason", row)?,
            candidate_reason: self.given("candidate_reason", row)?,
            baseline: self.deciding("baseline", row)?,
            candidate_side: self.deciding("candidate", row)?,
            candidate_deciding: self.texts("candidate_deciding", row)?,
            missing_keys: self.texts("missing_keys", row)?,
            residual: self.given("residual", row)?,
            assumptions: self.texts("assumptions", row)?,
            mapping_source: self.given("mapping_source", row)?,
            resource_source: self.text("resource_source", row)?,
        };
        let number = |name: &str| (0..).zip(self.candidates).find(|(_, known)| **known == name).map(|(number, _)| number);
        let candidates = [self.one("candidate", row, number)?].into();
        Ok(Said { candidates, key: Arc::new(key), measures: Arc::new(self.measures(row)?) })
    }

    fn measures(&self, row: usize) -> Result<Measures> {
        let day = |text: &str| Some(day_of(format!("{text}T00:00:00Z").parse::<Timestamp>().ok()?.as_microsecond()));
        let sample = |text: &str| {
            let (time, id) = text.split_once(' ')?;
            let time = time.parse().map(Timestamp::as_microsecond).or_else(|_| time.parse()).ok()?;
            Some((time, id.to_owned()))
        };
        let events = read::int(self.batch, "events")?.value(row);
        Ok(Measures {
            events: u64::try_from(events).map_err(|_| self.unfit("events", &events.to_string()))?,
            first_seen: self.time("first_seen", row)?,
            last_seen: self.time("last_seen", row)?,
            days: self.set("days", row, day)?,
            sessions: self.set("session_hashes", row, |text| u64::from_str_radix(text, 16).ok())?,
            session_names: self.set("session_names", row, |text| Some(text.to_owned()))?,
            samples: self.set("samples", row, sample)?,
        })
    }

    fn deciding(&self, side: &str, row: usize) -> Result<Deciding> {
        let statements = read::int(self.batch, &format!("{side}_statement"))?;
        Ok(Deciding {
            layer: self.text(&format!("{side}_layer"), row)?,
            policy: self.text(&format!("{side}_policy"), row)?,
            statement: statements.is_valid(row).then(|| statements.value(row)),
            sid: self.text(&format!("{side}_sid"), row)?,
        })
    }

    fn text(&self, column: &str, row: usize) -> Result<Option<String>> {
        Ok(read::get(read::text(self.batch, column)?, row).map(str::to_owned))
    }

    /// A text; empty if there is none.
    fn given(&self, column: &str, row: usize) -> Result<String> {
        Ok(self.text(column, row)?.unwrap_or_default())
    }

    fn texts(&self, column: &str, row: usize) -> Result<Vec<String>> {
        Ok(read::texts(&read::list(self.batch, column)?.value(row)))
    }

    fn time(&self, column: &str, row: usize) -> Result<Option<i64>> {
        let times = read::time(self.batch, column)?;
        Ok(times.is_valid(row).then(|| times.value(row)))
    }

    fn one<T>(&self, column: &str, row: usize, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
        self.parsed(column, &self.given(column, row)?, parse)
    }

    fn set<T: Ord + Clone, const MOST: usize>(
        &self,
        column: &str,
        row: usize,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Smallest<T, MOST>> {
        self.texts(column, row)?.iter().map(|text| self.parsed(column, text, &parse)).collect()
    }

    fn parsed<T>(&self, column: &str, text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
        parse(text).ok_or_else(|| self.unfit(column, text))
    }

    fn unfit(&self, column: &str, text: &str) -> Error {
        Error::format(self.path, format!("holds `{text}` in `{column}`, which no shard writes: replay that shard again"))
    }
}
