//! The data of the page: texts stand once, what changes comes first, and there is a budget for each part.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::Array as _;
use serde_json::{Value, json};

use super::review::Review;
use super::{coverage, review};
use crate::error::Result;
use crate::frame::schema::CHANGE_COLUMNS;
use crate::frame::{Distinct, read};
use crate::replay::Change;
use crate::report::findings::{Finding, Findings};
use crate::report::summary::Summary;
use crate::report::terminal::{agreement, distrusted, shard, verdict};
use crate::report::{Report, gate, principal_name, side_by_side, trust, visible};

/// Bytes of JSON that what changes may take, and principals.
const ROWS: usize = 2_200_000;
const PRINCIPALS: usize = 1_300_000;
/// Sessions that are named of a principal.
const SESSIONS: usize = 50;

/// Texts, each once; what refers to them is its number.
#[derive(Default)]
pub(super) struct TextTable {
    distinct: Distinct,
    all: Vec<String>,
    /// Their bytes.
    bytes: usize,
}

impl TextTable {
    /// The number of a text, made visible.
    pub(super) fn number(&mut self, text: &str) -> Result<u32> {
        self.exact(&visible(text))
    }

    /// The number of a text that keeps its line breaks.
    fn lines(&mut self, text: &str) -> Result<u32> {
        let lines: Vec<String> = text.split('\n').map(|line| visible(&line.replace('\t', "    ").replace('\r', ""))).collect();
        self.exact(&lines.join("\n"))
    }

    fn exact(&mut self, text: &str) -> Result<u32> {
        let (number, new) = self.distinct.number(text)?;
        if new {
            self.bytes += text.len() + 3;
            self.all.push(text.to_owned());
        }
        Ok(number)
    }

    pub(super) fn maybe(&mut self, text: Option<&str>) -> Result<Value> {
        Ok(text.map(|text| self.number(text)).transpose()?.into())
    }
}

/// Everything that the page shows.
pub(super) fn of(report: &Report) -> Result<Value> {
    let manifest = &report.manifest;
    let findings = Findings::read(report)?;
    let mut texts = TextTable::default();
    let mut principals = Principals::read(report)?;
    principals.order();
    let shown = principals.within_budget();
    let arns: HashMap<Option<String>, usize> = principals.all.iter().take(shown).map(|of| of.arn.clone()).zip(0..).collect();
    let names: Vec<&str> = manifest.candidates.iter().map(|candidate| candidate.name.as_str()).collect();
    let review = review::read(report, &names, &arns, &mut texts)?;
    let mut statements = StatementTable { findings: &findings, places: HashMap::new(), all: Vec::new() };
    let (rows, more_rows) = rows(&findings, &arns, &mut texts, &mut statements)?;
    let statements = statements.all;
    let shown: Vec<Value> =
        principals.all.iter().take(shown).enumerate().map(|(at, of)| of.value(at, &review, &mut texts)).collect::<Result<_>>()?;
    let candidates = candidates(report, &findings, &principals, &review)?;
    let standings = side_by_side::standings(report)?.unwrap_or_default();
    let place = |name: &String| names.iter().position(|known| known == name);
    let standings: Vec<usize> = match standings.is_empty() {
        true => (0..names.len()).collect(),
        false => standings.iter().filter_map(|standing| place(&standing.name)).collect(),
    };
    let coverage_words = crate::report::terminal::coverage(report);
    let coverage = coverage::read(report, &mut texts)?;
    Ok(json!({
        "tool": manifest.tool,
        "window": manifest.window,
        "baseline": manifest.baseline,
        "shard": shard(manifest),
        "filters": report.filters().iter().map(|filter| visible(filter)).collect::<Vec<_>>(),
        "looked_at": report.looked_at(),
        "counts": manifest.counts,
        "skipped_by_reason": manifest.skipped_by_reason,
        "agreement": manifest.agreement,
        "sentences": {
            "agreement": agreement(manifest),
            "coverage": coverage_words,
            "review": review.caveats(report),
            "distrusted": distrusted(report)?.map(|text| visible(&text)),
        },
        "candidates": candidates,
        "standings": standings,
        "more_principals": principals.all.len() - shown.len(),
        "principals": shown,
        "lists": review.lists.all,
        "rows": rows,
        "more_rows": more_rows,
        "statements": statements,
        "coverage": coverage,
        "texts": texts.all,
    }))
}

fn candidates(report: &Report, findings: &Findings, principals: &Principals, review: &Review) -> Result<Vec<Value>> {
    let summary = Summary::new(report)?;
    let mut all = Vec::new();
    for (at, candidate) in report.manifest.candidates.iter().enumerate() {
        let by_change = |counts: &BTreeMap<String, u64>| -> Vec<u64> {
            CHANGE_COLUMNS.iter().map(|change| counts.get(*change).copied().unwrap_or_default()).collect()
        };
        let with_events = |change: usize| {
            let events = |of: &&Principal| of.by.get(at).and_then(|(_, events)| events.get(change)).is_some_and(|events| *events > 0);
            principals.all.iter().filter(events).count()
        };
        let failed_otherwise: u64 = findings.of(at, Change::Lost).map(|finding| finding.failed_otherwise).sum();
        let unresolved: Vec<String> = candidate.unresolved.iter().map(|text| visible(text)).collect();
        all.push(json!({
            "name": candidate.name,
            "verdict": verdict(&summary, report, candidate)?,
            "requests": by_change(&candidate.requests),
            "events": by_change(&candidate.events),
            "principals": (0..CHANGE_COLUMNS.len()).map(with_events).collect::<Vec<_>>(),
            "failed_otherwise": failed_otherwise,
            "unexercised": gate::unexercised(report, &candidate.name)?,
            "unresolved": unresolved,
            "review": review.totals.get(at),
        }));
    }
    Ok(all)
}

/// The statements that are shown.
struct StatementTable<'f> {
    findings: &'f Findings,
    places: HashMap<usize, usize>,
    all: Vec<Value>,
}

impl StatementTable<'_> {
    fn place(&mut self, statement: Option<usize>, texts: &mut TextTable) -> Result<Option<usize>> {
        let Some(at) = statement else { return Ok(None) };
        if let Some(known) = self.places.get(&at) {
            return Ok(Some(*known));
        }
        let Some(statement) = self.findings.statements.get(Some(at)) else { return Ok(None) };
        self.places.insert(at, self.all.len());
        self.all.push(json!({
            "side": texts.number(&statement.side)?,
            "layer": texts.number(&statement.layer.replace('_', " "))?,
            "policy": texts.number(&statement.policy)?,
            "index": statement.index,
            "sid": texts.maybe(statement.sid.as_deref())?,
            "file": texts.maybe(statement.file.as_deref())?,
            "line": statement.lines.0,
            "end_line": statement.lines.1,
            "text": texts.lines(&statement.text)?,
        }));
        Ok(Some(self.all.len() - 1))
    }
}

/// What changes, the most important within the budget; and how much is left out.
fn rows(
    findings: &Findings,
    principals: &HashMap<Option<String>, usize>,
    texts: &mut TextTable,
    statements: &mut StatementTable<'_>,
) -> Result<(Vec<Value>, Value)> {
    let mut order: Vec<&Finding> = findings.all.iter().collect();
    order.sort_by_key(|finding| (weight(finding.change), Reverse(finding.events)));
    let (mut rows, mut bytes, mut left_out) = (Vec::new(), 0, (0, 0));
    let before = texts.bytes;
    for finding in order {
        let principal = principals.get(&findings.text(finding.principal).map(str::to_owned));
        let Some(principal) = principal.filter(|_| bytes + texts.bytes - before < ROWS) else {
            left_out = (left_out.0 + finding.requests, left_out.1 + finding.events);
            continue;
        };
        let mut text = |number: Option<u32>| texts.maybe(findings.text(number));
        let [action, why, missing, residual, resource] =
            [text(finding.action)?, text(finding.why)?, text(finding.missing)?, text(finding.residual)?, text(finding.resource)?];
        let row = json!([
            finding.candidate,
            principal,
            CHANGE_COLUMNS.iter().position(|change| *change == finding.change.name()),
            action,
            finding.requests,
            finding.events,
            finding.days_seen,
            seconds(finding.first_seen),
            seconds(finding.last_seen),
            why,
            statements.place(finding.before, texts)?,
            statements.place(finding.after, texts)?,
            missing,
            residual,
            resource,
            finding.resources,
            finding.sample.as_deref().map(visible),
            finding.change_id,
            finding.failed_otherwise,
            statements.place(finding.counterpart, texts)?,
        ]);
        bytes += row.to_string().len();
        rows.push(row);
    }
    Ok((rows, json!({"rows": left_out.0, "events": left_out.1})))
}

/// What is shown first.
fn weight(change: Change) -> u8 {
    match change {
        Change::Lost => 0,
        Change::PotentiallyLost | Change::Undetermined => 1,
        Change::Gained => 2,
        Change::PotentiallyGained => 3,
        _ => 4,
    }
}

/// Microseconds as seconds.
pub(super) fn seconds(time: Option<i64>) -> Option<i64> {
    time.map(|time| time.div_euclid(1_000_000))
}

/// A principal, from `principals.parquet`.
struct Principal {
    arn: Option<String>,
    permission_set: Option<String>,
    kind: Option<String>,
    account: Option<String>,
    snapshot: Option<String>,
    sessions: Vec<String>,
    more_sessions: usize,
    agree: i64,
    contradict: i64,
    distrusted: bool,
    events: i64,
    first: Option<i64>,
    last: Option<i64>,
    /// By candidate: whether it changes the principal's policies, and events by change.
    by: Vec<(bool, [i64; CHANGE_COLUMNS.len()])>,
}

struct Principals {
    all: Vec<Principal>,
}

impl Principals {
    fn read(report: &Report) -> Result<Self> {
        let batch = &report.principals;
        let places: HashMap<&str, usize> = report.manifest.candidates.iter().map(|candidate| candidate.name.as_str()).zip(0..).collect();
        let contradicted = trust::contradicted(batch)?;
        let distrusted: HashSet<&String> = contradicted.iter().filter(|(_, trust)| trust.is_lost()).map(|(arn, _)| arn).collect();
        let text = |name: &str| read::text(batch, name);
        let [candidates, arns, kinds, sets, accounts, snapshots] =
            ["candidate", "principal_arn", "principal_type", "permission_set", "account_id", "in_snapshot"].map(text);
        let (candidates, arns, kinds, sets, accounts, snapshots) = (candidates?, arns?, kinds?, sets?, accounts?, snapshots?);
        let changed = read::flag(batch, "changed_by_candidate")?;
        let [events, agree, contradict] = ["events", "agree", "contradict"].map(|name| read::int(batch, name));
        let (events, agree, contradict) = (events?, agree?, contradict?);
        let (first, last) = (read::time(batch, "first_seen")?, read::time(batch, "last_seen")?);
        let sessions = read::list(batch, "session_names")?;
        let counts = CHANGE_COLUMNS.iter().map(|change| read::int(batch, change)).collect::<Result<Vec<_>>>()?;
        let mut found: HashMap<Option<&str>, usize> = HashMap::new();
        let mut all: Vec<Principal> = Vec::new();
        for row in 0..batch.num_rows() {
            let Some(candidate) = read::get(candidates, row).and_then(|name| places.get(name)) else { continue };
            let arn = read::get(arns, row);
            let own = |column| read::get(column, row).map(str::to_owned);
            let time = |times: &arrow::array::TimestampMicrosecondArray| times.is_valid(row).then(|| times.value(row));
            let at = *found.entry(arn).or_insert_with(|| {
                let mut names = read::texts(&sessions.value(row));
                let more_sessions = names.len().saturating_sub(SESSIONS);
                names.truncate(SESSIONS);
                all.push(Principal {
                    arn: own(arns),
                    permission_set: own(sets),
                    kind: own(kinds),
                    account: own(accounts),
                    snapshot: own(snapshots),
                    sessions: names,
                    more_sessions,
                    agree: agree.value(row),
                    contradict: contradict.value(row),
                    distrusted: own(arns).is_some_and(|arn| distrusted.contains(&arn)),
                    events: events.value(row),
                    first: time(first),
                    last: time(last),
                    by: vec![(false, [0; CHANGE_COLUMNS.len()]); places.len()],
                });
                all.len() - 1
            });
            if let Some((is_changed, by_change)) = all.get_mut(at).and_then(|of| of.by.get_mut(*candidate)) {
                *is_changed = changed.is_valid(row) && changed.value(row);
                by_change.iter_mut().zip(&counts).for_each(|(own, counts)| *own = counts.value(row));
            }
        }
        Ok(Self { all })
    }

    /// Those who lose first, then those who may, then those who gain, each with most events first.
    fn order(&mut self) {
        let sum = |of: &Principal, changes: &[&str]| -> i64 {
            let counts = |(_, by_change): &(bool, [i64; CHANGE_COLUMNS.len()])| -> i64 {
                by_change.iter().zip(CHANGE_COLUMNS).filter(|(_, change)| changes.contains(change)).map(|(count, _)| *count).sum()
            };
            of.by.iter().map(counts).sum()
        };
        self.all.sort_by_cached_key(|of| {
            let order = [
                sum(of, &["lost"]),
                sum(of, &["potentially_lost", "undetermined"]),
                sum(of, &["gained"]),
                sum(of, &["potentially_gained"]),
                of.contradict,
                of.events,
                i64::from(of.by.iter().any(|(changed, _)| *changed)),
            ];
            (order.map(Reverse), of.arn.clone())
        });
    }

    /// How many the budget has room for.
    fn within_budget(&self) -> usize {
        // What each takes beside its texts, about.
        const FIXED: usize = 150;
        let size = |of: &Principal| {
            let texts = of.arn.as_ref().map_or(0, String::len) * 2 + of.sessions.iter().map(String::len).sum::<usize>();
            FIXED + texts + 60 * of.by.len()
        };
        let mut left = PRINCIPALS;
        self.all
            .iter()
            .take_while(|of| {
                let fits = size(of) <= left;
                left = left.saturating_sub(size(of));
                fits
            })
            .count()
    }
}

impl Principal {
    fn value(&self, at: usize, review: &Review, texts: &mut TextTable) -> Result<Value> {
        let sessions = self.sessions.iter().map(|name| texts.number(name)).collect::<Result<Vec<_>>>()?;
        let by: Vec<Value> = self
            .by
            .iter()
            .enumerate()
            .map(|(candidate, (changed, events))| {
                let lists = review.of(candidate, at);
                json!({
                    "changed": changed,
                    "events": events,
                    "unused": lists.unused,
                    "not_observable": lists.not_observable,
                    "no_longer_granted": lists.no_longer_granted,
                })
            })
            .collect();
        Ok(json!({
            "arn": texts.maybe(self.arn.as_deref())?,
            "name": texts.number(&principal_name(self.arn.as_deref(), self.permission_set.as_deref()))?,
            "type": texts.maybe(self.kind.as_deref())?,
            "account": texts.maybe(self.account.as_deref())?,
            "snapshot": self.snapshot,
            "sessions": sessions,
            "more_sessions": self.more_sessions,
            "agree": self.agree,
            "contradict": self.contradict,
            "distrusted": self.distrusted,
            "events": self.events,
            "first": seconds(self.first),
            "last": seconds(self.last),
            "by": by,
            "used": review.used(at),
        }))
    }
}
