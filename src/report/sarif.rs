//! SARIF 2.1.0, for code hosts: each finding at the line of the policy file that makes it.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use super::findings::{Finding, Findings};
use super::{Report, counted, grouped, principal_name, visible};
use crate::error::{Error, Result};
use crate::replay::Change;

/// Code hosts take so many results of a run.
const MOST: usize = 5_000;

/// The classes that are reported: level, title, what it means.
const RULES: [(Change, &str, &str, &str); 6] = [
    (Change::Lost, "error", "Access is lost", "The baseline allows what the log shows, the candidate denies it."),
    (
        Change::PotentiallyLost,
        "warning",
        "Access may be lost",
        "The log does not tell enough: the candidate may deny what the baseline allows.",
    ),
    (Change::Undetermined, "warning", "Access may be lost or gained", "The log does not tell enough to say which."),
    (Change::Gained, "warning", "Access is gained", "The baseline denies what the log shows, the candidate allows it."),
    (
        Change::PotentiallyGained,
        "note",
        "Access may be gained",
        "The log does not tell enough: the candidate may allow what the baseline denies.",
    ),
    (
        Change::BaselineContradicted,
        "note",
        "The baseline contradicts the log",
        "The baseline cannot explain what the log shows: it is not what was in force.",
    ),
];

/// Renders a report.
///
/// # Errors
/// [`Error::Io`] and [`Error::Format`] for a folder that is no report.
pub fn render(report: &Report) -> Result<String> {
    let findings = Findings::read(report)?;
    let rules = RULES.map(|(change, level, title, meaning)| {
        json!({
            "id": change.name(),
            "name": title.split(' ').map(capital).collect::<String>(),
            "shortDescription": {"text": title},
            "fullDescription": {"text": meaning},
            "defaultConfiguration": {"level": level},
        })
    });
    let mut order: Vec<(usize, &Finding)> = findings.all.iter().filter_map(|finding| Some((rule_of(finding.change)?, finding))).collect();
    order.sort_by_key(|(rule, finding)| (*rule, std::cmp::Reverse(finding.events)));
    let left_out = order.len().saturating_sub(MOST);
    order.truncate(MOST);
    let results: Vec<Value> = order.iter().map(|(rule, finding)| result(report, &findings, *rule, finding)).collect();
    let mut notes = Vec::new();
    if left_out > 0 {
        let text = format!("{} more are in changes.parquet: code hosts take {}", grouped(left_out as u64), grouped(MOST as u64));
        notes.push(json!({"level": "note", "message": {"text": text}}));
    }
    let candidates: Vec<Value> = report
        .manifest
        .candidates
        .iter()
        .map(|candidate| json!({"name": candidate.name, "events": candidate.events, "requests": candidate.requests}))
        .collect();
    let whole = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "retrial", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "invocations": [{"executionSuccessful": true, "toolExecutionNotifications": notes}],
            "results": results,
            "columnKind": "unicodeCodePoints",
            "properties": {"replayed": report.manifest.counts.replayed, "candidates": candidates},
        }],
    });
    Ok(serde_json::to_string_pretty(&whole).map_err(|error| Error::Internal(error.to_string()))? + "\n")
}

fn rule_of(change: Change) -> Option<usize> {
    RULES.iter().position(|(known, ..)| *known == change)
}

fn result(report: &Report, findings: &Findings, rule: usize, finding: &Finding) -> Value {
    let (level, title) = RULES.get(rule).map_or(("note", ""), |(_, level, title, _)| (*level, *title));
    let candidate = report.manifest.candidates.get(finding.candidate).map(|candidate| candidate.name.as_str()).unwrap_or_default();
    let who = principal_name(findings.text(finding.principal), findings.text(finding.permission_set));
    let action = findings.text(finding.action).unwrap_or("an unknown action");
    let mut text = format!("{title}: {who}, {action} ({})", counted(finding.events, "event"));
    let _ = write!(text, ": {}", findings.text(finding.why).unwrap_or_default());
    if let Some(missing) = findings.text(finding.missing) {
        let _ = write!(text, "; unknown: {missing}");
    }
    json!({
        "ruleId": finding.change.name(),
        "ruleIndex": rule,
        "level": level,
        "message": {"text": visible(&text)},
        "locations": [location(report, findings, candidate, finding)],
        // Without the second, a code host takes results of one line for one.
        "partialFingerprints": {"retrial/changeId": finding.change_id, "primaryLocationLineHash": format!("{}:1", finding.change_id)},
        "properties": {
            "candidate": candidate,
            "principal": findings.text(finding.principal).map(visible),
            "action": findings.text(finding.action).map(visible),
            "requests": finding.requests,
            "events": finding.events,
        },
    })
}

/// Where to look: the candidate's statement, else what became of the baseline's in it, else the candidate's first file, else
/// the baseline's statement.
fn location(report: &Report, findings: &Findings, candidate: &str, finding: &Finding) -> Value {
    let of = |side: &str| {
        report.manifest.policies.iter().filter(move |policy| policy.side == side).map(|policy| policy.file.as_str()).collect::<Vec<_>>()
    };
    let (own, baseline) = (of(candidate), of("baseline"));
    let is_own = |statement: &&super::statements::Statement| {
        let file = statement.file.as_deref().unwrap_or_default();
        statement.side == candidate && (own.contains(&file) || !baseline.contains(&file))
    };
    let of_candidate = findings.statements.get(finding.counterpart);
    let known = [findings.statements.get(finding.after), of_candidate].into_iter().flatten();
    let statement = known.filter(|statement| statement.file.is_some()).find(is_own);
    // What takes a policy away is the change set or plan itself.
    let edits = own.iter().find(|file| file.ends_with(".toml")).or(own.first()).copied();
    let contradicted = finding.change == Change::BaselineContradicted;
    let own_file = if contradicted { baseline.first().copied() } else { edits };
    let statement = statement.filter(|_| !contradicted);
    let before = findings.statements.get(finding.before);
    let (file, lines) = match (statement, own_file, before) {
        (Some(statement), ..) => (statement.file.as_deref(), statement.lines),
        (None, Some(file), _) => (Some(file), (1, 1)),
        (None, None, Some(before)) => (before.file.as_deref(), before.lines),
        _ => (None, (1, 1)),
    };
    let (first, last) = (lines.0.max(1), lines.1.max(lines.0).max(1));
    json!({"physicalLocation": {
        "artifactLocation": uri(file.unwrap_or("manifest.json")),
        "region": {"startLine": first, "endLine": last},
    }})
}

/// A path as SARIF writes it; a relative one is below the root of the repository.
fn uri(path: &str) -> Value {
    const KEPT: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'%')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'[')
        .add(b']')
        .add(b'\\')
        .add(b'^')
        .add(b'`')
        .add(b'{')
        .add(b'|')
        .add(b'}');
    let path = path.replace('\\', "/");
    let path = path.strip_prefix("./").unwrap_or(&path);
    let encoded = utf8_percent_encode(path, KEPT).to_string();
    match path.starts_with('/') {
        true => json!({"uri": format!("file://{encoded}")}),
        false => json!({"uri": encoded, "uriBaseId": "%SRCROOT%"}),
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
