//! The report as JSON, for machines that read no Parquet: the manifest, and what changes.

use serde_json::{Value, json};

use super::Report;
use super::findings::{Finding, Findings};
use crate::error::{Error, Result};

/// Renders a report: the members of `manifest.json`, and `findings`, a list for each candidate by name.
///
/// # Errors
/// [`Error::Io`] and [`Error::Format`] for a folder that is no report.
pub fn render(report: &Report) -> Result<String> {
    let unwritten = |error: serde_json::Error| Error::Internal(error.to_string());
    let findings = Findings::read(report)?;
    let mut whole = serde_json::to_value(&report.manifest).map_err(unwritten)?;
    let of = |(at, name): (usize, &String)| {
        let own = findings.all.iter().filter(|finding| finding.candidate == at);
        (name.clone(), own.map(|finding| entry(&findings, finding)).collect::<Vec<Value>>().into())
    };
    let names = report.manifest.candidates.iter().map(|candidate| &candidate.name);
    if let Some(members) = whole.as_object_mut() {
        members.insert("findings".to_owned(), Value::Object(names.enumerate().map(of).collect()));
    }
    Ok(serde_json::to_string_pretty(&whole).map_err(unwritten)? + "\n")
}

fn entry(findings: &Findings, finding: &Finding) -> Value {
    let day = |time: Option<i64>| time.map(|time| crate::ingest::dataset::date_text(crate::ingest::dataset::day_of(time)));
    let statement = |place: Option<usize>| {
        findings.statements.get(place).map(|statement| {
            json!({
                "layer": statement.layer, "policy": statement.policy, "statement": statement.index, "sid": statement.sid,
                "file": statement.file, "line": statement.lines.0, "end_line": statement.lines.1,
            })
        })
    };
    json!({
        "change": finding.change.name(),
        "principal_arn": findings.text(finding.principal),
        "permission_set": findings.text(finding.permission_set),
        "action": findings.text(finding.action),
        "requests": finding.requests,
        "events": finding.events,
        "failed_otherwise": finding.failed_otherwise,
        "first_seen": day(finding.first_seen),
        "last_seen": day(finding.last_seen),
        "reason": findings.text(finding.why),
        "missing_keys": findings.text(finding.missing),
        "residual": findings.text(finding.residual),
        "baseline_statement": statement(finding.before),
        "candidate_statement": statement(finding.after),
        "change_id": finding.change_id,
        "sample_event_id": finding.sample,
    })
}
