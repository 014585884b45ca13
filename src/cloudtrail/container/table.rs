//! Tables of records: Event history downloads, query results of CloudTrail Lake, Athena and CloudWatch Logs Insights,
//! exports of log stores.

use serde_json::value::RawValue;

use super::envelope::{begins_like, first_key, is_wrapper};
use super::{Decoder, Sink, SkipReason, is_between};
use crate::cloudtrail::columns::{Columns, is_column, names_call, of_elastic, whole_record};

/// What a column of whole records is called whose name does not say so.
const RECORD: &str = "eventJson";

/// The longest header in bytes.
const HEAD: usize = 65_536;

/// The longest header and first row in bytes, where only the row tells a table.
const FIRST_ROWS: usize = 1 << 20;

/// What beginning to read anew costs, in bytes.
const RESTART: usize = 1_000;

/// Bytes that may be read in vain, as a multiple of the text's length.
const MOST_WASTED: usize = 8;

/// A text in rows and columns whose header has names of CloudTrail.
pub(super) struct Table<'t> {
    text: &'t str,
    delimiter: u8,
    header: Vec<String>,
    /// Whether blanks make the columns as wide as their widest cell, as `psql` and Markdown have them.
    is_padded: bool,
    /// Where the rows begin.
    rows: usize,
}

impl<'t> Table<'t> {
    /// Tells a table from other texts by its first line.
    pub(super) fn find(text: &'t str) -> Option<Self> {
        if text.trim_start_matches(is_between).starts_with(['{', '[']) {
            return None;
        }
        // PowerShell says first what it has made the table of, Excel what stands between the columns.
        let is_said = ["#TYPE ", "sep="].iter().any(|word| text.starts_with(word));
        let from = if is_said { text.find('\n')? + 1 } else { 0 };
        let named = DELIMITERS.into_iter().find_map(|delimiter| Self::with_names(text, from, delimiter));
        named.or_else(|| DELIMITERS.into_iter().find_map(|delimiter| Self::with_records(text, from, delimiter)))
    }

    /// A table whose header has names of CloudTrail.
    fn with_names(text: &'t str, from: usize, delimiter: u8) -> Option<Self> {
        let mut record = csv::StringRecord::new();
        let mut reader = reader(text.get(from..text.floor_char_boundary(from + HEAD))?, delimiter);
        reader.read_record(&mut record).ok()?;
        let is_padded = record.iter().any(|name| name.trim().len() < name.len());
        let mut header: Vec<String> = record.iter().map(|name| name.trim().to_owned()).collect();
        without_table(&mut header);
        if let Some(names) = of_elastic(header.iter().map(String::as_str)) {
            header = names.into_iter().map(Option::unwrap_or_default).collect();
        }
        // Lines of JSON below a name are no cells.
        let lines_of_json =
            header.len() == 1 && text.get(from + position(&reader)..).is_some_and(|rest| rest.trim_start().starts_with('{'));
        let has_whole = header.iter().any(|name| whole_record(name).is_some());
        let is_ours = (!lines_of_json && has_whole) || names_call(header.iter().map(String::as_str));
        let rows = from + position(&reader);
        is_ours.then_some(Self { text, delimiter, header, is_padded, rows })
    }

    /// A table of any header, or none, with whole records in a column.
    fn with_records(text: &'t str, from: usize, delimiter: u8) -> Option<Self> {
        let mut reader = reader(text.get(from..text.floor_char_boundary(from + FIRST_ROWS))?, delimiter);
        let (mut first, mut second) = (csv::StringRecord::new(), csv::StringRecord::new());
        reader.read_record(&mut first).ok()?;
        let rows = from + position(&reader);
        // In quotes, or it may end anywhere: then the lines themselves are read, whatever stands before them.
        let column = |row: &csv::StringRecord, text: &str| row.iter().position(holds_record).filter(|_| text.contains(QUOTED));
        let (column, rows) = match column(&first, text.get(from..rows)?) {
            Some(column) => (column, from),
            None => {
                reader.read_record(&mut second).ok()?;
                (column(&second, text.get(rows..from + position(&reader))?)?, rows)
            }
        };
        let mut header: Vec<String> = first.iter().map(|name| if rows == from { String::new() } else { name.trim().to_owned() }).collect();
        RECORD.clone_into(header.get_mut(column)?);
        Some(Self { text, delimiter, header, is_padded: false, rows })
    }
}

/// A table in which backslashes stand before quotation marks, as Spark, MySQL and Snowflake write them, with two quotation marks
/// instead; `None` of others.
pub(super) fn doubled(text: &str) -> Option<String> {
    let head = text.get(..text.floor_char_boundary(FIRST_ROWS))?;
    let begins_cell = |at: usize| head.as_bytes().get(at.wrapping_sub(1)).is_some_and(|before| b",;\t|\n".contains(before));
    let is_escaped = memchr::memmem::find_iter(head.as_bytes(), ESCAPED).any(begins_cell);
    if head.trim_start().starts_with(['{', '[']) || !is_escaped || head.contains(QUOTED) {
        return None;
    }
    let mut doubled = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('"')) => {
                chars.next();
                doubled.push_str("\"\"");
            }
            ('\\', Some('\\')) => {
                chars.next();
                doubled.push('\\');
            }
            (other, _) => doubled.push(other),
        }
    }
    Some(doubled)
}

/// How an object begins in a cell of such a table.
const ESCAPED: &str = "\"{\\\"";

/// What stands between the columns of tables.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How an object begins in a cell.
const QUOTED: &str = "\"{\"\"";

/// Whether a cell is the JSON of a record, or of something that wraps some.
pub fn holds_record(cell: &str) -> bool {
    let cell = cell.trim();
    let is_known = || begins_like(cell, None) || first_key(cell).is_some_and(is_wrapper);
    cell.starts_with('{') && is_known() && serde_json::from_str::<&RawValue>(cell).is_ok()
}

/// Takes the table's name away from those of its columns, as Hive prints it before each.
fn without_table(header: &mut [String]) {
    let Some(table) = header.first().and_then(|name| name.split_once('.')).map(|(table, _)| format!("{table}.")) else { return };
    if header.iter().all(|name| name.starts_with(&table)) && !is_column(&table) {
        header.iter_mut().for_each(|name| drop(name.drain(..table.len())));
    }
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes())
}

fn position(reader: &csv::Reader<&[u8]>) -> usize {
    usize::try_from(reader.position().byte()).unwrap_or(usize::MAX)
}

impl<S: Sink> Decoder<'_, S> {
    pub(super) fn table(&mut self, table: Table<'_>) {
        let mut start = table.rows;
        while let Some(next) = self.rows(&table, start) {
            start = next;
        }
    }

    /// Reads rows up to one that is broken; returns where to go on after its first line: an open quote may have
    /// swallowed whole rows.
    fn rows(&mut self, table: &Table<'_>, start: usize) -> Option<usize> {
        let rest = table.text.get(start..)?;
        let mut reader = reader(rest, table.delimiter);
        let mut record = csv::StringRecord::new();
        let mut surplus = None;
        loop {
            let start_of_row = position(&reader);
            if !reader.read_record(&mut record).unwrap_or(false) {
                return None;
            }
            let row = rest.get(start_of_row..position(&reader)).unwrap_or("").trim_start_matches(['\r', '\n']);
            let from = position(&reader).min(rest.len()) - row.len();
            let row = row.trim_end_matches(['\r', '\n']);
            let is_open = memchr::memchr_iter(b'"', row.as_bytes()).count() % 2 == 1;
            if record.iter().map(str::trim).eq(table.header.iter().map(String::as_str)) {
                // Files that were put together, each with its header.
                continue;
            }
            // Rows that end with what stands between columns have an empty cell more, and all of them have it.
            let more = record.len().checked_sub(table.header.len());
            let is_empty = |more: usize| record.iter().rev().take(more).all(str::is_empty);
            let fits = more.is_some_and(|more| is_empty(more) && (more == 0 || *surplus.get_or_insert(more) == more));
            if more == Some(0) {
                surplus.get_or_insert(0);
            }
            if fits && !is_open {
                let cell = |cell: &str| if table.is_padded { cell.trim().into() } else { cell.into() };
                let cells = table.header.iter().zip(&record).map(|(name, text)| (name.clone(), cell(text)));
                self.columns(&Columns(cells.collect()), row, 0);
                continue;
            }
            // A row of one line has swallowed nothing.
            let goes_on = !is_open && !row.contains('\n');
            self.wasted = self.wasted.saturating_add(if goes_on { 0 } else { row.len() + RESTART });
            let gives_up = self.wasted > table.text.len().saturating_mul(MOST_WASTED);
            let line = row.split_inclusive('\n').next().unwrap_or(row);
            let broken = if gives_up { rest.get(from..).unwrap_or("") } else { line };
            let more = if gives_up { "; so many rows are broken that the rest is left out" } else { "" };
            let detail = match is_open {
                true => format!("a quote that does not end{more}"),
                false => format!("{} cells where the header has {}{more}", record.len(), table.header.len()),
            };
            self.skip(SkipReason::BrokenCsv, &detail, broken.trim_end());
            if !goes_on {
                return (!gives_up).then(|| start + from + line.len());
            }
        }
    }
}
