//! The rows of the changes. What candidates say alike is held, added up and made into columns once for all of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use rayon::prelude::*;

use super::row::{ChangeKey, Digest, change_id};
use super::tally::Measures;
use crate::error::{Error, Result};
use crate::frame::parquet::TableWriter;
use crate::frame::schema::{CHANGES, SAID, Table};
use crate::frame::{Cell, GatheredTable, Place, TableBuilder, in_codes};

/// What some candidates say of a request, or of all requests of one key: a row of each.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// The numbers of the candidates, ascending.
    pub(crate) candidates: Arc<[u32]>,
    pub(crate) key: Arc<ChangeKey>,
    pub(crate) measures: Arc<Measures>,
}

impl Said {
    /// Whether a candidate says it.
    pub(crate) fn is_of(&self, candidate: u32) -> bool {
        self.candidates.binary_search(&candidate).is_ok()
    }

    /// The cells that the rows of all candidates have in common, and what tells them apart from other keys.
    fn cells(&self) -> (Vec<Cell<'_>>, Digest) {
        let mut cells = Vec::with_capacity(CHANGES.schema.fields().len());
        self.key.columns_before(&mut cells);
        let before = cells.len();
        cells.extend(self.measured());
        let after = cells.len();
        self.key.columns_after(&mut cells);
        let described = cells.get(..before).into_iter().chain(cells.get(after..)).flatten();
        let digest = ChangeKey::digest(described);
        (cells, digest)
    }

    /// The cells of what was measured.
    fn measured(&self) -> [Cell<'_>; 7] {
        let measures = self.measures.as_ref();
        let time = |time: Option<i64>| time.map_or(Cell::Null, Cell::Time);
        [
            Cell::count(measures.events),
            Cell::count(measures.session_count()),
            Cell::count(measures.days.len() as u64),
            time(measures.first_seen),
            time(measures.last_seen),
            Cell::Texts(measures.session_names.as_slice().into()),
            Cell::Refs(measures.samples.iter().map(|(_, id)| id.as_str()).collect()),
        ]
    }

    /// The cells of a candidate's row of the changes.
    fn row<'r>(&'r self, candidate: &'r str) -> Vec<Cell<'r>> {
        let (common, digest) = self.cells();
        let own = [Cell::Text(change_id(candidate, &digest).into()), candidate.into()];
        own.into_iter().chain(common).collect()
    }
}

/// Sorts what was said by key, and adds up what is of one key. Candidates of which the same is said share it afterwards.
pub(super) fn add_up(mut said: Vec<Said>) -> Vec<Said> {
    said.par_sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let mut sums = Vec::with_capacity(said.len());
    let mut said = said.into_iter().peekable();
    while let Some(first) = said.next() {
        let mut of_key = vec![first];
        while let Some(more) = said.next_if(|more| of_key.first().is_some_and(|first| first.key == more.key)) {
            of_key.push(more);
        }
        match of_key.as_slice() {
            [_] => sums.append(&mut of_key),
            _ => sums.extend(sums_of(of_key)),
        }
    }
    sums
}

/// The sums of what was said with one key, for the candidates that said all of it, or the same part.
fn sums_of(of_key: Vec<Said>) -> Vec<Said> {
    let sum = |parts: &mut dyn Iterator<Item = Said>, candidates: Arc<[u32]>| {
        let sum = parts.reduce(|mut sum, part| {
            Arc::make_mut(&mut sum.measures).merge(&part.measures);
            sum
        });
        sum.map(|sum| Said { candidates, ..sum })
    };
    let first = of_key.first().map(|first| Arc::clone(&first.candidates)).unwrap_or_default();
    if of_key.iter().all(|said| said.candidates == first) {
        return sum(&mut of_key.into_iter(), first).into_iter().collect();
    }
    let mut parts: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (part, said) in of_key.iter().enumerate() {
        said.candidates.iter().for_each(|candidate| parts.entry(*candidate).or_default().push(part));
    }
    let mut alike: BTreeMap<Vec<usize>, Vec<u32>> = BTreeMap::new();
    for (candidate, parts) in parts {
        alike.entry(parts).or_default().push(candidate);
    }
    let sums = alike
        .into_iter()
        .filter_map(|(parts, candidates)| sum(&mut parts.into_iter().filter_map(|part| of_key.get(part).cloned()), candidates.into()));
    sums.collect()
}

/// The rows of a table: by the names of the candidates, by key.
struct Rows<'r> {
    said: &'r [Said],
    candidates: &'r [&'r str],
    /// Of each row, the number of the candidate and the place of what it says.
    places: Vec<(u32, u32)>,
}

impl<'r> Rows<'r> {
    /// Rows that are made at a time: their columns use the same memory again.
    const MADE: usize = 2_048;
    /// What so much is said of is made into columns once, at most.
    const HELD: usize = 1 << 17;

    fn new(said: &'r [Said], candidates: &'r [&'r str]) -> Self {
        let mut order: Vec<(&&str, u32)> = candidates.iter().zip(0..).collect();
        order.sort_unstable();
        let of = |candidate: u32| (0..).zip(said).filter(move |(_, said)| said.is_of(candidate)).map(move |(place, _)| (candidate, place));
        Self { said, candidates, places: order.into_iter().flat_map(|(_, candidate)| of(candidate)).collect() }
    }

    /// A row: the name of the candidate, and what it says.
    fn get(&self, (candidate, place): (u32, u32)) -> Result<(&'r str, &'r Said)> {
        let row = self.candidates.get(candidate as usize).copied().zip(self.said.get(place as usize));
        row.ok_or_else(|| Error::Internal(format!("candidate {candidate} says nothing at {place}")))
    }

    /// Writes a table: batches are made in parallel, a few at a time.
    fn write(&self, path: &Path, table: &'static Table, batch: impl Fn(&[(u32, u32)]) -> Result<RecordBatch> + Sync) -> Result<()> {
        let mut writer = TableWriter::create(path, table)?;
        for some in self.places.chunks(Self::MADE * rayon::current_num_threads().max(1)) {
            let batches = some.par_chunks(Self::MADE).map(&batch).collect::<Result<Vec<_>>>()?;
            batches.iter().try_for_each(|batch| writer.push(batch))?;
        }
        writer.finish()
    }

    /// The batch of some rows, each made anew.
    fn batch(
        &self,
        table: &'static Table,
        places: &[(u32, u32)],
        cells: impl Fn(&'r str, &'r Said) -> Vec<Cell<'r>>,
    ) -> Result<RecordBatch> {
        let mut builder = TableBuilder::new(table)?;
        for place in places {
            let (candidate, said) = self.get(*place)?;
            builder.push(cells(candidate, said))?;
        }
        builder.finish()
    }
}

/// Writes a table of rows in the order of the changes, whose cells `cells` makes of a candidate and what it says.
pub(super) fn write<'r>(
    path: &Path,
    table: &'static Table,
    said: &'r [Said],
    candidates: &'r [&'r str],
    cells: impl Fn(&'r str, &'r Said) -> Vec<Cell<'r>> + Sync,
) -> Result<()> {
    let rows = Rows::new(said, candidates);
    rows.write(path, table, |places| rows.batch(table, places, &cells))
}

/// Writes the changes. `candidates` are their names, by number. The bytes depend on the rows only, not on who shares what.
pub(super) fn write_changes(path: &Path, said: &[Said], candidates: &[&str]) -> Result<()> {
    let rows = Rows::new(said, candidates);
    // A single one has nothing in common with others.
    if candidates.len() < 2 {
        return rows.write(path, &CHANGES, |places| rows.batch(&CHANGES, places, |candidate, said| said.row(candidate)));
    }
    let mut table = GatheredTable::create(path, &CHANGES, &["change_id"])?;
    if said.len() <= Rows::HELD {
        Common::of(&said.iter().collect::<Vec<_>>())?.push(&mut table, &rows, &rows.places, |_, place| place)?;
    } else {
        for places in rows.places.chunks(Rows::HELD / 8) {
            let these: Vec<&Said> = places.iter().map(|place| Ok(rows.get(*place)?.1)).collect::<Result<_>>()?;
            Common::of(&these)?.push(&mut table, &rows, places, |row, _| row)?;
        }
    }
    table.finish()
}

/// The columns that the rows of all candidates have in common, a row for each thing that is said.
struct Common {
    columns: RecordBatch,
    digests: Vec<Digest>,
}

impl Common {
    fn of(said: &[&Said]) -> Result<Self> {
        let part = |said: &[&Said]| {
            let mut table = TableBuilder::new(&SAID)?;
            let mut digests = Vec::with_capacity(said.len());
            for said in said {
                let (cells, digest) = said.cells();
                table.push(cells)?;
                digests.push(digest);
            }
            Ok((table.finish()?, digests))
        };
        // Of nothing at all there is one part too, for its columns.
        let parts = said.len().div_ceil(Rows::MADE).max(1);
        let part_at = |at: usize| part(said.chunks(Rows::MADE).nth(at).unwrap_or_default());
        let (batches, digests): (Vec<RecordBatch>, Vec<Vec<Digest>>) =
            (0..parts).into_par_iter().map(part_at).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let column = |at: usize| {
            let parts: Vec<&dyn Array> = batches.iter().filter_map(|batch| batch.columns().get(at)).map(AsRef::as_ref).collect();
            in_codes(&parts)
        };
        let columns: Vec<ArrayRef> = (0..SAID.schema.fields().len()).into_par_iter().map(column).collect::<Result<_>>()?;
        let names = SAID.schema.fields().iter().map(|field| field.name());
        Ok(Self {
            columns: RecordBatch::try_from_iter_with_nullable(names.zip(columns).map(|(name, column)| (name, column, true)))?,
            digests: digests.concat(),
        })
    }

    /// Adds rows to the table; `at` says where a row, given by its number and the place of what it says, stands here.
    fn push(&self, table: &mut GatheredTable, rows: &Rows<'_>, places: &[(u32, u32)], at: impl Fn(usize, usize) -> usize) -> Result<()> {
        let places: Vec<(u32, usize)> =
            places.iter().enumerate().map(|(row, (candidate, place))| (*candidate, at(row, *place as usize))).collect();
        for places in places.chunks(GatheredTable::ROWS) {
            let own = places.par_chunks(Rows::MADE).map(|places| self.own(rows.candidates, places)).collect::<Result<Vec<_>>>()?;
            let of_own: Vec<Place> = (0..places.len()).map(|row| (row / Rows::MADE, row % Rows::MADE)).collect();
            let of_common: Vec<Place> = places.iter().map(|(_, place)| (0, *place)).collect();
            table.push(&[(&own.iter().collect::<Vec<_>>(), &of_own), (&[&self.columns], &of_common)])?;
        }
        Ok(())
    }

    /// The columns that each row has of its own.
    fn own(&self, candidates: &[&str], places: &[(u32, usize)]) -> Result<RecordBatch> {
        let (mut ids, mut names) = (Vec::with_capacity(places.len()), Vec::with_capacity(places.len()));
        for (candidate, place) in places {
            let found = candidates.get(*candidate as usize).zip(self.digests.get(*place));
            let (name, digest) = found.ok_or_else(|| Error::Internal(format!("candidate {candidate} says nothing at {place}")))?;
            ids.push(change_id(name, digest));
            names.push(*name);
        }
        let columns: [(_, ArrayRef); 2] =
            [("change_id", Arc::new(StringArray::from(ids))), ("candidate", Arc::new(StringArray::from(names)))];
        Ok(RecordBatch::try_from_iter(columns)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::compare::Change;
    use super::super::row::Deciding;
    use super::*;
    use crate::evaluate::Decision;
    use crate::frame::parquet;

    fn key(action: &str) -> ChangeKey {
        ChangeKey {
            change: Change::Lost,
            change_from_log: Change::Lost,
            contradiction: None,
            baseline_decision: Decision::parse("allowed").unwrap(),
            candidate_decision: Decision::parse("implicit_deny").unwrap(),
            observed: "success".to_owned(),
            principal_arn: None,
            principal_type: "User".to_owned(),
            permission_set: None,
            account_id: None,
            resource_account_id: None,
            action: action.to_owned(),
            resource: None,
            region: None,
            checks: vec![format!("{action} on *")],
            deciding_action: action.to_owned(),
            deciding_resource: None,
            context: Vec::new(),
            baseline_reason: String::new(),
            candidate_reason: String::new(),
            baseline: Deciding::default(),
            candidate_side: Deciding::default(),
            candidate_deciding: Vec::new(),
            missing_keys: Vec::new(),
            residual: String::new(),
            assumptions: Vec::new(),
            mapping_source: "catalog".to_owned(),
            resource_source: None,
        }
    }

    fn said(candidates: &[u32], key: &Arc<ChangeKey>, events: u64) -> Said {
        Said { candidates: candidates.into(), key: Arc::clone(key), measures: Arc::new(Measures { events, ..Measures::default() }) }
    }

    proptest! {
        #[test]
        fn every_candidate_keeps_its_sums(of in proptest::collection::vec((proptest::collection::btree_set(0u32..4, 1..4), 0usize..3, 1u64..100), 0..20)) {
            let keys = ["a", "b", "c"].map(|action| Arc::new(key(action)));
            let parts: Vec<Said> = of.iter().map(|(candidates, at, events)| said(&candidates.iter().copied().collect::<Vec<_>>(), &keys[*at], *events)).collect();
            let sums = add_up(parts);
            prop_assert!(sums.is_sorted_by(|a, b| a.key <= b.key));
            for candidate in 0..4 {
                for key in &keys {
                    let expected: u64 = of.iter().filter(|(candidates, at, _)| candidates.contains(&candidate) && keys[*at] == *key).map(|(.., events)| events).sum();
                    let found: Vec<u64> = sums.iter().filter(|said| said.key == *key && said.is_of(candidate)).map(|said| said.measures.events).collect();
                    prop_assert_eq!(found, if expected == 0 { vec![] } else { vec![expected] });
                }
            }
        }
    }

    #[test]
    fn candidates_of_which_the_same_is_said_share_it() {
        let key = Arc::new(key("a"));
        let sums = add_up(vec![said(&[0, 1, 2], &key, 1), said(&[0, 1], &key, 2), said(&[2], &key, 4)]);
        let found: Vec<(&[u32], u64)> = sums.iter().map(|said| (said.candidates.as_ref(), said.measures.events)).collect();
        assert_eq!(found, [(&[0, 1][..], 3), (&[2][..], 5)]);
    }

    #[test]
    fn rows_are_written_alike_whether_made_once_or_each() {
        let keys = ["a", "b", "c"].map(|action| Arc::new(key(action)));
        let all = add_up(keys.iter().map(|key| said(&[0, 1, 2], key, 7)).collect());
        let candidates = ["z", "a", "m"];
        let rows = Rows::new(&all, &candidates);
        assert_eq!(rows.places, [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (0, 0), (0, 1), (0, 2)]);
        let folder = tempfile::tempdir().unwrap();
        let [each, once, apart] = ["each", "once", "apart"].map(|name| folder.path().join(name));
        rows.write(&each, &CHANGES, |places| rows.batch(&CHANGES, places, |candidate, said| said.row(candidate))).unwrap();
        write_changes(&once, &all, &candidates).unwrap();
        assert_eq!(parquet::read(&each, None).unwrap(), parquet::read(&once, None).unwrap());
        // What is merged from shards shares nothing: the bytes are the same.
        let own = |said: &Said| {
            said.candidates.iter().map(|candidate| Said { candidates: [*candidate].into(), ..said.clone() }).collect::<Vec<_>>()
        };
        write_changes(&apart, &all.iter().flat_map(own).collect::<Vec<_>>(), &candidates).unwrap();
        assert!(std::fs::read(&once).unwrap() == std::fs::read(&apart).unwrap());
        write_changes(&apart, &[], &candidates).unwrap();
        assert_eq!(parquet::read(&apart, None).unwrap(), []);
    }
}
