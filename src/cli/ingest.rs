//! `retrial ingest`.

use std::collections::BTreeMap;

use serde_json::json;

use super::Exit;
use super::args::{self, Format};
use super::printer::Printer;
use crate::catalog::Catalog;
use crate::cloudtrail::SkipReason;
use crate::cloudtrail::columns::Unknown;
use crate::error::{Error, Result};
use crate::ingest::{Dataset, DatasetCounts, Day, Ingested, Ledger, SkippedRow, ingest};
use crate::report::{counted, grouped, visible};

/// How many skipped records are named one by one.
const NAMED: usize = 10;

/// How many missing columns are named.
const NAMED_COLUMNS: usize = 4;

/// Columns of what is printed.
const WIDTH: usize = 80;

pub(super) fn run(arguments: &args::Ingest, printer: &Printer) -> Result<Exit> {
    let mut dataset = Dataset::open_or_create(&arguments.output)?;
    if let Some(memory) = arguments.memory {
        dataset.memory = usize::try_from(memory).unwrap_or(usize::MAX).saturating_mul(1 << 20);
    }
    let before = dataset.ledger.counts;
    let ingested = ingest(&arguments.logs, &arguments.reading.options(), &mut dataset, Catalog::builtin(), &printer.bar())?;
    name_skipped(&ingested.skipped, &format!("`{}`", visible(&dataset.ledger_file().to_string_lossy())), printer);
    name_passed_over(&ingested, printer);
    name_unknown(&ingested, printer);
    name_not_utf8(&ingested, printer);
    if let Some(warning) = dataset.ledger.mapped_otherwise(Catalog::builtin().version()) {
        printer.warn(&warning);
    }
    match dataset.ledger.counts {
        DatasetCounts { events: 0, skipped: 0, .. } => printer.warn("no event: what was read holds no records"),
        DatasetCounts { events: 0, .. } => printer.warn("no event could be read: all that was read is skipped"),
        _ => {}
    }
    match arguments.format {
        Format::Json => printer.json(&as_json(&ingested, before, &dataset.ledger)?)?,
        Format::Text => {
            let folder = visible(&arguments.output.to_string_lossy());
            printer.out(&format!("{folder}: {}", as_text(&ingested, before, &dataset.ledger)))?;
        }
    }
    // A program that failed before it wrote anything to standard input is as good as a file that cannot be read.
    let is_unreadable = |row: &SkippedRow| {
        row.reason == SkipReason::UnreadableFile.name() || (row.reason == SkipReason::EmptyFile.name() && row.file == "-")
    };
    let is_nothing = ingested.already_loaded == 0 && !ingested.skipped.is_empty();
    if is_nothing && ingested.records == ingested.all_skipped() && ingested.skipped.iter().all(is_unreadable) {
        return Err(Error::Nothing(format!("nothing could be read, of {}", counted(ingested.files, "file"))));
    }
    Ok(Exit::Done)
}

/// Names the files that do not look like logs, for those who want to know more.
pub(super) fn name_passed_over(ingested: &Ingested, printer: &Printer) {
    for path in &ingested.passed_over {
        printer.detail(&format!("passed over: `{}`; to read it, name it itself", visible(&path.to_string_lossy())));
    }
}

/// Names what is unknown of the events of tables.
pub(super) fn name_unknown(ingested: &Ingested, printer: &Printer) {
    for (unknown, events) in &ingested.unknown {
        let events = counted(*events, "event");
        printer.warn(&match unknown {
            Unknown::Columns(names) => format!(
                "{events} of tables that lack {}: what they would tell is unknown, and who made a call cannot be said; \
                 such events are kept and not replayed: export all columns, or whole records",
                first_of(names)
            ),
            Unknown::Members(names) => format!(
                "{events} of tables that do not tell all of {}: what is missing is unknown, and so is what policies make of it",
                first_of(names)
            ),
            Unknown::Caller => {
                format!(
                    "{events} with a `userIdentity` that cannot be read: such events are kept and not replayed; export it as JSON, \
                     as deep as it goes (in PowerShell `ConvertTo-Json -Depth 20`)"
                )
            }
            Unknown::Zone => format!("{events} with the local time of whoever downloaded the table, which is taken as UTC"),
        });
    }
}

/// Names the files with bytes that are not UTF-8.
pub(super) fn name_not_utf8(ingested: &Ingested, printer: &Printer) {
    for (file, near) in ingested.not_utf8.iter().take(NAMED) {
        printer.warn(&format!(
            "`{}`: not UTF-8 at `{}`: such bytes are read as U+FFFD, so names that hold them are not those of the policies; \
             convert the file first, as with `iconv -f WINDOWS-1252 -t UTF-8`",
            visible(file),
            visible(near)
        ));
    }
    let more = ingested.not_utf8.len().saturating_sub(NAMED);
    if more > 0 {
        printer.warn(&format!("and {} that are not UTF-8", counted(more as u64, "more file")));
    }
}

/// Some names, and how many more there are.
fn first_of(names: &[&str]) -> String {
    let named: Vec<String> = names.iter().take(NAMED_COLUMNS).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(NAMED_COLUMNS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    named.join(", ") + &more
}

/// Names what was skipped by the first of each file and reason, of which one that is broken everywhere would else hide all others;
/// `listed` has it all.
pub(super) fn name_skipped(firsts: &[SkippedRow], listed: &str, printer: &Printer) {
    for row in firsts.iter().take(NAMED) {
        let place = row.index.map(|index| format!(", record {index}")).unwrap_or_default();
        let reason = row.reason.replace('_', " ");
        let more = match row.count.saturating_sub(1) {
            0 => String::new(),
            more => format!("; and {} more of this file", grouped(more)),
        };
        printer.warn(&format!("`{}`{place}: {reason}: {}{more}", visible(&row.file), visible(&row.detail)));
    }
    let more: u64 = firsts.iter().skip(NAMED).map(|row| row.count).sum();
    if more > 0 {
        printer.warn(&format!("and {} more skipped records: {listed} lists them all", grouped(more)));
    }
}

/// What the dataset holds, added up over its days.
struct Found<'l> {
    first: Option<&'l str>,
    last: Option<&'l str>,
    days: u64,
    /// Days of the window without an event.
    gaps: Vec<String>,
    accounts: BTreeMap<&'l str, u64>,
    regions: BTreeMap<&'l str, u64>,
    services: BTreeMap<String, u64>,
    identities: BTreeMap<&'l str, u64>,
    skipped: BTreeMap<&'l str, u64>,
}

impl<'l> Found<'l> {
    fn of(ledger: &'l Ledger) -> Self {
        let days: Vec<(&str, &Day)> =
            ledger.days.iter().filter(|(_, day)| day.events > 0).map(|(date, day)| (date.as_str(), day)).collect();
        let sum = |of: fn(&'l Day) -> &'l BTreeMap<String, u64>| {
            let mut sums: BTreeMap<&'l str, u64> = BTreeMap::new();
            days.iter().flat_map(|(_, day)| of(day)).for_each(|(name, count)| *sums.entry(name).or_default() += count);
            sums
        };
        let mut skipped = BTreeMap::new();
        ledger.skipped.iter().for_each(|row| *skipped.entry(row.reason.as_str()).or_default() += row.count);
        Self {
            first: days.first().map(|(date, _)| *date),
            last: days.last().map(|(date, _)| *date),
            days: days.len() as u64,
            gaps: days.windows(2).filter_map(|pair| gap(pair.first()?.0, pair.last()?.0)).collect(),
            accounts: sum(|day| &day.accounts),
            regions: sum(|day| &day.regions),
            services: folded(sum(|day| &day.services)),
            identities: sum(|day| &day.identities),
            skipped,
        }
    }
}

/// The same without regard to case: trails write `workmailMessageFlow.amazonaws.com` in more than one way.
fn folded(counts: BTreeMap<&str, u64>) -> BTreeMap<String, u64> {
    let mut folded = BTreeMap::new();
    counts.into_iter().for_each(|(name, count)| *folded.entry(name.trim().to_lowercase()).or_default() += count);
    folded
}

/// The days between two days: none, one, or from one to another.
fn gap(before: &str, after: &str) -> Option<String> {
    let (before, after): (jiff::civil::Date, jiff::civil::Date) = (before.parse().ok()?, after.parse().ok()?);
    let (first, last) = (before.tomorrow().ok()?, after.yesterday().ok()?);
    match first.cmp(&last) {
        std::cmp::Ordering::Less => Some(format!("{first} to {last}")),
        std::cmp::Ordering::Equal => Some(first.to_string()),
        std::cmp::Ordering::Greater => None,
    }
}

/// What became of the records of a run that were not skipped: events that were not there before, and those that were.
fn of_run(ingested: &Ingested, before: DatasetCounts, now: DatasetCounts) -> [u64; 2] {
    let kept = ingested.records.saturating_sub(ingested.all_skipped());
    let events = now.events.saturating_sub(before.events).min(kept);
    [events, kept - events]
}

fn as_json(ingested: &Ingested, before: DatasetCounts, ledger: &Ledger) -> Result<String> {
    let Found { first, last, gaps, accounts, regions, services, identities, skipped, .. } = Found::of(ledger);
    let DatasetCounts { records, duplicates, skipped: not_kept, id_conflicts, events } = ledger.counts;
    let [new, repeated] = of_run(ingested, before, ledger.counts);
    let value = json!({
        "records": records, "duplicates": duplicates, "skipped": not_kept, "id_conflicts": id_conflicts, "events": events,
        "run": {
            "files": ingested.files, "already_loaded": ingested.already_loaded, "passed_over": ingested.passed_over.len(),
            "records": ingested.records, "events": new, "duplicates": repeated, "skipped": ingested.all_skipped()
        },
        "window": first.zip(last).map(|(first, last)| json!({ "first": first, "last": last, "without_events": gaps })),
        "accounts": accounts, "regions": regions, "services": services, "identity_types": identities,
        "skipped_by_reason": skipped
    });
    let text = serde_json::to_string_pretty(&value).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(text + "\n")
}

fn as_text(ingested: &Ingested, before: DatasetCounts, ledger: &Ledger) -> String {
    let mut text = format!("{} from {}", counted(ingested.records, "record"), counted(ingested.files, "file"));
    if ingested.already_loaded > 0 {
        text.push_str(&format!("; {} loaded before", counted(ingested.already_loaded, "file")));
    }
    if !ingested.passed_over.is_empty() {
        let passed_over = grouped(ingested.passed_over.len() as u64);
        text.push_str(&format!("; {passed_over} passed over, since they do not look like logs"));
    }
    let (counts, found) = (ledger.counts, Found::of(ledger));
    text.push_str(&format!("\n\n{:12}{:>14}{:>14}{:>14}{:>14}\n", "", "records", "events", "duplicates", "skipped"));
    let mut line = |name: &str, counts: [u64; 4]| {
        let [records, events, duplicates, skipped] = counts.map(grouped);
        text.push_str(&format!("{name:12}{records:>14}{events:>14}{duplicates:>14}{skipped:>14}\n"));
    };
    let [events, duplicates] = of_run(ingested, before, counts);
    line("new", [ingested.records, events, duplicates, ingested.all_skipped()]);
    line("in all", [counts.records, counts.events, counts.duplicates, counts.skipped]);
    text.push('\n');
    if let (Some(first), Some(last)) = (found.first, found.last) {
        text.push_str(&row("window", &[format!("{first} to {last}"), format!("{} with events", counted(found.days, "day"))]));
    }
    if !found.gaps.is_empty() {
        text.push_str(&row("no events on", &found.gaps));
    }
    let services = found.services.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    for (name, counts) in [
        ("accounts", found.accounts),
        ("regions", found.regions),
        ("services", services),
        ("identities", found.identities),
        ("skipped", found.skipped),
    ] {
        if !counts.is_empty() {
            text.push_str(&row(name, &shares(&counts)));
        }
    }
    if counts.id_conflicts > 0 {
        text.push_str(&row("id conflicts", &[grouped(counts.id_conflicts)]));
    }
    text
}

/// Names with their share, the largest first.
fn shares(counts: &BTreeMap<&str, u64>) -> Vec<String> {
    let all: u64 = counts.values().sum();
    let mut sorted: Vec<(&str, u64)> = counts.iter().map(|(name, count)| (*name, *count)).collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let share = |(name, count): (&str, u64)| {
        let name = if name.is_empty() { "none".to_owned() } else { visible(name.strip_suffix(".amazonaws.com").unwrap_or(name)) };
        format!("{name} {:.1}%", count as f64 * 100.0 / all.max(1) as f64)
    };
    sorted.into_iter().map(share).collect()
}

/// A heading and as many items as two lines have room for.
fn row(heading: &str, items: &[String]) -> String {
    const INDENT: usize = 14;
    const LINES: usize = 2;
    let more = |left: usize| format!("and {} more", grouped(left as u64));
    let (mut lines, mut line) = (Vec::new(), String::new());
    for (at, item) in items.iter().enumerate() {
        let left = items.len() - at - 1;
        let comma = if left > 0 { "," } else { "" };
        // The last line also has to have room for saying how many are left out.
        let reserved = if lines.len() + 1 == LINES && left > 0 { more(left).len() + 1 } else { 0 };
        let length = item.chars().count() + comma.len();
        if !line.is_empty() && INDENT + line.chars().count() + 1 + length + reserved > WIDTH {
            if lines.len() + 1 == LINES {
                line.push_str(&format!(" {}", more(left + 1)));
                break;
            }
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(item);
        line.push_str(comma);
    }
    lines.push(line);
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let heading = if at == 0 { heading } else { "" };
        text.push_str(&format!("{heading:INDENT$}{line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_longer_than_the_width_and_nothing_is_left_out_unsaid() {
        for count in [1, 2, 5, 12, 40, 1_000] {
            let items: Vec<String> = (0..count).map(|n| format!("service-number-{n} {n}.0%")).collect();
            let text = row("services", &items);
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
            let shown = text.matches("service-number").count();
            let said = if shown == count { String::new() } else { format!("and {} more\n", grouped((count - shown) as u64)) };
            assert!(text.ends_with(&said) && shown > 0, "{text}");
        }
    }

    #[test]
    fn gaps_are_days_between() {
        assert_eq!(gap("2026-02-28", "2026-03-01"), None);
        assert_eq!(gap("2026-02-27", "2026-03-01").as_deref(), Some("2026-02-28"));
        assert_eq!(gap("2025-12-30", "2026-01-03").as_deref(), Some("2025-12-31 to 2026-01-02"));
    }
}
