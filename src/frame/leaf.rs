//! Columns of the events dataset in the making, as they stand in Parquet: leaves, whose values are added row by row from the
//! arrays of batches.

use std::borrow::Cow;
use std::io::Write;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, MapArray, StringArray};
use arrow::datatypes::{ArrowNativeType as _, DataType, Field, TimeUnit, TimestampMicrosecondType};
use hashbrown::HashMap;
use parquet::data_type::ByteArray;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::TrackedWrite;
use parquet::schema::types::ColumnDescPtr;

use super::chunk::{Compressor, Defined, Levels, PAGE_BYTES, Pages, PlainValues, Stored};
use super::codes::NULL;
use super::encoding::push_text;
use super::places::{Place, Taken};
use super::texts::{CodedBuilder, Recoding, Texts};
use crate::error::{Error, Result};

/// A longer text is not put into the statistics of a chunk.
const EDGE_BYTES: usize = 256;

/// A column of the row group in the making.
pub(super) struct Column {
    form: Form,
    stored: Stored,
}

enum Form {
    /// Texts of which most stand in several rows.
    Coded(CodedBuilder),
    /// Texts of which nearly every row has one of its own, numbers or flags.
    Plain(Plain),
    /// A list of texts, a list of structs, or a map of lists: one leaf for each text in it.
    Nested(Vec<Leaf>),
}

impl Column {
    /// A column for a field; the texts of one of dictionaries stand as codes.
    pub(super) fn new(field: &Field, stored: Stored) -> Result<Self> {
        let plain = |kind| Form::Plain(Plain::of(kind, stored));
        let form = match field.data_type() {
            DataType::Dictionary(..) => Form::Coded(CodedBuilder::default()),
            DataType::Utf8 => plain(Kind::Text),
            DataType::Boolean => plain(Kind::Flag),
            DataType::Int64 | DataType::Timestamp(TimeUnit::Microsecond, _) => plain(Kind::Number),
            DataType::List(item) if *item.data_type() == DataType::Utf8 => Form::Nested(Leaf::of([(3, 1)])),
            DataType::List(_) => Form::Nested(Leaf::of([(4, 1), (4, 1), (4, 1)])),
            DataType::Map(..) => Form::Nested(Leaf::of([(2, 1), (5, 2)])),
            other => return Err(Error::Internal(format!("no column of {other} is written"))),
        };
        Ok(Self { form, stored })
    }

    /// Each text and in how many rows it stands, of a column of codes.
    pub(super) fn counts(&self) -> impl Iterator<Item = (Option<&str>, u64)> {
        let builder = if let Form::Coded(builder) = &self.form { Some(builder) } else { None };
        builder.into_iter().flat_map(CodedBuilder::counts)
    }

    /// Adds rows of some batches' columns.
    ///
    /// # Errors
    /// [`Error::Columns`] for columns of another type.
    pub(super) fn gather(
        &mut self,
        columns: &[&ArrayRef],
        places: &Taken<'_>,
        recoding: &mut Recoding,
        zstd: &mut Compressor,
    ) -> Result<()> {
        match &mut self.form {
            Form::Coded(builder) => builder.gather(&all(columns, Texts::new)?, places, recoding),
            Form::Plain(plain) => plain.gather(columns, places.all, zstd),
            Form::Nested(leaves) => match leaves.as_mut_slice() {
                [texts] => text_lists(texts, &all(columns, |column| column.as_list_opt().cloned())?, places.all, recoding),
                [key, value] => maps(key, value, &all(columns, |column| column.as_map_opt().cloned())?, places.all),
                leaves => lists(leaves, &all(columns, |column| column.as_list_opt().cloned())?, places.all),
            },
        }
    }

    /// What tells its rows apart, as columns of numbers: equal where the rows agree.
    pub(super) fn numbers(&self) -> Vec<Cow<'_, [u32]>> {
        match &self.form {
            Form::Coded(builder) => vec![Cow::Borrowed(builder.parts().1)],
            Form::Plain(plain) => vec![Cow::Owned(plain.numbers())],
            Form::Nested(leaves) => leaves.iter().map(|leaf| Cow::Owned(leaf.numbers())).collect(),
        }
    }

    /// Writes what was added, a chunk for each leaf; the column is empty after. `descriptors` says of each leaf whether readers
    /// search by it.
    pub(super) fn close<W: Write + Send>(
        &mut self,
        descriptors: &mut impl Iterator<Item = (ColumnDescPtr, bool)>,
        zstd: &mut Compressor,
        file: &mut TrackedWrite<W>,
        chunks: &mut Vec<ColumnChunkMetaData>,
    ) -> ParquetResult<()> {
        let stored = self.stored;
        match &mut self.form {
            Form::Coded(builder) => {
                let Some((descriptor, is_searched)) = descriptors.next() else { return Ok(()) };
                let mut pages = Pages::new(stored);
                let (distinct, codes) = builder.parts();
                let all = builder.len();
                let nulls = if codes.is_empty() { all } else { codes.iter().filter(|code| **code == NULL).count() };
                let present: Vec<u32>;
                let defined = if nulls == 0 {
                    Defined::All(all)
                } else if nulls == all {
                    Defined::None(all)
                } else {
                    present = codes.iter().map(|code| u32::from(*code != NULL)).collect();
                    Defined::Each(&present)
                };
                pages.coded(distinct, codes, &Levels::flat(defined), zstd)?;
                let statistics = is_searched.then(|| texts_between(distinct.iter().min(), distinct.iter().max(), nulls));
                chunks.push(pages.close(descriptor, statistics, zstd, file)?);
                builder.clear();
            }
            Form::Plain(plain) => {
                let Some((descriptor, is_searched)) = descriptors.next() else { return Ok(()) };
                plain.end_page(zstd)?;
                let statistics = plain.statistics().filter(|_| is_searched);
                let pages = std::mem::replace(&mut plain.pages, Pages::new(stored));
                (plain.between, plain.nulls) = (None, 0);
                chunks.push(pages.close(descriptor, statistics, zstd, file)?);
            }
            Form::Nested(leaves) => {
                for leaf in leaves {
                    let Some((descriptor, _)) = descriptors.next() else { return Ok(()) };
                    let mut pages = Pages::new(stored);
                    let (distinct, codes) = leaf.texts.parts();
                    let levels = Levels {
                        defined: Defined::Each(&leaf.defined),
                        most_defined: leaf.most_defined,
                        repeated: &leaf.repeated,
                        most_repeated: leaf.most_repeated,
                    };
                    pages.coded(distinct, codes, &levels, zstd)?;
                    chunks.push(pages.close(descriptor, None, zstd, file)?);
                    leaf.clear();
                }
            }
        }
        Ok(())
    }
}

/// The columns of some batches as arrays of a type.
fn all<T>(columns: &[&ArrayRef], typed: impl Fn(&ArrayRef) -> Option<T>) -> Result<Vec<T>> {
    let typed = |column: &&ArrayRef| {
        typed(column).ok_or_else(|| Error::Columns(format!("a column of {} is not what it should be", column.data_type())))
    };
    columns.iter().map(typed).collect()
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Number,
    Flag,
}

/// Values that stand in the pages as they are.
pub(super) struct Plain {
    kind: Kind,
    pages: Pages,
    /// Of the page at hand: its values, and for each row whether it has one.
    values: PlainValues,
    present: Vec<u32>,
    /// Flags that do not fill a byte yet.
    flags: Vec<bool>,
    /// Of numbers, the least and the greatest so far, and how many rows have none.
    between: Option<(i64, i64)>,
    nulls: u64,
}

fn texts_between(least: Option<&[u8]>, most: Option<&[u8]>, nulls: usize) -> Statistics {
    let edge = |text: Option<&[u8]>| text.filter(|text| text.len() <= EDGE_BYTES).map(|text| ByteArray::from(text.to_vec()));
    Statistics::ByteArray(ValueStatistics::new(edge(least), edge(most), None, Some(nulls as u64), false))
}

impl Plain {
    fn of(kind: Kind, stored: Stored) -> Self {
        let (pages, values) = (Pages::new(stored), PlainValues::new());
        Self { kind, pages, values, present: Vec::new(), flags: Vec::new(), between: None, nulls: 0 }
    }

    fn gather(&mut self, columns: &[&ArrayRef], places: &[Place], zstd: &mut Compressor) -> Result<()> {
        match self.kind {
            Kind::Text => {
                let columns: Vec<StringArray> = all(columns, |column| column.as_string_opt().cloned())?;
                let (bytes, rows) =
                    columns.iter().fold((0, 1), |(bytes, rows), column| (bytes + column.value_data().len(), rows + column.len()));
                self.values.end().reserve((places.len() * (bytes / rows + size_of::<u32>()) / 4 * 5).min(PAGE_BYTES));
                self.present.reserve(places.len());
                for (column, row) in places {
                    let texts = columns.get(*column).filter(|texts| *row < texts.len() && texts.is_valid(*row));
                    self.text(texts.map(|texts| texts.value(*row).as_bytes()))?;
                    if self.values.bytes().len() >= PAGE_BYTES {
                        self.end_page(zstd)?;
                    }
                }
            }
            Kind::Number => {
                let number = |column: &ArrayRef| {
                    let times = column.as_primitive_opt::<TimestampMicrosecondType>();
                    let numbers = times.map(|times| Int64Array::new(times.values().clone(), times.nulls().cloned()));
                    numbers.or_else(|| column.as_any().downcast_ref().cloned())
                };
                let columns = all(columns, number)?;
                self.present.reserve(places.len());
                self.values.end().reserve(places.len() * size_of::<i64>());
                for (column, row) in places {
                    let numbers = columns.get(*column).filter(|numbers| *row < numbers.len() && numbers.is_valid(*row));
                    self.number(numbers.and_then(|numbers| numbers.values().get(*row).copied()));
                }
            }
            Kind::Flag => {
                let columns: Vec<BooleanArray> = all(columns, |column| column.as_boolean_opt().cloned())?;
                for (column, row) in places {
                    let flags = columns.get(*column).filter(|flags| *row < flags.len() && flags.is_valid(*row));
                    self.present.push(u32::from(flags.is_some()));
                    self.flags.extend(flags.map(|flags| flags.value(*row)));
                }
            }
        }
        Ok(())
    }

    fn text(&mut self, text: Option<&[u8]>) -> ParquetResult<()> {
        self.present.push(u32::from(text.is_some()));
        text.map_or(Ok(()), |text| push_text(self.values.end(), text))
    }

    fn number(&mut self, number: Option<i64>) {
        self.present.push(u32::from(number.is_some()));
        match number {
            None => self.nulls += 1,
            Some(number) => {
                let (least, most) = self.between.unwrap_or((number, number));
                self.between = Some((least.min(number), most.max(number)));
                self.values.end().extend_from_slice(&number.to_le_bytes());
            }
        }
    }

    /// A number for each row of the page at hand, which holds all rows of columns of numbers and flags.
    fn numbers(&self) -> Vec<u32> {
        let mut known: HashMap<[u8; 8], u32, foldhash::fast::FixedState> = HashMap::default();
        let mut values = self.values.bytes().as_chunks().0.iter();
        let mut flags = self.flags.iter();
        let mut number = |present: &u32| match (self.kind, present) {
            (_, 0) => Some(0),
            (Kind::Flag, _) => flags.next().map(|flag| 1 + u32::from(*flag)),
            _ => {
                let next = u32::try_from(known.len() + 1).unwrap_or(u32::MAX);
                values.next().map(|value| *known.entry(*value).or_insert(next))
            }
        };
        self.present.iter().map(|present| number(present).unwrap_or_default()).collect()
    }

    /// What readers search by: of numbers only.
    fn statistics(&self) -> Option<Statistics> {
        let (least, most) = self.between.unzip();
        let numbers = ValueStatistics::new(least, most, None, Some(self.nulls), false);
        matches!(self.kind, Kind::Number).then_some(Statistics::Int64(numbers))
    }

    fn end_page(&mut self, zstd: &mut Compressor) -> ParquetResult<()> {
        for flags in self.flags.chunks(8) {
            self.values.end().push(flags.iter().rev().fold(0, |byte, flag| byte << 1 | u8::from(*flag)));
        }
        if !self.present.is_empty() {
            let all = !self.present.contains(&0);
            let defined = if all { Defined::All(self.present.len()) } else { Defined::Each(&self.present) };
            self.pages.plain(&mut self.values, &Levels::flat(defined), zstd)?;
        }
        self.values.clear();
        self.present.clear();
        self.flags.clear();
        Ok(())
    }
}

/// The texts at one place of nested values, with the levels that say which list and entry each belongs to.
pub(super) struct Leaf {
    most_defined: u32,
    most_repeated: u32,
    defined: Vec<u32>,
    repeated: Vec<u32>,
    texts: CodedBuilder,
}

impl Leaf {
    fn new(most_defined: u32, most_repeated: u32) -> Self {
        Self { most_defined, most_repeated, defined: Vec::new(), repeated: Vec::new(), texts: CodedBuilder::default() }
    }

    fn of(levels: impl IntoIterator<Item = (u32, u32)>) -> Vec<Self> {
        levels.into_iter().map(|(defined, repeated)| Self::new(defined, repeated)).collect()
    }

    /// Forgets all rows; the room for them stays.
    fn clear(&mut self) {
        self.defined.clear();
        self.repeated.clear();
        self.texts.clear();
    }

    /// A number for each row: equal where its places and texts are.
    fn numbers(&self) -> Vec<u32> {
        let mut known: HashMap<Vec<u32>, u32, foldhash::fast::FixedState> = HashMap::default();
        let mut numbers = Vec::with_capacity(self.defined.len());
        let mut codes = self.texts.parts().1.iter();
        let mut levels = self.repeated.iter().zip(&self.defined).peekable();
        let mut row = Vec::new();
        // Of rows that only say how far they are defined: the number of each level.
        let mut bare: [Option<u32>; 8] = [None; 8];
        while let Some((_, defined)) = levels.next() {
            let is_bare = *defined < self.most_defined && levels.peek().is_none_or(|(repeated, _)| **repeated == 0);
            let of_level = bare.get_mut(*defined as usize).filter(|_| is_bare);
            if let Some(Some(number)) = of_level {
                numbers.push(*number);
                continue;
            }
            row.clear();
            let mut place = |repeated: u32, defined: u32| {
                row.extend([repeated, defined]);
                row.extend((defined == self.most_defined).then(|| codes.next()).flatten());
            };
            place(0, *defined);
            while let Some((repeated, defined)) = levels.next_if(|(repeated, _)| **repeated > 0) {
                place(*repeated, *defined);
            }
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
            let number = match known.get(&row) {
                Some(number) => *number,
                None => *known.entry(row.clone()).or_insert(next),
            };
            if let Some(of_level) = of_level {
                *of_level = Some(number);
            }
            numbers.push(number);
        }
        numbers
    }

    /// Adds a place without a text, because nothing stands at a level above it.
    fn nothing(&mut self, repeated: u32, defined: u32) {
        self.repeated.push(repeated);
        self.defined.push(defined);
    }

    /// Adds a text; without one its place is there, one level up.
    fn text(&mut self, repeated: u32, text: Option<&str>) -> Result<()> {
        self.nothing(repeated, if text.is_some() { self.most_defined } else { self.most_defined - 1 });
        text.map_or(Ok(()), |text| self.texts.push(Some(text)).map(|_| ()))
    }
}

/// Adds lists of texts. Levels: 1 for a list, 2 for a place in it, 3 for a text.
fn text_lists(leaf: &mut Leaf, columns: &[ListArray], places: &[Place], recoding: &mut Recoding) -> Result<()> {
    let texts = columns.iter().map(|lists| Texts::new(lists.values()));
    let Some(texts) = texts.collect::<Option<Vec<_>>>() else { return Err(Error::Columns("a list holds no text".to_owned())) };
    let mut found = Vec::with_capacity(places.len());
    for (column, row) in places {
        let list = columns.get(*column).filter(|lists| *row < lists.len() && lists.is_valid(*row));
        let Some((lists, texts)) = list.zip(texts.get(*column)).filter(|(lists, _)| lists.value_length(*row) > 0) else {
            leaf.nothing(0, u32::from(list.is_some()));
            continue;
        };
        let begin = lists.value_offsets().get(*row).map_or(0, |begin| begin.as_usize());
        for item in begin..begin + lists.value_length(*row).as_usize() {
            let is_text = texts.code(item).is_some();
            leaf.nothing(u32::from(item > begin), if is_text { leaf.most_defined } else { leaf.most_defined - 1 });
            found.extend(is_text.then_some((*column, item)));
        }
    }
    leaf.texts.gather(&texts, &Taken::new(&found, texts.len())?, recoding)
}

/// Adds lists of structs of texts, a leaf for each text. Levels: 1 for a list, 2 for an entry, 3 for a struct, 4 for a text.
fn lists(leaves: &mut [Leaf], columns: &[ListArray], places: &[Place]) -> Result<()> {
    for (column, row) in places {
        let list = columns.get(*column).filter(|lists| *row < lists.len() && lists.is_valid(*row));
        let Some(list) = list.filter(|lists| lists.value_length(*row) > 0) else {
            leaves.iter_mut().for_each(|leaf| leaf.nothing(0, u32::from(list.is_some())));
            continue;
        };
        let entries = list.value(*row);
        let Some(entries) = entries.as_struct_opt() else { return Err(Error::Columns("a list holds no structs".to_owned())) };
        for (leaf, texts) in leaves.iter_mut().zip(entries.columns()) {
            let Some(texts) = Texts::new(texts) else { return Err(Error::Columns("a struct holds no text".to_owned())) };
            for entry in 0..entries.len() {
                match entries.is_valid(entry) {
                    true => leaf.text(u32::from(entry > 0), texts.get(entry))?,
                    false => leaf.nothing(u32::from(entry > 0), 2),
                }
            }
        }
    }
    Ok(())
}

/// Adds maps of lists of texts. Levels: 1 for a map, 2 for an entry and its key; 3 for its list, 4 for a place in it, 5 for a
/// text.
fn maps(key: &mut Leaf, value: &mut Leaf, columns: &[MapArray], places: &[Place]) -> Result<()> {
    for (column, row) in places {
        let map = columns.get(*column).filter(|maps| *row < maps.len() && maps.is_valid(*row));
        let Some(map) = map.filter(|maps| maps.value_length(*row) > 0) else {
            [&mut *key, &mut *value].into_iter().for_each(|leaf| leaf.nothing(0, u32::from(map.is_some())));
            continue;
        };
        let entries = map.value(*row);
        let (keys, lists) = (Texts::new(entries.column(0)), entries.column(1).as_list_opt::<i32>());
        let (Some(keys), Some(lists)) = (keys, lists) else { return Err(Error::Columns("a map of something else".to_owned())) };
        for entry in 0..entries.len() {
            let repeated = u32::from(entry > 0);
            key.text(repeated, Some(keys.get(entry).unwrap_or_default()))?;
            let list = lists.is_valid(entry).then(|| lists.value(entry));
            match list.as_ref().and_then(Texts::new) {
                None => value.nothing(repeated, 2),
                Some(_) if lists.value_length(entry) == 0 => value.nothing(repeated, 3),
                Some(texts) => {
                    for item in 0..list.map_or(0, |list| list.len()) {
                        value.text(if item == 0 { repeated } else { 2 }, texts.get(item))?;
                    }
                }
            }
        }
    }
    Ok(())
}
