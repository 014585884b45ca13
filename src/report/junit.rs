//! JUnit XML: a suite for each candidate, a case for each principal that has events or that the candidate changes. A case
//! fails if the principal would lose access, and is skipped if it may: nobody can say.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use arrow::array::Array as _;

use super::findings::{Finding, Findings};
use super::{Report, counted, principal_name, visible};
use crate::error::Result;
use crate::frame::read;
use crate::replay::{CandidateSummary, Change};

/// What became of a case.
enum Outcome {
    Passed,
    Failed { message: String, text: String },
    Skipped(String),
}

/// Renders a report.
///
/// # Errors
/// [`crate::Error::Io`] and [`crate::Error::Format`] for a folder that is no report.
pub fn render(report: &Report) -> Result<String> {
    let findings = Findings::read(report)?;
    let suites: Vec<Suite> = report
        .manifest
        .candidates
        .iter()
        .enumerate()
        .map(|(at, candidate)| suite(report, &findings, at, candidate))
        .collect::<Result<_>>()?;
    if report.manifest.counts.replayed == 0 {
        return Ok(NOTHING_TO_JUDGE.to_owned());
    }
    let sum = |count: fn(&Suite) -> usize| suites.iter().map(count).sum::<usize>();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"retrial\" tests=\"{}\" failures=\"{}\" errors=\"0\" time=\"0\">",
        sum(|suite| suite.cases.len()),
        sum(Suite::failures)
    );
    suites.iter().for_each(|suite| suite.write(&mut out));
    out.push_str("</testsuites>\n");
    Ok(out)
}

/// Without an event there is nothing that passed.
const NOTHING_TO_JUDGE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="retrial" tests="1" failures="0" errors="1" time="0">
  <testsuite name="retrial" tests="1" failures="0" errors="1" skipped="0" time="0">
    <testcase name="events are replayed" classname="retrial" time="0">
      <error message="no event was replayed, there is nothing to judge" type="no_evidence"/>
    </testcase>
  </testsuite>
</testsuites>
"#;

struct Suite {
    name: String,
    properties: Vec<(String, u64)>,
    cases: Vec<(String, Outcome)>,
}

fn suite(report: &Report, findings: &Findings, at: usize, candidate: &CandidateSummary) -> Result<Suite> {
    let mut of: BTreeMap<Option<&str>, Vec<&Finding>> = BTreeMap::new();
    for finding in findings.all.iter().filter(|finding| finding.candidate == at) {
        of.entry(findings.text(finding.principal)).or_default().push(finding);
    }
    let batch = &report.principals;
    let (names, arns) = (read::text(batch, "candidate")?, read::text(batch, "principal_arn")?);
    let (events, changed) = (read::int(batch, "events")?, read::flag(batch, "changed_by_candidate")?);
    let mut cases = Vec::new();
    for row in (0..batch.num_rows()).filter(|row| read::get(names, *row) == Some(candidate.name.as_str())) {
        let is_changed = changed.is_valid(row) && changed.value(row);
        let (arn, has_events) = (read::get(arns, row), events.value(row) > 0);
        if !has_events && !is_changed {
            continue;
        }
        let name = arn.map_or_else(|| principal_name(None, None), str::to_owned);
        let own = of.get(&arn).map(Vec::as_slice).unwrap_or_default();
        let outcome = match own {
            _ if !has_events => {
                let looked_at = report.looked_at();
                Outcome::Skipped(format!("changed by the candidate, without an event {looked_at}: nothing shows what it needs"))
            }
            own => outcome(findings, own),
        };
        cases.push((name, outcome));
    }
    let properties = Change::ALL.iter().map(|change| {
        let events = candidate.events.get(change.name()).copied().unwrap_or_default();
        (format!("events.{}", change.name()), events)
    });
    Ok(Suite { name: candidate.name.clone(), properties: properties.collect(), cases })
}

fn outcome(findings: &Findings, own: &[&Finding]) -> Outcome {
    let of = |classes: &[Change]| -> Vec<&Finding> { own.iter().copied().filter(|finding| classes.contains(&finding.change)).collect() };
    let events = |some: &[&Finding]| some.iter().map(|finding| finding.events).sum::<u64>();
    let lost = of(&[Change::Lost]);
    if !lost.is_empty() {
        let mut text = String::new();
        for finding in &lost {
            let action = findings.text(finding.action).unwrap_or_default();
            let why = findings.text(finding.why).unwrap_or_default();
            let _ = writeln!(text, "{action} ({}): {why} [change {}]", counted(finding.events, "event"), finding.change_id);
        }
        return Outcome::Failed { message: format!("would lose access that {} used", counted(events(&lost), "event")), text };
    }
    let open = of(&[Change::PotentiallyLost, Change::Undetermined]);
    if !open.is_empty() {
        let missing: Vec<&str> = open.iter().filter_map(|finding| findings.text(finding.missing)).collect();
        let settle = missing.first().map(|keys| format!("; {keys} would settle it")).unwrap_or_default();
        return Outcome::Skipped(format!("may lose access that {} used{settle}", counted(events(&open), "event")));
    }
    let contradicted = of(&[Change::BaselineContradicted]);
    if !contradicted.is_empty() {
        let events = counted(events(&contradicted), "event");
        return Outcome::Skipped(format!("the baseline contradicts the log on {events}: nobody can say"));
    }
    Outcome::Passed
}

impl Suite {
    fn failures(&self) -> usize {
        self.cases.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed { .. })).count()
    }

    fn write(&self, out: &mut String) {
        let skipped = self.cases.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Skipped(_))).count();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{skipped}\" time=\"0\">\n    <properties>",
            escaped(&self.name),
            self.cases.len(),
            self.failures()
        );
        for (name, value) in &self.properties {
            let _ = writeln!(out, "      <property name=\"{name}\" value=\"{value}\"/>");
        }
        out.push_str("    </properties>\n");
        for (name, outcome) in &self.cases {
            let head = format!("    <testcase name=\"{}\" classname=\"{}\" time=\"0\"", escaped(name), escaped(&self.name));
            let _ = match outcome {
                Outcome::Passed => writeln!(out, "{head}/>"),
                Outcome::Skipped(message) => writeln!(out, "{head}>\n      <skipped message=\"{}\"/>\n    </testcase>", escaped(message)),
                Outcome::Failed { message, text } => writeln!(
                    out,
                    "{head}>\n      <failure message=\"{}\" type=\"lost\">{}</failure>\n    </testcase>",
                    escaped(message),
                    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
                ),
            };
        }
        out.push_str("  </testsuite>\n");
    }
}

/// Text of a log in XML: nothing that XML 1.0 cannot hold.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in visible(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
