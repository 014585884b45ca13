//! The gate: which findings make a run fail, and what was not judged. A gate never passes on no evidence.

mod accept;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use arrow::array::Array as _;

use accept::{Asked, Using};

use super::{Report, counted, grouped};
use crate::error::{Error, Result};
use crate::frame::read;
use crate::frame::schema::CHANGE_COLUMNS;
use crate::iam::condition::date;
use crate::ingest::dataset::day_of;
use crate::replay::CandidateSummary;

pub use accept::Accepted;

/// One class of `--fail-on` with its threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// A change, or `skipped`, `not_replayed`, `uncovered`, `unexercised`.
    pub class: String,
    /// How much is let through.
    pub limit: Limit,
}

/// How much of a class is let through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// So many distinct requests (records, accounts, principals for the classes that are no changes).
    Count(u64),
    /// Such a share of the replayed events, in percent.
    Percent(f64),
}

/// Classes beside the changes.
const OTHERS: [&str; 4] = ["skipped", "not_replayed", "uncovered", "unexercised"];
/// What `unsafe` stands for.
const UNSAFE: [&str; 6] = ["lost", "potentially_lost", "undetermined", "baseline_contradicted", "uncovered", "unexercised"];

/// Reads `CLASS[:N|:N%][,...]`.
///
/// # Errors
/// [`Error::Usage`] that quotes what is wrong and lists the classes.
pub fn parse(text: &str) -> Result<Vec<Threshold>> {
    let mut thresholds = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (class, limit) = part.split_once(':').unwrap_or((part, "0"));
        let bad =
            || Error::Usage(format!("`{part}` in --fail-on: the threshold is a number or a percentage, as in `lost:5` or `lost:0.1%`"));
        let limit = match limit.strip_suffix('%') {
            Some(share) => Limit::Percent(share.trim().parse().ok().filter(|share| (0.0..=100.0).contains(share)).ok_or_else(bad)?),
            None => Limit::Count(limit.parse().map_err(|_| bad())?),
        };
        let classes: Vec<&str> = match class {
            "unsafe" => UNSAFE.to_vec(),
            known if CHANGE_COLUMNS.contains(&known) || OTHERS.contains(&known) => vec![known],
            other => {
                let all = CHANGE_COLUMNS.iter().chain(&OTHERS).copied().collect::<Vec<_>>().join(", ");
                return Err(Error::Usage(format!("`{other}` in --fail-on is no class; there are: {all}, and the group `unsafe`")));
            }
        };
        let no_share = |class: &str| ["uncovered", "unexercised"].contains(&class);
        if matches!(limit, Limit::Percent(_)) && no_share(class) {
            return Err(Error::Usage(format!(
                "`{part}` in --fail-on: {class} counts {}s, which are no share of events; give a number",
                unit(class)
            )));
        }
        // Of a group with a share, none of what is no share of events is let through.
        let limit_of = |class: &str| if no_share(class) && matches!(limit, Limit::Percent(_)) { Limit::Count(0) } else { limit };
        thresholds.extend(classes.into_iter().map(|class| Threshold { class: class.to_owned(), limit: limit_of(class) }));
    }
    Ok(thresholds)
}

/// What a gate found.
#[derive(Debug)]
pub struct Judgement {
    /// Whether a threshold is passed.
    pub failed: bool,
    /// Whether there was anything to judge.
    pub judged: bool,
    /// What to print, a line each.
    pub lines: Vec<String>,
}

/// Requests and events of a class.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    requests: u64,
    events: u64,
}

/// What makes a run fail.
#[derive(Debug, Default)]
pub struct Gate {
    thresholds: Vec<Threshold>,
    accepted: Option<Accepted>,
    /// The least share of days with an event, in percent.
    min_coverage: Option<f64>,
    /// The day on which it is judged, as days since 1970.
    today: i32,
}

impl Gate {
    /// A gate of all values of `--fail-on`, of `--accept` and of `--min-coverage`. `now` is in microseconds since 1970.
    ///
    /// # Errors
    /// As [`parse`], and [`Error::Usage`] for a share that is none.
    pub fn new(fail_on: &[String], accepted: Option<Accepted>, min_coverage: Option<f64>, now: i64) -> Result<Self> {
        let thresholds = fail_on.iter().map(|text| parse(text)).collect::<Result<Vec<_>>>()?.concat();
        if let Some(share) = min_coverage.filter(|share| !(0.0..=100.0).contains(share)) {
            return Err(Error::Usage(format!("`{share}` in --min-coverage is no share: write a number from 0 to 100")));
        }
        Ok(Self { thresholds, accepted, min_coverage, today: day_of(now) })
    }

    /// Whether it lets everything through.
    pub fn is_open(&self) -> bool {
        self.thresholds.is_empty() && self.min_coverage.is_none()
    }

    /// Judges a report.
    ///
    /// # Errors
    /// [`Error::Columns`].
    pub fn judge(&self, report: &Report) -> Result<Judgement> {
        let counts = &report.manifest.counts;
        let mut judgement = Judgement { failed: false, judged: counts.replayed > 0, lines: Vec::new() };
        if !judgement.judged {
            judgement.lines.push("gate: no event was replayed, there is nothing to judge".to_owned());
            return Ok(judgement);
        }
        let mut accepted = self.accepted.as_ref().map(|accepted| accepted.on(self.today));
        for candidate in &report.manifest.candidates {
            self.judge_candidate(report, candidate, &mut accepted, &mut judgement)?;
        }
        judgement.lines.extend(accepted.iter().flat_map(Using::lines));
        if let Some(least) = self.min_coverage {
            let (days, window) = (report.covered.days as u64, self.window(report));
            // Days of a window are exact in a double.
            if days as f64 * 100.0 < least * window as f64 {
                judgement.judged = false;
                judgement.lines.push(format!(
                    "gate: events on {} of {}, and --min-coverage asks for {least} %: the log does not tell enough to judge",
                    grouped(days),
                    counted(window, "day"),
                ));
            }
        }
        Ok(judgement)
    }

    /// How many days there should be events on: those that `--since` and `--until` ask for, else from the first event to the
    /// last. What is still to come is none of them.
    fn window(&self, report: &Report) -> u64 {
        let bound = |flag: &str| {
            let filters = report.filters();
            let written = filters.iter().find_map(|filter| filter.strip_prefix(flag)?.strip_prefix(' ').map(str::to_owned))?;
            date::parse(&written)
        };
        let day = |text: &str| date::parse(text).map(day_of);
        let seen = report.manifest.window.as_ref().and_then(|window| Some((day(&window.first)?, day(&window.last)?)));
        let Some((first, last)) = seen else { return report.covered.window };
        let first = bound("--since").map_or(first, day_of).min(first);
        // The end is exclusive.
        let last = bound("--until").map_or(last, |until| day_of(until - 1).min(self.today)).max(last);
        u64::from(last.abs_diff(first)) + 1
    }

    fn judge_candidate(
        &self,
        report: &Report,
        candidate: &CandidateSummary,
        accepted: &mut Option<Using<'_>>,
        judgement: &mut Judgement,
    ) -> Result<()> {
        let counts = &report.manifest.counts;
        let found = find(report, &candidate.name, accepted)?;
        for threshold in &self.thresholds {
            let amount = found.get(threshold.class.as_str()).copied().unwrap_or_default();
            let exceeded = match threshold.limit {
                Limit::Count(limit) => amount.requests > limit,
                // Shares of events; counts of this size are exact in a double.
                Limit::Percent(limit) => amount.events as f64 * 100.0 > limit * counts.replayed as f64,
            };
            if exceeded {
                judgement.failed = true;
                let by_log = found.get("lost by the log").map_or(0, |found| found.requests);
                let unit = unit(&threshold.class);
                let mut line =
                    format!("gate: {}: {} {}", candidate.name, counted(amount.requests, unit), threshold.class.replace('_', " "));
                if let Limit::Percent(limit) = threshold.limit {
                    let share = super::percent(amount.events, counts.replayed);
                    let _ = write!(line, ", {} or {share} of what was replayed, more than {limit} %", counted(amount.events, "event"));
                }
                if threshold.class == "lost" && by_log > 0 {
                    let _ = write!(line, " ({} of them contradict the baseline and are lost by the log alone)", grouped(by_log));
                }
                judgement.lines.push(line);
            }
        }
        let events = |class: &str| candidate.events.get(class).copied().unwrap_or(0);
        let let_through = found.get("accepted").copied().unwrap_or_default();
        let let_through = match let_through.requests {
            0 => String::new(),
            requests => format!("; accepted: {}", counted(requests, "distinct request")),
        };
        judgement.lines.push(format!(
            "gate: {}: {} lost of {} replayed{let_through}; not judged: {} undetermined, {} contradicted, {} not replayed (events)",
            candidate.name,
            grouped(events("lost")),
            grouped(counts.replayed),
            grouped(events("undetermined") + events("potentially_lost") + events("potentially_gained") + events("unchanged_unknown")),
            grouped(events("baseline_contradicted")),
            grouped(counts.not_replayed.values().sum()),
        ));
        Ok(())
    }
}

/// The names of the changes.
fn class_names() -> impl Iterator<Item = &'static str> {
    CHANGE_COLUMNS.into_iter()
}

/// What a class counts.
fn unit(class: &str) -> &'static str {
    match class {
        "skipped" => "record",
        "not_replayed" => "event",
        "uncovered" => "account",
        "unexercised" => "principal",
        _ => "distinct request",
    }
}

/// What each class comes to for a candidate, without what is accepted, which stands under `accepted`. `lost` also counts
/// contradicted rows that are lost by the log.
fn find(report: &Report, candidate: &str, accepted: &mut Option<Using<'_>>) -> Result<BTreeMap<&'static str, Found>> {
    let mut found: BTreeMap<&'static str, Found> = BTreeMap::new();
    let batch = report.changes()?;
    let text = |name: &str| read::text(batch, name);
    let (candidates, changes, from_log) = (text("candidate")?, text("change")?, text("change_from_log")?);
    let (principals, sets, actions, resources) = (text("principal_arn")?, text("permission_set")?, text("action")?, text("resource")?);
    let events = read::int(batch, "events")?;
    for row in (0..batch.num_rows()).filter(|row| read::get(candidates, *row) == Some(candidate)) {
        let change = read::get(changes, row).and_then(|change| CHANGE_COLUMNS.iter().find(|known| **known == change));
        let mut is_accepted = false;
        let mut add = |class: &'static str, name: &'static str| {
            let asked = Asked {
                row,
                class,
                candidate,
                principal: read::get(principals, row).unwrap_or_default(),
                permission_set: read::get(sets, row),
                action: read::get(actions, row).unwrap_or_default(),
                resource: read::get(resources, row),
            };
            let accepts = accepted.as_mut().is_some_and(|accepted| accepted.accepts(asked));
            let name = if accepts { "accepted" } else { name };
            if !accepts || !std::mem::replace(&mut is_accepted, true) {
                let class = found.entry(name).or_default();
                class.requests += 1;
                class.events += u64::try_from(events.value(row)).unwrap_or(0);
            }
            accepts
        };
        if let Some(change) = change {
            add(change, change);
            if *change == "baseline_contradicted" && read::get(from_log, row) == Some("lost") && !add("lost", "lost") {
                add("lost", "lost by the log");
            }
        }
    }
    let counts = &report.manifest.counts;
    let not_replayed = counts.not_replayed.values().sum();
    found.insert("skipped", Found { requests: counts.skipped, events: counts.skipped });
    found.insert("not_replayed", Found { requests: not_replayed, events: not_replayed });
    found.insert("uncovered", Found { requests: uncovered(report), events: 0 });
    found.insert("unexercised", Found { requests: unexercised(report, candidate)?, events: 0 });
    Ok(found)
}

/// Accounts of the policies without any event.
fn uncovered(report: &Report) -> u64 {
    report.covered.accounts.values().filter(|days| **days == 0).count() as u64
}

/// Principals that the candidate changes and that have no event.
pub(super) fn unexercised(report: &Report, candidate: &str) -> Result<u64> {
    let batch = &report.principals;
    let (candidates, changed, events) =
        (read::text(batch, "candidate")?, read::flag(batch, "changed_by_candidate")?, read::int(batch, "events")?);
    let counts = |row: &usize| {
        read::get(candidates, *row) == Some(candidate) && changed.is_valid(*row) && changed.value(*row) && events.value(*row) == 0
    };
    Ok((0..batch.num_rows()).filter(counts).count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_and_bad_ones_explained() {
        let parsed = parse("lost, gained:5,potentially_lost:0.5%").unwrap();
        assert_eq!(parsed.iter().map(|t| t.limit).collect::<Vec<_>>(), [Limit::Count(0), Limit::Count(5), Limit::Percent(0.5)]);
        assert_eq!(parse("unsafe").unwrap().len(), UNSAFE.len());
        let shares = parse("unsafe:1%").unwrap();
        let limit = |class: &str| shares.iter().find(|threshold| threshold.class == class).unwrap().limit;
        assert_eq!((limit("lost"), limit("uncovered"), limit("unexercised")), (Limit::Percent(1.0), Limit::Count(0), Limit::Count(0)));
        assert!(parse("uncovered:1%").is_err());
        assert!(parse("losses").unwrap_err().to_string().contains("there are: lost, gained"));
        assert!(parse("lost:many").is_err() && parse("lost:101%").is_err());
    }
}
