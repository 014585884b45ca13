//! Rows on their way into the dataset that wait in files: taken out of batches here and there, with codes for texts as they had
//! in memory, all batches of one type.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::event::CODED;
use super::places::{Place, Taken};
use super::texts::{CodedBuilder, Recoding, Texts};
use crate::error::{Error, Result};

/// The columns of the events dataset; the texts of which most stand in several rows as codes of two bytes.
pub static STAGED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let fields = CODED.fields().iter().map(|field| match field.data_type() {
        DataType::Dictionary(..) => Arc::new(Field::new_dictionary(field.name(), DataType::UInt16, DataType::Utf8, true)),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
});

/// Puts rows of some batches together to batches.
#[derive(Debug, Default)]
pub struct Gather {
    /// Of columns of codes, what the one at hand is made with.
    texts: CodedBuilder,
    recoding: Recoding,
}

impl Gather {
    /// The most rows of a batch: each may have a text of its own.
    pub const ROWS: usize = 1 << 16;

    /// Up to [`Self::ROWS`] rows of some batches, which have the columns of the events dataset, as one of [`STAGED`].
    ///
    /// # Errors
    /// [`Error::Columns`] for columns of another type.
    pub fn batch(&mut self, batches: &[&RecordBatch], places: &[Place]) -> Result<RecordBatch> {
        let taken = Taken::new(places, batches.len())?;
        let columns = STAGED.fields().iter().enumerate().map(|(at, field)| {
            let columns: Vec<&ArrayRef> = batches.iter().filter_map(|batch| batch.columns().get(at)).collect();
            match field.data_type() {
                DataType::Dictionary(..) => self.coded(&columns, &taken),
                _ => Ok(interleave(&columns.iter().map(|column| column.as_ref()).collect::<Vec<_>>(), places)?),
            }
        });
        Ok(RecordBatch::try_new(Arc::clone(&STAGED), columns.collect::<Result<_>>()?)?)
    }

    fn coded(&mut self, columns: &[&ArrayRef], places: &Taken<'_>) -> Result<ArrayRef> {
        let texts = columns.iter().map(|column| {
            Texts::new(column).ok_or_else(|| Error::Columns(format!("a column of {} where texts should be", column.data_type())))
        });
        self.texts.gather(&texts.collect::<Result<Vec<_>>>()?, places, &mut self.recoding)?;
        self.texts.finish_short()
    }
}

#[cfg(test)]
mod tests {
    use arrow::compute::cast;
    use rand::{Rng as _, SeedableRng as _};

    use super::super::{Check, EventBuilder, EventRow, Text};
    use super::*;

    fn row(number: i64, rng: &mut rand_chacha::ChaCha8Rng) -> EventRow<'static> {
        let mut row = EventRow::new(number, number);
        for column in Text::ALL {
            row.set(column, rng.random_bool(0.7).then(|| format!("{column:?} {}", rng.random_range(0..40))));
        }
        if rng.random() {
            row.more_checks.push(Check { action: "a:B".into(), resource: None, source: "inferred" });
            row.request_context.push(("aws:tagkeys".to_owned(), rng.random::<bool>().then(|| vec![number.to_string()])));
        }
        row
    }

    /// Any column without codes.
    fn plain(column: &ArrayRef) -> ArrayRef {
        match column.data_type() {
            DataType::Dictionary(..) => cast(column, &DataType::Utf8).unwrap(),
            _ => Arc::clone(column),
        }
    }

    #[test]
    fn rows_are_put_together_as_they_stand_in_their_batches() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(8);
        let mut gather = Gather::default();
        for _ in 0..20 {
            let mut builder = EventBuilder::default();
            let mut batches: Vec<RecordBatch> = Vec::new();
            for _ in 0..3 {
                (0..rng.random_range(1..400)).for_each(|number| builder.push(&row(number, &mut rng)).unwrap());
                batches.push(builder.finish().unwrap());
            }
            // One that was gathered before, as it comes out of a file.
            let all: Vec<Place> = (0..batches[0].num_rows()).map(|row| (0, row)).collect();
            batches[0] = gather.batch(&[&batches[0]], &all).unwrap();
            let place = |rng: &mut rand_chacha::ChaCha8Rng| {
                let batch = rng.random_range(0..batches.len());
                (batch, rng.random_range(0..batches[batch].num_rows()))
            };
            let places: Vec<Place> = (0..rng.random_range(1..900)).map(|_| place(&mut rng)).collect();
            let gathered = gather.batch(&batches.iter().collect::<Vec<_>>(), &places).unwrap();
            assert_eq!(gathered.schema(), *STAGED);
            for (at, column) in gathered.columns().iter().enumerate() {
                let columns: Vec<ArrayRef> = batches.iter().map(|batch| plain(batch.column(at))).collect();
                let expected = interleave(&columns.iter().map(|column| column.as_ref()).collect::<Vec<_>>(), &places).unwrap();
                assert_eq!(&plain(column), &expected, "{}", gathered.schema().field(at).name());
            }
        }
    }
}
