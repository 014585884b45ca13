//! `report.md`: what fits into a pull-request comment.

use std::fmt::Write as _;

use super::side_by_side::{self, COLUMNS, Standing, TITLE};
use super::summary::{Affected, Summary, principal_words};
use super::terminal::{CLASSES, actions_words, agreement, coverage, distrusted, shard, verdict, why};
use super::{Report, counted, grouped};
use crate::error::Result;
use crate::replay::Change;

/// How many rows of a class are shown.
const SHOWN: usize = 20;
/// A comment of a code host holds 65,536 characters; what is longer is cut and says so.
const LIMIT: usize = 60_000;

/// Renders a report.
///
/// # Errors
/// [`crate::Error::Columns`].
pub fn render(report: &Report) -> Result<String> {
    let summary = Summary::new(report)?;
    let manifest = &report.manifest;
    let counts = &manifest.counts;
    let mut out = String::from("# Access changes\n\n");
    let window = manifest.window.as_ref().map(|window| format!(", {} to {}", window.first, window.last)).unwrap_or_default();
    let replayed = counted(counts.replayed, "event");
    let _ =
        writeln!(out, "{replayed} replayed of {}{window}; {}; {}.\n", grouped(counts.events), agreement(manifest), cell(&coverage(report)));
    if let Some(shard) = shard(manifest) {
        let _ = writeln!(out, "**{shard}**\n");
    }
    let _ = writeln!(out, "| events | {} |", manifest.candidates.iter().map(|c| cell(&c.name)).collect::<Vec<_>>().join(" | "));
    let _ = writeln!(out, "|---|{}", "---:|".repeat(manifest.candidates.len()));
    for change in Change::ALL {
        let events = manifest.candidates.iter().map(|candidate| grouped(candidate.events.get(change.name()).copied().unwrap_or(0)));
        let _ = writeln!(out, "| {} | {} |", change.name().replace('_', " "), events.collect::<Vec<_>>().join(" | "));
    }
    if let Some(standings) = side_by_side::standings(report)? {
        beside(&mut out, &standings);
    }
    for candidate in &manifest.candidates {
        let _ = writeln!(out, "\n## {}\n\n{}.", cell(&candidate.name), verdict(&summary, report, candidate)?);
        for (title, change, _) in CLASSES {
            rows(&mut out, title, &summary.affected(&candidate.name, change)?);
        }
    }
    if let Some(candidate) = manifest.candidates.first() {
        rows(&mut out, "the baseline cannot explain the log here", &summary.affected(&candidate.name, "baseline_contradicted")?);
        if let Some(warning) = distrusted(report)? {
            let _ = writeln!(out, "\n**Warning:** {}.", cell(&warning));
        }
    }
    not_judged(&mut out, report);
    out.push_str("\nThe whole report is the page `report.html` beside this file; its tables are Parquet files there.\n");
    if out.len() > LIMIT {
        let mut end = LIMIT;
        while !out.is_char_boundary(end) {
            end -= 1;
        }
        out.truncate(end);
        out.push_str("\n\n… cut here: the report folder has the rest.\n");
    }
    Ok(out)
}

fn beside(out: &mut String, standings: &[Standing]) {
    let headings: Vec<&str> = COLUMNS.iter().map(|(heading, _)| *heading).collect();
    let _ = writeln!(out, "\n### {TITLE}\n\n| candidate | {} |\n|---|{}", headings.join(" | "), "---:|".repeat(COLUMNS.len()));
    for standing in standings {
        let cells: Vec<String> = standing.touched.iter().map(|touched| touched.words()).collect();
        let _ = writeln!(out, "| {} | {} |", cell(&standing.name), cells.join(" | "));
    }
}

fn rows(out: &mut String, title: &str, affected: &[Affected]) {
    if affected.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n### {title}\n\n| principal | actions (events) | why |\n|---|---|---|");
    for group in affected.iter().take(SHOWN) {
        let _ = writeln!(out, "| {} | {} | {} |", cell(&principal_words(group)), cell(&actions_words(group, 10)), cell(&why(group)));
    }
    if affected.len() > SHOWN {
        let rest: u64 = affected.iter().skip(SHOWN).map(|group| group.events).sum();
        let _ = writeln!(out, "| and {} more | {} | `changes.parquet` |", affected.len() - SHOWN, counted(rest, "event"));
    }
}

fn not_judged(out: &mut String, report: &Report) {
    let counts = &report.manifest.counts;
    let _ = writeln!(out, "\n## Not judged\n\n| records | count |\n|---|---:|");
    for (reason, count) in &counts.not_replayed {
        let _ = writeln!(out, "| not replayed: {} | {} |", reason.replace('_', " "), grouped(*count));
    }
    for (reason, count) in &report.manifest.skipped_by_reason {
        let _ = writeln!(out, "| skipped: {} | {} |", reason.replace('_', " "), grouped(*count));
    }
    let _ = writeln!(out, "| duplicates | {} |", grouped(counts.duplicates));
    if counts.filtered > 0 {
        let _ = writeln!(out, "| filtered | {} |", grouped(counts.filtered));
    }
}

/// Text of the log inside a table: no markup of its own.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in super::visible(text).chars() {
        match character {
            '|' | '<' | '>' | '[' | ']' | '*' | '_' | '#' | '\\' | '@' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}
