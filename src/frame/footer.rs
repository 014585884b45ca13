//! What the end of an event file says of its row groups and columns. Every replay reads it twice, for every file: the schema,
//! which is the same in all of them, and the statistics, which nobody looks at, are passed over.

use std::fs::File;
use std::sync::{Arc, LazyLock};

use parquet::arrow::ArrowSchemaConverter;
use parquet::errors::Result;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy};

use super::parquet::labels;
use super::schema::EVENTS;

/// How to read what this program wrote.
static OWN: LazyLock<Option<ParquetMetaDataOptions>> = LazyLock::new(|| {
    let schema = ArrowSchemaConverter::new().convert(&EVENTS.schema).ok()?;
    let options = ParquetMetaDataOptions::new()
        .with_schema(Arc::new(schema))
        .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
    Some(options)
});

/// The metadata of an event file, perhaps without statistics.
///
/// # Errors
/// Those of a file that is not Parquet.
pub(super) fn read(file: &File) -> Result<ParquetMetaData> {
    if let Some(own) = OWN.as_ref() {
        let metadata = ParquetMetaDataReader::new().with_metadata_options(Some(own.clone())).parse_and_finish(file);
        if let Some(metadata) = metadata.ok().filter(is_own) {
            return Ok(metadata);
        }
    }
    ParquetMetaDataReader::new().parse_and_finish(file)
}

/// Whether this version wrote it, with the schema that it has.
fn is_own(metadata: &ParquetMetaData) -> bool {
    let found = metadata.file_metadata().key_value_metadata().map(Vec::as_slice).unwrap_or_default();
    let has = |key: &str, value: &str| found.iter().any(|pair| pair.key == key && pair.value.as_deref() == Some(value));
    labels(&EVENTS).iter().all(|(key, value)| has(key, value))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::KeyValue;
    use parquet::file::properties::WriterProperties;

    use super::super::{EventBuilder, EventRow, EventWriter, Text};
    use super::*;

    fn parsed(path: &Path) -> (ParquetMetaData, ParquetMetaData) {
        let file = File::open(path).unwrap();
        (read(&file).unwrap(), ParquetMetaDataReader::new().parse_and_finish(&file).unwrap())
    }

    #[test]
    fn of_our_files_all_is_read_but_the_statistics() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.parquet");
        let mut builder = EventBuilder::default();
        for event in ["a", "b", "c"] {
            let mut row = EventRow::new(1, 1);
            row.set(Text::EventId, Some(event));
            builder.push(&row).unwrap();
        }
        let mut writer = EventWriter::create(&path, &[]).unwrap();
        writer.push(&[&builder.finish().unwrap()], &[(0, 0), (0, 1), (0, 2)]).unwrap();
        writer.finish().unwrap();
        let (found, usual) = parsed(&path);
        assert_eq!(found.file_metadata().schema_descr(), usual.file_metadata().schema_descr());
        assert_eq!(found.file_metadata().key_value_metadata(), usual.file_metadata().key_value_metadata());
        let places = |metadata: &ParquetMetaData| -> Vec<_> {
            let chunks = metadata.row_group(0).columns().iter();
            chunks.map(|chunk| (chunk.column_path().string(), chunk.byte_range(), chunk.num_values(), chunk.compression())).collect()
        };
        assert_eq!(places(&found), places(&usual));
        let statistics =
            |metadata: &ParquetMetaData| metadata.row_group(0).columns().iter().filter(|chunk| chunk.statistics().is_some()).count();
        assert!(statistics(&found) == 0 && statistics(&usual) > 0);
    }

    #[test]
    fn a_file_with_another_schema_is_read_with_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.parquet");
        // As many columns as ours, and our labels but for the version of the schema.
        let names: Vec<String> =
            OWN.as_ref().unwrap().schema().unwrap().columns().iter().enumerate().map(|(at, _)| format!("c{at}")).collect();
        let column = || -> ArrayRef { Arc::new(StringArray::from(vec!["x"])) };
        let batch = RecordBatch::try_from_iter(names.iter().map(|name| (name, column()))).unwrap();
        let labels = labels(&EVENTS).map(|(key, value)| KeyValue::new(key.to_owned(), value.replace("events/", "events/0")));
        let properties = WriterProperties::builder().set_key_value_metadata(Some(labels.to_vec())).build();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let (found, usual) = parsed(&path);
        assert_eq!(found.file_metadata().schema_descr(), usual.file_metadata().schema_descr());
        assert_eq!(found.row_group(0).column(1).column_path().string(), "c1");
    }
}
