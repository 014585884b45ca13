//! `retrial ingest`.

use super::Exit;
use super::args::{self, Format};
use super::printer::Printer;
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::ingest::{Dataset, Ingested, SkippedRow, ingest};
use crate::report::{counted, grouped, visible};

/// How many skipped records are named one by one.
const NAMED: usize = 10;

pub(super) fn run(arguments: &args::Ingest, printer: &Printer) -> Result<Exit> {
    let mut dataset = Dataset::open_or_create(&arguments.output)?;
    let before = dataset.ledger.skipped.len();
    let ingested = ingest(&arguments.logs, &mut dataset, Catalog::builtin(), &printer.bar())?;
    name_skipped(&dataset.ledger.skipped, before, printer);
    let counts = dataset.ledger.counts;
    if arguments.format == Format::Json {
        let text = serde_json::to_string_pretty(&counts).map_err(|error| Error::Internal(error.to_string()))?;
        printer.out(&(text + "\n"))?;
        return Ok(Exit::Done);
    }
    let mut text = format!("{}: {}\n", arguments.output.display(), summary(&ingested));
    text.push_str(&format!(
        "in all {}: {}, {}, {}\n",
        counted(counts.records, "record"),
        counted(counts.events, "event"),
        counted(counts.duplicates, "duplicate"),
        counted(counts.skipped, "skipped record"),
    ));
    printer.out(&text)?;
    Ok(Exit::Done)
}

fn summary(ingested: &Ingested) -> String {
    let mut text = format!("{} from {}", counted(ingested.records, "record"), counted(ingested.files, "file"));
    if ingested.already_loaded > 0 {
        text.push_str(&format!("; {} loaded before", counted(ingested.already_loaded, "file")));
    }
    if ingested.passed_over > 0 {
        text.push_str(&format!("; {} passed over, since they do not look like logs", grouped(ingested.passed_over)));
    }
    text
}

/// Names what was skipped, the first few one by one.
pub(super) fn name_skipped(skipped: &[SkippedRow], before: usize, printer: &Printer) {
    let new = skipped.len().saturating_sub(before);
    for row in skipped.iter().take(NAMED.min(new)) {
        let place = row.index.map(|index| format!(", record {index}")).unwrap_or_default();
        let reason = row.reason.replace('_', " ");
        printer.warn(&format!("`{}`{place}: {reason}: {}", visible(&row.file), visible(&row.detail)));
    }
    if new > NAMED {
        printer.warn(&format!("and {} more skipped records: skipped.parquet of a report lists them all", grouped((new - NAMED) as u64)));
    }
}
