//! One event explained, as a colleague would: first the answer, then what would settle it, then the reasons.

mod event;
mod layers;
mod words;

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::page::{paragraph, wrapped};
use super::{Style, counted, visible};
use crate::replay::explain::{Code, ExplainedChange, ExplainedCheck, ExplainedEvent, Settling};

/// The candidate's name where only a baseline is explained.
pub const BASELINE_ALONE: &str = "baseline";

/// What the policies are called that were in force when a call was made.
pub(super) const IN_FORCE: &str = "in force then";

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// An event of logs or a dataset.
    Event,
    /// An event of a report.
    OfReport,
    /// A row of a report's `changes.parquet`.
    Row(&'a Map<String, Value>),
}

/// Renders what was explained: one event, or several with the same id.
pub fn render(events: &[ExplainedEvent], asked: Asked<'_>, style: Style) -> String {
    let mut out = String::new();
    if let Asked::Row(row) = asked {
        event::row(&mut out, row, style);
    }
    if events.len() > 1 {
        let text = format!("{} events have this id and differ: all of them follow", events.len());
        let _ = writeln!(out, "{}\n", style.paint("33", &text));
    }
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        one(&mut out, event, asked, style);
    }
    out
}

fn one(out: &mut String, explained: &ExplainedEvent, asked: Asked<'_>, style: Style) {
    if let Some(reason) = explained.not_replayed {
        let (why, help) = words::not_replayed(reason);
        let _ = writeln!(out, "{}", style.paint("1", &format!("not replayed: {}", reason.replace('_', " "))));
        paragraph(out, &format!("{why}; {help}"), "  ", style);
        out.push('\n');
    }
    if explained.filtered {
        paragraph(out, "the filters of the replay leave this event out: no row of the report counts it", "", style);
        out.push('\n');
    }
    for change in &explained.candidates {
        answer(out, change, style);
    }
    event::event(out, explained, style);
    let differs = |change: &&ExplainedChange| change.checks.iter().any(|check| check.first_difference.is_some());
    let mut told: Vec<&ExplainedChange> = explained.candidates.iter().filter(differs).collect();
    if told.is_empty() {
        told.extend(explained.candidates.first());
    }
    for change in &told {
        reasons(out, change, told.len() > 1, style);
        if matches!(asked, Asked::OfReport) && !explained.filtered {
            let _ = writeln!(out, "\nchanges.parquet counts the events like this one: --change {}", change.change_id);
        }
    }
}

/// The answer: what becomes of the call, why in a sentence, and what would settle it.
fn answer(out: &mut String, change: &ExplainedChange, style: Style) {
    let alone = change.candidate == BASELINE_ALONE;
    let (headline, color) = words::headline(change, alone);
    let _ = writeln!(out, "{}", style.paint(color, &visible(&headline)));
    let unchanged = change.checks.iter().all(|check| check.first_difference.is_none());
    let then = change.in_force_decision.zip(change.in_force_reason.as_deref());
    let least = if then.is_some() { IN_FORCE.len() } else { 0 };
    let mut side = |name: &str, decision: &str, reason: &str| {
        // What leaves it open is told below, key by key.
        let text = if decision == "undetermined" && change.settled_by.len() == 1 {
            "open".to_owned()
        } else {
            words::decided(decision, &visible(reason))
        };
        wrapped(out, &text, &format!("  {name}  "), &" ".repeat(name.chars().count() + 4), style);
    };
    if alone || unchanged {
        side(&format!("{:least$}", if alone { "baseline" } else { "both" }), change.baseline_decision, &change.baseline_reason);
    } else {
        let width = change.candidate.chars().count().max("baseline".len()).max(least);
        side(&format!("{:width$}", "baseline"), change.baseline_decision, &change.baseline_reason);
        side(&format!("{:width$}", change.candidate), change.candidate_decision, &change.candidate_reason);
    }
    if let Some((decision, reason)) = then {
        side(&format!("{IN_FORCE:0$}", if alone || unchanged { 0 } else { change.candidate.chars().count() }), decision, reason);
    }
    for settling in &change.settled_by {
        settled(out, settling, style);
    }
    out.push('\n');
}

fn settled(out: &mut String, settling: &Settling, style: Style) {
    let colon = if settling.cells.is_empty() { "" } else { ":" };
    paragraph(out, &visible(&format!("it depends on {}{colon}", words::missing(&settling.key))), "  ", style);
    for cell in &settling.cells {
        paragraph(out, &format!("{} if {}", words::change(&cell.decision), visible(&cell.when)), "    ", style);
    }
}

/// Why, layer by layer, and what it rests on.
fn reasons(out: &mut String, change: &ExplainedChange, one_of_several: bool, style: Style) {
    let several = change.checks.len() > 1;
    let under = if one_of_several { format!(", under `{}`", change.candidate) } else { String::new() };
    for (index, check) in change.checks.iter().enumerate() {
        let title = if several {
            let decides = if index == change.deciding_check { ", which decides" } else { "" };
            format!("why{under}, check {} of {}{decides}", index + 1, change.checks.len())
        } else {
            format!("why, layer by layer{under}")
        };
        let _ = writeln!(out, "\n{}", style.paint("1", &title));
        if several {
            let resource = check.resource.as_deref().unwrap_or("an unknown resource");
            paragraph(out, &visible(&format!("{} on {resource}", check.action)), "  ", style);
        }
        difference(out, change, check, style);
        layers::render(out, &change.candidate, check, style);
    }
    codes(out, "this rests on", &change.assumptions, style);
    codes(out, "keep in mind", &change.caveats, style);
}

fn difference(out: &mut String, change: &ExplainedChange, check: &ExplainedCheck, style: Style) {
    if change.candidate == BASELINE_ALONE {
        return;
    }
    let text = match check.first_difference {
        Some(layer) => format!("baseline and `{}` differ first in: {}", change.candidate, words::layer(layer)),
        None => format!("baseline and `{}` are the same in every layer", change.candidate),
    };
    paragraph(out, &text, "  ", style);
}

fn codes(out: &mut String, title: &str, codes: &[Code], style: Style) {
    if codes.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", style.paint("1", title));
    for code in codes {
        paragraph(out, &format!("{}: {}", code.code, code.meaning), "  ", style);
    }
}

/// `2 events`, from a number of a row.
fn count(row: &Map<String, Value>, column: &str, noun: &str) -> String {
    counted(row.get(column).and_then(Value::as_u64).unwrap_or(0), noun)
}
