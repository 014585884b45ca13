//! `retrial explain`: the full evaluation of one event.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Parser as _;
use serde::Serialize;
use serde_json::{Map, Value};

use super::args::{self, Arguments, Command, Format};
use super::output::Temporary;
use super::printer::Printer;
use super::{Exit, replay as replay_command};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::frame::{json as rows, parquet};
use crate::ingest::{Dataset, ingest};
use crate::replay::explain::{ExplainedEvent, explain};
use crate::replay::{Manifest, Options};
use crate::report::Style;
use crate::report::explanation::{self, Asked};

/// What is to be explained.
struct Wanted {
    event: String,
    /// The row of `changes.parquet`, with `--change`.
    row: Option<Map<String, Value>>,
}

/// The answer as JSON.
#[derive(Debug, Serialize)]
struct Output<'a> {
    event_id: &'a str,
    row: Option<&'a Map<String, Value>>,
    explanations: &'a [ExplainedEvent],
}

pub(super) fn run(arguments: &args::Explain, printer: &Printer) -> Result<Exit> {
    let report = match arguments.inputs.as_slice() {
        [report] if report.join("manifest.json").is_file() => Some(report),
        _ => None,
    };
    let (explained, wanted) = match report {
        Some(report) => from_report(report, arguments, printer)?,
        None => from_logs(arguments, printer)?,
    };
    match arguments.format {
        Format::Json => {
            let output = Output { event_id: &wanted.event, row: wanted.row.as_ref(), explanations: &explained };
            let text = serde_json::to_string_pretty(&output).map_err(|error| Error::Internal(error.to_string()))?;
            printer.json(&(text + "\n"))?;
        }
        Format::Text => {
            let style = Style { width: printer.width(), color: printer.color() };
            let asked = match (&wanted.row, report) {
                (Some(row), _) => Asked::Row(row),
                (None, Some(_)) => Asked::OfReport,
                (None, None) => Asked::Event,
            };
            printer.out(&explanation::render(&explained, asked, style))?;
        }
    }
    Ok(Exit::Done)
}

/// From a report: its own inputs, opened again.
fn from_report(folder: &Path, arguments: &args::Explain, printer: &Printer) -> Result<(Vec<ExplainedEvent>, Wanted)> {
    if !arguments.baseline.is_empty() || !arguments.candidate.is_empty() || arguments.context.is_some() {
        return Err(Error::Usage(format!(
            "`{}` is a report and names its own policies: leave --baseline, --candidate and --context away, or name the logs in its place",
            folder.display()
        )));
    }
    let manifest = Manifest::read(&folder.join("manifest.json"))?;
    let tool = format!("retrial {}", env!("CARGO_PKG_VERSION"));
    if manifest.tool != tool {
        printer.warn(&format!("the report was written by {}, this is {tool}: what it says of the event may differ", manifest.tool));
    }
    let wanted = wanted(folder, arguments)?;
    manifest.verify_policies()?;
    let replayed = replay_arguments(&manifest, folder)?;
    let options = replay_command::options(&replayed, printer)?;
    no_other_policies(&manifest, &options)?;
    let kept = replayed.keep.as_deref().filter(|path| Dataset::is_at(path));
    let (dataset, _temporary) = match kept.or_else(|| replay_command::only_dataset(&replayed.logs)) {
        Some(path) => {
            let dataset = Dataset::open(path)?;
            manifest.verify_dataset(&dataset)?;
            (dataset, None)
        }
        // Whose files may be gone.
        None if replayed.logs.iter().any(|path| Dataset::is_at(path)) => {
            let (dataset, temporary) = loaded(&replayed.logs, replayed.reading, printer)?;
            manifest.verify_dataset(&dataset)?;
            (dataset, temporary)
        }
        None => {
            manifest.verify_logs()?;
            let logs: Vec<_> = manifest.inputs.iter().filter(|input| !input.sha256.is_empty()).map(|input| (&input.file).into()).collect();
            loaded(&logs, replayed.reading, printer)?
        }
    };
    let only = wanted.row.as_ref().and_then(|row| row.get("candidate")).and_then(Value::as_str);
    let mut explained = explain(&dataset, &options, Catalog::builtin(), &wanted.event, only)?;
    if let Some(id) = &arguments.change {
        // Of two events with one id, the one that the row counts.
        let of_row = |event: &ExplainedEvent| event.candidates.iter().any(|change| change.change_id == *id);
        if explained.iter().any(of_row) {
            explained.retain(of_row);
        } else {
            printer.warn(&format!("the event no longer gives the row `{id}`: the report was written by another version of the program"));
        }
    }
    Ok((explained, wanted))
}

/// The event to explain: the one that is named, or the first sample of the row that is named.
fn wanted(folder: &Path, arguments: &args::Explain) -> Result<Wanted> {
    let Some(id) = &arguments.change else {
        return Ok(Wanted { event: arguments.event.clone().unwrap_or_default(), row: None });
    };
    let path = folder.join("changes.parquet");
    let mut near = BTreeSet::new();
    let mut found = None;
    parquet::read_each(&path, None, |batch| {
        let ids = crate::frame::read::text(&batch, "change_id")?;
        for row in 0..batch.num_rows() {
            let known = crate::frame::read::get(ids, row).unwrap_or_default();
            if known == id {
                found = found.take().or_else(|| Some(rows::row(&batch, row)));
            } else if (!id.is_empty() && known.starts_with(id.as_str())) || strsim::hamming(known, id).is_ok_and(|differ| differ <= 2) {
                near.insert(known.to_owned());
            }
        }
        Ok(())
    })?;
    let Some(row) = found else {
        let near: Vec<String> = near.into_iter().take(3).map(|id| format!("`{id}`")).collect();
        let hint = match near.as_slice() {
            [] => "ids stand in `change_id` of changes.parquet".to_owned(),
            near => format!("did you mean {}?", near.join(" or ")),
        };
        return Err(Error::Nothing(format!("no change `{id}` in `{}`: {hint}", folder.display())));
    };
    let sample = row.get("sample_event_ids").and_then(Value::as_array).and_then(|ids| ids.first()).and_then(Value::as_str);
    let event = sample.unwrap_or_default().to_owned();
    Ok(Wanted { event, row: Some(row) })
}

/// The arguments that the report was made with.
fn replay_arguments(manifest: &Manifest, folder: &Path) -> Result<args::Replay> {
    let mut words = vec!["retrial".to_owned()];
    words.extend(manifest.arguments.iter().cloned());
    // What decides a report does not name the folder that it is written to.
    words.splice(2..2, ["-o".to_owned(), folder.to_string_lossy().into_owned()]);
    let parsed = Arguments::try_parse_from(words);
    match parsed.map(|arguments| arguments.command) {
        Ok(Command::Replay(replay)) => Ok(*replay),
        _ => Err(Error::format(
            &folder.join("manifest.json"),
            "does not say how the report was made in a way that this version reads: replay again",
        )),
    }
}

/// Refuses policy files that were added to a folder since.
fn no_other_policies(manifest: &Manifest, options: &Options) -> Result<()> {
    let then: BTreeSet<(&str, &str)> = manifest.policies.iter().map(|input| (input.side.as_str(), input.file.as_str())).collect();
    for (side, files) in &options.policy_files {
        for file in files {
            let path = file.path.display().to_string();
            if !then.contains(&(side.as_str(), path.as_str())) {
                return Err(Error::format(&file.path, "was not there when this report was written: replay again, or take it away"));
            }
        }
    }
    Ok(())
}

/// From logs or a dataset, with policies as the flags name them.
fn from_logs(arguments: &args::Explain, printer: &Printer) -> Result<(Vec<ExplainedEvent>, Wanted)> {
    if arguments.change.is_some() {
        return Err(Error::Usage("--change names a row of a report: name the report folder in place of logs".to_owned()));
    }
    if arguments.baseline.is_empty() && arguments.candidate.is_empty() {
        return Err(Error::Usage(
            "there is no policy to explain the event with: add --baseline or --candidate, or name a report folder".to_owned(),
        ));
    }
    let mut options = replay_command::options(&arguments.as_replay(), printer)?;
    if options.candidates.is_empty() {
        options.candidates.push((explanation::BASELINE_ALONE.to_owned(), options.baseline.clone()));
    }
    let (dataset, _temporary) = match replay_command::only_dataset(&arguments.inputs) {
        Some(only) => (Dataset::open(only)?, None),
        None => loaded(&arguments.inputs, arguments.reading, printer)?,
    };
    let wanted = wanted(Path::new(""), arguments)?;
    Ok((explain(&dataset, &options, Catalog::builtin(), &wanted.event, None)?, wanted))
}

/// Loads logs into a dataset that goes away.
fn loaded(logs: &[std::path::PathBuf], reading: args::Reading, printer: &Printer) -> Result<(Dataset, Option<Temporary>)> {
    let temporary = Temporary::new(&std::env::temp_dir().join(format!("retrial-explain-{}", std::process::id())))?;
    let mut dataset = Dataset::open_or_create(&temporary.0)?;
    ingest(logs, &reading.options(), &mut dataset, Catalog::builtin(), &printer.bar())?;
    Ok((dataset, Some(temporary)))
}
