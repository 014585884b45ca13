//! The questions that every summary answers, as polars queries over the tables of a report.

use polars::prelude::*;

use super::Report;
use crate::error::{Error, Result};
use crate::frame::interop::to_polars;

/// Who is affected, in which actions, and why: rows that share a principal and a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// ARN of the principal; `None` where only its account is known.
    pub principal: Option<String>,
    /// Permission set of an Identity Center role.
    pub permission_set: Option<String>,
    /// Why: the candidate's reason, or the baseline's where it contradicts the log.
    pub reason: String,
    /// What would settle it: context keys and layers, joined.
    pub missing: String,
    /// The actions with their events, most events first.
    pub actions: Vec<(String, u64)>,
    /// Events in all.
    pub events: u64,
    /// Last event, in microseconds since 1970.
    pub last_seen: Option<i64>,
}

/// How many requests, principals and events a class has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClassTotals {
    /// Rows.
    pub requests: u64,
    /// Distinct principals.
    pub principals: u64,
    /// Events.
    pub events: u64,
    /// Events that failed in the log for another reason than authorization.
    pub failed_otherwise: u64,
}

/// The tables of a report as polars frames.
#[derive(Debug)]
pub struct Summary {
    changes: DataFrame,
}

impl Summary {
    /// Takes the tables of a report over.
    ///
    /// # Errors
    /// [`Error::Columns`].
    pub fn new(report: &Report) -> Result<Self> {
        Ok(Self { changes: to_polars(report.changes()?)? })
    }

    fn rows(&self, candidate: &str, change: &str) -> LazyFrame {
        self.changes.clone().lazy().filter(col("candidate").eq(lit(candidate)).and(col("change").eq(lit(change))))
    }

    /// Totals of one class of changes.
    ///
    /// # Errors
    /// [`Error::Columns`].
    pub fn totals(&self, candidate: &str, change: &str) -> Result<ClassTotals> {
        let frame = self
            .rows(candidate, change)
            .select([
                len().cast(DataType::Int64).alias("requests"),
                col("principal_arn").n_unique().cast(DataType::Int64).alias("principals"),
                col("events").sum().alias("events"),
                when(col("observed").eq(lit("other_error")))
                    .then(col("events"))
                    .otherwise(lit(0))
                    .sum()
                    .cast(DataType::Int64)
                    .alias("failed"),
            ])
            .collect()
            .map_err(columns)?;
        Ok(ClassTotals {
            requests: number(&frame, "requests", 0)?,
            principals: number(&frame, "principals", 0)?,
            events: number(&frame, "events", 0)?,
            failed_otherwise: number(&frame, "failed", 0)?,
        })
    }

    /// Who is affected by a class of changes, most events first; ties by name, so that the order is fixed.
    ///
    /// # Errors
    /// [`Error::Columns`].
    pub fn affected(&self, candidate: &str, change: &str) -> Result<Vec<Affected>> {
        let why = if change == "baseline_contradicted" { "baseline_reason" } else { "candidate_reason" };
        let frame = self
            .rows(candidate, change)
            .group_by([col("principal_arn"), col("permission_set"), col(why), col("missing_keys"), col("action")])
            .agg([col("events").sum(), col("last_seen").max()])
            .sort(["principal_arn", why, "missing_keys", "action"], SortMultipleOptions::default())
            .collect()
            .map_err(columns)?;
        let mut groups: Vec<Affected> = Vec::new();
        for row in 0..frame.height() {
            let principal = text(&frame, "principal_arn", row)?;
            let reason = text(&frame, why, row)?.unwrap_or_default();
            let action = text(&frame, "action", row)?.unwrap_or_default();
            let events = number(&frame, "events", row)?;
            let last_seen = frame.column("last_seen").map_err(columns)?.i64().map_err(columns)?.get(row);
            // The reason names the action; without it, actions that share a cause stand together.
            let cause = reason.replace(&action, "it");
            let missing = text(&frame, "missing_keys", row)?.unwrap_or_default();
            match groups.iter_mut().find(|group| group.principal == principal && group.reason == cause && group.missing == missing) {
                Some(group) => {
                    group.events += events;
                    group.last_seen = group.last_seen.max(last_seen);
                    group.actions.push((action, events));
                }
                None => {
                    let permission_set = text(&frame, "permission_set", row)?;
                    groups.push(Affected {
                        principal,
                        permission_set,
                        reason: cause,
                        missing,
                        actions: vec![(action, events)],
                        events,
                        last_seen,
                    });
                }
            }
        }
        for group in &mut groups {
            group.actions.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        }
        groups.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.principal.cmp(&b.principal)).then_with(|| a.reason.cmp(&b.reason)));
        Ok(groups)
    }
}

fn columns(error: PolarsError) -> Error {
    Error::Columns(error.to_string())
}

fn number(frame: &DataFrame, name: &str, row: usize) -> Result<u64> {
    let value = frame.column(name).map_err(columns)?.i64().map_err(columns)?.get(row);
    Ok(value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0))
}

fn text(frame: &DataFrame, name: &str, row: usize) -> Result<Option<String>> {
    Ok(frame.column(name).map_err(columns)?.str().map_err(columns)?.get(row).map(str::to_owned))
}

/// An affected principal for people.
pub fn principal_words(affected: &Affected) -> String {
    super::principal_name(affected.principal.as_deref(), affected.permission_set.as_deref())
}
