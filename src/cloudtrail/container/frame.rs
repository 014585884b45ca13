//! Tables in one JSON object: as pandas writes a DataFrame, as Athena's `get-query-results` answers.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::entries::Entries;
use super::envelope::first_key;
use super::{Decoder, Sink};
use crate::cloudtrail::columns::{Columns, is_column, names_call, simplified};

/// `ResultSet` of Athena: the first row of the first page is the header.
#[derive(Deserialize)]
struct ResultSet {
    #[serde(rename = "Rows", default)]
    rows: Vec<ResultRow>,
    #[serde(rename = "ResultSetMetadata", default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct ResultRow {
    #[serde(rename = "Data", default)]
    cells: Vec<ResultCell>,
}

#[derive(Deserialize)]
struct ResultCell {
    #[serde(rename = "VarCharValue", default)]
    text: String,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(rename = "ColumnInfo", default)]
    columns: Vec<ColumnInfo>,
}

#[derive(Deserialize)]
struct ColumnInfo {
    #[serde(rename = "Name", default)]
    name: String,
}

/// A column of a table in one object.
#[derive(Deserialize)]
#[serde(untagged)]
enum Column {
    Name(String),
    Described {
        #[serde(alias = "Name", alias = "columnName", alias = "ColumnName")]
        name: String,
    },
}

impl Column {
    fn name(self) -> String {
        match self {
            Self::Name(name) | Self::Described { name } => name,
        }
    }
}

/// What the columns and the rows of such a table are called: by pandas, ClickHouse, Trino, OpenSearch, Log Analytics.
const COLUMNS: [&str; 5] = ["columns", "meta", "schema", "fields", "names"];
const ROWS: [&str; 4] = ["data", "rows", "datarows", "values"];

/// What else such an object may begin with.
const WORDS: [&str; 16] = [
    "columns",
    "meta",
    "schema",
    "fields",
    "names",
    "data",
    "rows",
    "datarows",
    "values",
    "index",
    "tables",
    "name",
    "id",
    "stats",
    "ResultSet",
    "UpdateCount",
];

impl<S: Sink> Decoder<'_, S> {
    /// Takes the rows of a table that is one object; `false` if it is none, and then nothing was taken.
    pub(super) fn frame(&mut self, text: &str, depth: usize) -> bool {
        let is_number = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
        let may_be = |key: &str| WORDS.contains(&key) || is_number(key) || is_column(key);
        if !first_key(text).is_some_and(may_be) {
            return false;
        }
        let Ok(entries) = serde_json::from_str::<Entries<'_>>(text) else { return false };
        if let Some(result) = entries.get("ResultSet") {
            return serde_json::from_str(result.get()).is_ok_and(|result| self.result_set(result, depth));
        }
        if let Some(tables) = entries.get("tables") {
            let tables = serde_json::from_str::<Vec<&RawValue>>(tables.get()).unwrap_or_default();
            return tables.into_iter().filter(|table| self.frame(table.get(), depth + 1)).count() > 0;
        }
        let first = |names: &[&str]| names.iter().find_map(|name| entries.get(name));
        if let (Some(columns), Some(rows)) = (first(&COLUMNS), first(&ROWS)) {
            return self.split(columns.get(), rows.get(), depth);
        }
        let is_object = |value: &RawValue| value.get().starts_with('{');
        if !entries.0.is_empty() && entries.0.iter().all(|(key, value)| is_number(key) && is_object(value)) {
            entries.0.iter().for_each(|(_, record)| self.item(record.get(), depth + 1));
            return true;
        }
        self.by_column(&entries, depth)
    }

    /// `{"columns": [...], "index": [...], "data": [[...], ...]}`, of columns their names, or objects that have these.
    fn split(&mut self, columns: &str, data: &str, depth: usize) -> bool {
        let Ok(columns) = serde_json::from_str::<Vec<Column>>(columns) else { return false };
        let columns: Vec<String> = columns.into_iter().map(Column::name).collect();
        let Ok(rows) = serde_json::from_str::<Vec<Vec<&RawValue>>>(data) else { return false };
        if !names_call(columns.iter().map(String::as_str)) {
            return false;
        }
        for row in rows {
            self.item(&object(columns.iter().map(String::as_str).zip(row)), depth + 1);
        }
        true
    }

    /// `{"eventName": {"0": "A", "1": "B"}, "eventTime": {"0": ...}, ...}`
    fn by_column(&mut self, entries: &Entries<'_>, depth: usize) -> bool {
        let column = |value: &RawValue| serde_json::from_str::<Entries<'_>>(value.get()).ok().map(|column| column.0.len());
        let names = entries.0.iter().find(|(name, _)| simplified(name) == "eventname").map(|(_, value)| *value);
        let Some(rows) = names.and_then(column).filter(|rows| *rows > 0) else { return false };
        let read: Option<Vec<_>> =
            entries.0.iter().map(|(name, value)| Some((&**name, serde_json::from_str::<Entries<'_>>(value.get()).ok()?.0))).collect();
        let Some(columns) = read.filter(|columns| columns.iter().all(|(_, cells)| cells.len() == rows)) else { return false };
        for row in 0..rows {
            let cells = columns.iter().filter_map(|(name, cells)| Some((*name, cells.get(row)?.1)));
            self.item(&object(cells), depth + 1);
        }
        true
    }

    fn result_set(&mut self, ResultSet { rows, metadata }: ResultSet, depth: usize) -> bool {
        let texts = |row: &ResultRow| row.cells.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>();
        let names: Vec<String> = metadata.columns.into_iter().map(|column| column.name).collect();
        let first = rows.first().map(texts).unwrap_or_default();
        let is_header = first == names || (names.is_empty() && first.iter().any(|name| simplified(name) == "eventname"));
        let names = if names.is_empty() { first } else { names };
        if !names.iter().any(|name| simplified(name) == "eventname") {
            return false;
        }
        for row in rows.iter().skip(usize::from(is_header)) {
            let cells: Vec<_> = names.iter().cloned().zip(texts(row).into_iter().map(Into::into)).collect();
            let text = serde_json::to_string(&texts(row)).unwrap_or_default();
            self.columns(&Columns(cells), &text, depth + 1);
        }
        true
    }
}

/// A row as an object, without what is null in it.
fn object<'a>(cells: impl Iterator<Item = (&'a str, &'a RawValue)>) -> String {
    let cells = cells.filter(|(_, value)| value.get() != "null");
    let members: Vec<String> = cells.map(|(name, value)| format!("{}:{}", serde_json::Value::from(name), value.get())).collect();
    format!("{{{}}}", members.join(","))
}
