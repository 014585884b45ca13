//! The summary that a replay prints: totals, then who would lose and gain what, why, and what is uncertain.

use std::fmt::Write as _;

pub use super::page::Style;
use super::page::{bar, paragraph};
use super::summary::{Affected, Summary, principal_words};
use super::{Report, counted, gate, grouped, percent, side_by_side, trust, visible};
use crate::error::Result;
use crate::replay::{CandidateSummary, Manifest};

/// How many principals of a class are shown.
const SHOWN: usize = 8;
/// How many actions of a principal are shown.
const ACTIONS: usize = 6;

/// Renders the summary of a report.
///
/// # Errors
/// [`crate::Error::Columns`].
pub fn render(report: &Report, style: Style) -> Result<String> {
    let summary = Summary::new(report)?;
    let mut out = String::new();
    head(&mut out, report, style);
    contradictions(&mut out, &summary, report, style)?;
    if let Some(standings) = side_by_side::standings(report)? {
        let _ = writeln!(out);
        paragraph(&mut out, side_by_side::TITLE, "", style);
        side_by_side::lines(&standings, style.width).iter().for_each(|line| out.push_str(&format!("{line}\n")));
    }
    for candidate in &report.manifest.candidates {
        section(&mut out, &summary, report, candidate, style)?;
    }
    Ok(out)
}

fn head(out: &mut String, report: &Report, style: Style) {
    let manifest = &report.manifest;
    let counts = &manifest.counts;
    let window = manifest.window.as_ref().map(|window| format!(", {} to {}", window.first, window.last)).unwrap_or_default();
    let title = format!("{} replayed of {}{window}", counted(counts.replayed, "event"), grouped(counts.events));
    let _ = writeln!(out, "{}", style.paint("1", &title));
    if let Some(shard) = shard(manifest) {
        paragraph(out, &shard, "", style);
    }
    let filters = report.filters();
    if !filters.is_empty() {
        paragraph(out, &format!("only events of {}", visible(&filters.join(" "))), "", style);
    }
    let mut left_out: Vec<String> = Vec::new();
    for (count, what) in [(counts.duplicates, "duplicate"), (counts.filtered, "filtered record"), (counts.skipped, "skipped record")] {
        if count > 0 {
            left_out.push(counted(count, what));
        }
    }
    if !left_out.is_empty() {
        paragraph(out, &format!("{} read; not counted above: {}", counted(counts.records, "record"), left_out.join(", ")), "", style);
    }
    if !counts.not_replayed.is_empty() {
        let reasons: Vec<String> =
            counts.not_replayed.iter().map(|(reason, count)| format!("{} {}", grouped(*count), reason.replace('_', " "))).collect();
        paragraph(out, &format!("not replayed, since no policy here can decide them: {}", reasons.join(", ")), "", style);
    }
    if !manifest.skipped_by_reason.is_empty() {
        let reasons: Vec<String> =
            manifest.skipped_by_reason.iter().map(|(reason, count)| format!("{} {}", grouped(*count), reason.replace('_', " "))).collect();
        paragraph(out, &format!("skipped: {} (skipped.parquet has each one)", reasons.join(", ")), "", style);
    }
    if counts.id_conflicts > 0 {
        paragraph(
            out,
            &format!("{} with the id of another event and different content: both are kept", counted(counts.id_conflicts, "event")),
            "",
            style,
        );
    }
    paragraph(out, &agreement(manifest), "", style);
    paragraph(out, &coverage(report), "", style);
}

/// That a report is a part, in a sentence.
pub(super) fn shard(manifest: &Manifest) -> Option<String> {
    let shard = manifest.shard?;
    Some(format!("shard {shard}: the events of a part of the principals; `retrial merge` adds up all {}", shard.of))
}

/// On how many days there is an event at all, and which accounts have none.
pub(super) fn coverage(report: &Report) -> String {
    let covered = &report.covered;
    let silent: Vec<String> = covered.accounts.iter().filter(|(_, days)| **days == 0).map(|(account, _)| visible(account)).collect();
    let least = covered.accounts.iter().filter(|(_, days)| **days > 0 && (**days as u64) < covered.window);
    let mut text = format!("events on {} of {} days", covered.days, covered.window);
    let thin: Vec<String> = least.take(ACTIONS).map(|(account, days)| format!("{} on {days}", visible(account))).collect();
    if !thin.is_empty() {
        let _ = write!(text, " (account {})", thin.join(", "));
    }
    if !silent.is_empty() {
        let _ = write!(text, "; no event of account {}", silent.join(", "));
    }
    format!("{text}: no data is not no use")
}

/// How far the baseline can be trusted, in a sentence.
pub(super) fn agreement(manifest: &Manifest) -> String {
    let Some(agreement) = &manifest.agreement else {
        return "the log itself is the baseline: what succeeded was allowed, what was denied was not".to_owned();
    };
    if agreement.events == 0 {
        return "no event shows whether the baseline is right".to_owned();
    }
    let share = percent(agreement.agree, agreement.events);
    let mut text = format!("the baseline agrees with the log on {share} of {}", counted(agreement.events, "event"));
    if let Some(followed) = manifest.followed {
        let _ = write!(text, ", each compared with the policies in force then ({} followed)", counted(followed.changes, "change"));
    }
    for (count, what) in [
        (agreement.open, "depend on what the log does not tell"),
        (agreement.explained_by_opaque, "fit only if a policy that was not supplied decided them"),
        (agreement.contradict, "contradict it"),
    ] {
        if count > 0 {
            let _ = write!(text, "; {} {what}", grouped(count));
        }
    }
    text
}

fn section(out: &mut String, summary: &Summary, report: &Report, candidate: &CandidateSummary, style: Style) -> Result<()> {
    let _ = writeln!(out, "\n{}", style.paint("1", &candidate.name));
    paragraph(out, &verdict(summary, report, candidate)?, "  ", style);
    shares(out, report, candidate, style);
    for (title, change, color) in CLASSES {
        class(out, &format!("\n  {}", style.paint(color, title)), &summary.affected(&candidate.name, change)?, style);
    }
    Ok(())
}

/// Events by change, each with its share of what was replayed, as a bar; changes without an event are left out.
fn shares(out: &mut String, report: &Report, candidate: &CandidateSummary, style: Style) {
    const WORDS: [(&str, &str, &str); 9] = [
        ("lost", "would lose", "31"),
        ("potentially_lost", "may lose", "33"),
        ("undetermined", "may lose or gain", "33"),
        ("gained", "would gain", "32"),
        ("potentially_gained", "may gain", "33"),
        ("baseline_contradicted", "contradicted by the log", "35"),
        ("unchanged_unknown", "unchanged, unknown", "2"),
        ("unchanged_denied", "still denied", "2"),
        ("unchanged_allowed", "still allowed", "2"),
    ];
    /// What stands before a bar.
    const BEFORE: usize = 2 + 23 + 13 + 15;
    /// The longest bar.
    const LONGEST: usize = 60;
    let replayed = report.manifest.counts.replayed;
    if replayed == 0 {
        return;
    }
    let width = style.width.saturating_sub(BEFORE + 2).min(LONGEST);
    let _ = writeln!(out);
    for (change, words, color) in WORDS {
        let events = candidate.events.get(change).copied().unwrap_or_default();
        if events > 0 {
            let bar = style.paint(color, &bar(events, replayed, width));
            let share = if width > 0 { format!("{:>15}  {bar}", percent(events, replayed)) } else { String::new() };
            let _ = writeln!(out, "  {words:<23}{:>13}{share}", grouped(events));
        }
    }
}

/// The classes that are shown with their principals: heading, change, colour.
pub(super) const CLASSES: [(&str, &str, &str); 5] = [
    ("would lose access", "lost", "31"),
    ("would gain access", "gained", "32"),
    ("may lose access: the log does not tell enough", "potentially_lost", "33"),
    ("may gain access: the log does not tell enough", "potentially_gained", "33"),
    ("may lose or gain access: the log does not tell enough", "undetermined", "33"),
];

fn class(out: &mut String, title: &str, affected: &[Affected], style: Style) {
    if affected.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title}");
    for group in affected.iter().take(SHOWN) {
        entry(out, group, style);
    }
    if affected.len() > SHOWN {
        let rest: u64 = affected.iter().skip(SHOWN).map(|group| group.events).sum();
        let _ = writeln!(out, "    and {} more with {} (changes.parquet)", affected.len() - SHOWN, counted(rest, "event"));
    }
}

/// What the baseline cannot explain: the same for every candidate.
fn contradictions(out: &mut String, summary: &Summary, report: &Report, style: Style) -> Result<()> {
    let Some(candidate) = report.manifest.candidates.first() else { return Ok(()) };
    let affected = summary.affected(&candidate.name, "baseline_contradicted")?;
    class(out, &format!("\n{}", style.paint("35", "the baseline cannot explain the log here")), &affected, style);
    if let Some(warning) = distrusted(report)? {
        paragraph(out, &style.paint("35", &visible(&warning)), "  ", style);
    }
    Ok(())
}

/// The principals for whom the baseline contradicts so much of the log that results for them are not reliable.
pub(super) fn distrusted(report: &Report) -> Result<Option<String>> {
    let lost: Vec<String> = trust::contradicted(&report.principals)?
        .into_iter()
        .filter(|(_, trust)| trust.is_lost())
        .map(|(arn, trust)| format!("{arn} ({} of {})", grouped(trust.contradict), counted(trust.judged, "judged event")))
        .collect();
    if lost.is_empty() {
        return Ok(None);
    }
    let more = if lost.len() > SHOWN { format!(" and {} more (principals.parquet)", lost.len() - SHOWN) } else { String::new() };
    let shown = lost.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    Ok(Some(format!("do not trust results for {shown}{more}: the baseline is not what was in force")))
}

/// The verdict on a candidate in one or two sentences.
pub(super) fn verdict(summary: &Summary, report: &Report, candidate: &CandidateSummary) -> Result<String> {
    let replayed = report.manifest.counts.replayed;
    let events = |change: &str| candidate.events.get(change).copied().unwrap_or(0);
    if replayed == 0 {
        return Ok("no event was replayed: this says nothing about the candidate".to_owned());
    }
    let mut sentences = Vec::new();
    let lost = summary.totals(&candidate.name, "lost")?;
    if lost.events > 0 {
        let mut text = format!(
            "{} would lose access ({}, {})",
            counted(lost.principals, "principal"),
            counted(lost.events, "event"),
            percent(lost.events, replayed),
        );
        if lost.failed_otherwise > 0 {
            let _ = write!(text, ", of which {} failed in the log for another reason", grouped(lost.failed_otherwise));
        }
        sentences.push(text);
    } else {
        sentences.push("no principal is sure to lose access that it used".to_owned());
    }
    let gained = summary.totals(&candidate.name, "gained")?;
    if gained.events > 0 {
        sentences.push(format!("{} would gain access ({})", counted(gained.principals, "principal"), counted(gained.events, "event")));
    }
    let uncertain = events("potentially_lost") + events("potentially_gained") + events("undetermined");
    if uncertain > 0 {
        sentences.push(format!("{} uncertain", counted(uncertain, "event")));
    }
    if events("baseline_contradicted") > 0 {
        sentences.push(format!("{} contradicted", counted(events("baseline_contradicted"), "event")));
    }
    let unchanged = events("unchanged_allowed") + events("unchanged_denied") + events("unchanged_unknown");
    let before = match candidate.already_lost {
        0 => String::new(),
        lost => format!(", of which {} had been lost before", grouped(lost)),
    };
    sentences.push(format!("{} unchanged{before}", grouped(unchanged)));
    let unexercised = gate::unexercised(report, &candidate.name)?;
    if unexercised > 0 {
        sentences.push(format!("{} changed without an event {}", counted(unexercised, "principal"), report.looked_at()));
    }
    if let Some(first) = candidate.unresolved.first() {
        let more = candidate.unresolved.len() - 1;
        let more = if more > 0 { format!(", and {more} more: see `unresolved` in manifest.json") } else { String::new() };
        sentences.push(format!("not the whole of its plan or template, which says more than can be followed: {}{more}", visible(first)));
    }
    Ok(sentences.join("; "))
}

fn entry(out: &mut String, group: &Affected, style: Style) {
    let day = group.last_seen.map(|time| crate::ingest::dataset::date_text(crate::ingest::dataset::day_of(time)));
    let last = day.map(|day| format!(", last {day}")).unwrap_or_default();
    let head = format!("{}: {}{last}", visible(&principal_words(group)), counted(group.events, "event"));
    paragraph(out, &head, "    ", style);
    paragraph(out, &visible(&actions_words(group, ACTIONS)), "      ", style);
    paragraph(out, &format!("why: {}", visible(&why(group))), "      ", style);
}

/// The reason, and for what is uncertain what would settle it.
pub(super) fn why(group: &Affected) -> String {
    if group.missing.is_empty() { group.reason.clone() } else { format!("{}; unknown: {}", group.reason, group.missing) }
}

/// `workmail:CreateUser (12), workmail:DeleteUser (3) and 4 more actions`.
pub(super) fn actions_words(group: &Affected, most: usize) -> String {
    let shown: Vec<String> = group.actions.iter().take(most).map(|(action, events)| format!("{action} ({})", grouped(*events))).collect();
    let rest = group.actions.len().saturating_sub(most);
    let more = if rest > 0 { format!(" and {}", counted(rest as u64, "more action")) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_never_rounded_away() {
        assert_eq!([percent(1, 100_000), percent(0, 5), percent(999, 1_000), percent(5, 5)], ["under 0.1 %", "0 %", "99.9 %", "100 %"]);
    }
}
