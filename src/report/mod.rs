//! The reporter: a report folder's tables to texts. A report is a pure function of its folder.

mod covered;
pub mod csv;
pub mod explanation;
pub mod findings;
pub mod gate;
#[cfg(feature = "summary")]
pub mod html;
pub mod json;
pub mod junit;
#[cfg(feature = "summary")]
pub mod markdown;
mod page;
pub mod sarif;
#[cfg(feature = "summary")]
mod side_by_side;
pub mod statements;
#[cfg(feature = "summary")]
pub mod summary;
#[cfg(feature = "summary")]
pub mod terminal;
#[cfg(feature = "summary")]
mod trust;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

use covered::Covered;
pub use page::Style;

use crate::error::Result;
use crate::frame::parquet;
use crate::frame::schema::{CHANGES, PRINCIPALS, Table};
use crate::replay::Manifest;

/// A report folder, read.
#[derive(Debug)]
pub struct Report {
    /// The run.
    pub manifest: Manifest,
    /// The folder.
    folder: PathBuf,
    /// Read when it is first asked for.
    changes: OnceCell<RecordBatch>,
    /// `principals.parquet`.
    pub principals: RecordBatch,
    /// Where and when there are events, from `coverage.parquet`.
    covered: Covered,
}

impl Report {
    /// Reads a report folder.
    ///
    /// # Errors
    /// [`crate::Error::Io`] and [`crate::Error::Format`] for a folder that is no report.
    pub fn open(folder: &Path) -> Result<Self> {
        Ok(Self {
            manifest: Manifest::read(&folder.join("manifest.json"))?,
            folder: folder.to_path_buf(),
            changes: OnceCell::new(),
            principals: table(folder, &PRINCIPALS, None)?,
            covered: Covered::read(&folder.join("coverage.parquet"))?,
        })
    }

    /// The filters of the run, as they were written: `--service workmail`.
    pub fn filters(&self) -> Vec<String> {
        const FILTERS: [&str; 6] = ["--since", "--until", "--account", "--region", "--service", "--principal"];
        let flags = self.manifest.arguments.iter().take_while(|argument| *argument != "--");
        let pairs: Vec<&String> = flags.collect();
        let found = pairs.windows(2).filter_map(|pair| match pair {
            [flag, value] if FILTERS.contains(&flag.as_str()) => Some(format!("{flag} {value}")),
            _ => None,
        });
        found.collect()
    }

    /// Where events were looked for, to say that there is none: a part of the log is not the log.
    pub(crate) fn looked_at(&self) -> &'static str {
        match (self.manifest.shard, self.manifest.counts.filtered) {
            (Some(_), _) => "in this part of the log",
            (None, 1..) => "that the filters let through",
            (None, 0) => "in the log",
        }
    }

    /// What the renderers ask of `changes.parquet`: the columns of [`ASKED`].
    ///
    /// # Errors
    /// As [`Report::open`].
    pub fn changes(&self) -> Result<&RecordBatch> {
        if let Some(changes) = self.changes.get() {
            return Ok(changes);
        }
        let read = table(&self.folder, &CHANGES, Some(&ASKED))?;
        Ok(self.changes.get_or_init(|| read))
    }
}

/// How a report is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The summary that a replay prints.
    Terminal,
    /// One self-contained page.
    Html,
    /// What fits into a pull-request comment.
    Markdown,
    /// The manifest and what changes.
    Json,
    /// Every row of the changes.
    Csv,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
    /// JUnit XML, for CI servers.
    Junit,
}

/// Renders a report; `style` is for the terminal.
///
/// # Errors
/// [`crate::Error::Io`] and [`crate::Error::Format`] for a folder that is no report, [`crate::Error::Columns`];
/// [`crate::Error::Usage`] for a format that the program was built without.
pub fn render(report: &Report, format: Format, style: Style) -> Result<String> {
    match format {
        Format::Json => json::render(report),
        Format::Csv => csv::render(report),
        Format::Sarif => sarif::render(report),
        Format::Junit => junit::render(report),
        #[cfg(feature = "summary")]
        Format::Terminal => terminal::render(report, style),
        #[cfg(feature = "summary")]
        Format::Html => html::render(report),
        #[cfg(feature = "summary")]
        Format::Markdown => markdown::render(report),
        #[cfg(not(feature = "summary"))]
        _ => {
            let _ = style;
            let message = "built without the feature `summary`: there are json, csv, sarif and junit";
            Err(crate::error::Error::Usage(message.to_owned()))
        }
    }
}

/// The columns of the changes that renderers ask for.
pub const ASKED: [&str; 13] = [
    "candidate",
    "change",
    "change_from_log",
    "observed",
    "principal_arn",
    "permission_set",
    "action",
    "resource",
    "events",
    "last_seen",
    "baseline_reason",
    "candidate_reason",
    "missing_keys",
];

fn table(folder: &Path, table: &Table, columns: Option<&[&str]>) -> Result<RecordBatch> {
    let path = folder.join(format!("{}.parquet", table.name));
    let batches = parquet::read(&path, columns)?;
    let schema = match batches.first() {
        Some(batch) => batch.schema(),
        None => parquet::schema(&path)?,
    };
    Ok(concat_batches(&schema, &batches)?)
}

/// A principal for people: `role/ops/Helpdesk (444455556666)`, `permission set MailAdmin (...)`.
pub(crate) fn principal_name(arn: Option<&str>, permission_set: Option<&str>) -> String {
    let Some(arn) = arn else { return "callers without an ARN".to_owned() };
    match (crate::iam::Arn::parse(arn), permission_set) {
        (Some(parsed), Some(set)) => format!("permission set {set} ({})", parsed.account),
        (Some(parsed), None) => format!("{} ({})", parsed.resource, parsed.account),
        (None, _) => arn.to_owned(),
    }
}

/// A number with thousands separated: `12,345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as text, with one decimal; never rounded to 0 or 100 from something else.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0 %".to_owned();
    }
    let tenths = (part.saturating_mul(1_000) + whole / 2) / whole;
    match tenths {
        0 if part > 0 => "under 0.1 %".to_owned(),
        1_000 if part < whole => "over 99.9 %".to_owned(),
        _ if tenths.is_multiple_of(10) => format!("{} %", tenths / 10),
        _ => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// `1 event`, `2 events`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// Control characters of a log as visible text, so that a log cannot drive a terminal or turn a line around.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { format!("\\u{{{:x}}}", c as u32) } else { c.to_string() }).collect()
}

/// Whether a character is not shown, but does something to what is: controls, ends of lines, marks of direction, spaces without
/// width.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control() || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let numbers = [0, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "12,345", "1,234,567"]);
        assert_eq!((counted(1, "event"), counted(2, "event")), ("1 event".to_owned(), "2 events".to_owned()));
    }

    #[test]
    fn a_log_cannot_drive_the_terminal() {
        assert_eq!(visible("a\u{1b}[31mb\u{202e}"), "a\\u{1b}[31mb\\u{202e}");
    }
}
