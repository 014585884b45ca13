//! Events by account, region and day, from `coverage.parquet`: most of its rows are gaps.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use arrow::array::Array as _;
use serde_json::{Value, json};

use super::data::TextTable;
use crate::error::Result;
use crate::frame::{parquet, read};
use crate::report::Report;

/// Pairs of account and region that are shown, those with most events.
const MOST: usize = 100;
/// Days that are shown: of a longer window the last ones.
const DAYS: i64 = 3_700;

type Days = BTreeMap<i32, i64>;

pub(super) fn read(report: &Report, texts: &mut TextTable) -> Result<Value> {
    let mut pairs: BTreeMap<(Option<String>, Option<String>), Days> = BTreeMap::new();
    let mut accounts: BTreeMap<Option<String>, bool> = BTreeMap::new();
    let mut window: Option<(i32, i32)> = None;
    let path = report.folder.join("coverage.parquet");
    parquet::read_each(&path, Some(&["account_id", "region", "day", "events"]), |batch| {
        let (names, regions) = (read::text(&batch, "account_id")?, read::text(&batch, "region")?);
        let (days, events) = (read::day(&batch, "day")?, read::int(&batch, "events")?);
        let mut last: Option<usize> = None;
        for row in (0..batch.num_rows()).filter(|row| days.is_valid(*row)) {
            let (day, count) = (days.value(row), events.value(row));
            let (first, until) = window.unwrap_or((day, day));
            window = Some((first.min(day), until.max(day)));
            let account = read::get(names, row);
            if count > 0 {
                let pair = (account.map(str::to_owned), read::get(regions, row).map(str::to_owned));
                pairs.entry(pair).or_default().insert(day, count);
            }
            // Mostly the account of the row before.
            if count > 0 || last.is_none_or(|last| read::get(names, last) != account) {
                *accounts.entry(account.map(str::to_owned)).or_default() |= count > 0;
            }
            last = Some(row);
        }
        Ok(())
    })?;
    let Some((first, last)) = window else { return Ok(json!({"first": 0, "days": 0, "rows": [], "more_rows": 0})) };
    let days = (i64::from(last) - i64::from(first) + 1).min(DAYS);
    let first = i32::try_from(i64::from(last) - days + 1).unwrap_or(first);
    let mut order: Vec<_> = pairs.into_iter().collect();
    let sum = |days: &Days| days.values().sum::<i64>();
    order.sort_by_cached_key(|(pair, days)| (Reverse(sum(days)), pair.clone()));
    let more_rows = order.len().saturating_sub(MOST);
    order.truncate(MOST);
    order.sort_by(|a, b| a.0.cmp(&b.0));
    let mut rows = Vec::with_capacity(order.len());
    for ((account, region), by_day) in order {
        rows.push(json!([texts.maybe(account.as_deref())?, texts.maybe(region.as_deref())?, runs(&by_day, first, last), sum(&by_day)]));
    }
    for (account, _) in accounts.iter().filter(|(account, has_events)| account.is_some() && !**has_events) {
        rows.push(json!([texts.maybe(account.as_deref())?, texts.number("every region")?, [0, days], 0]));
    }
    Ok(json!({"first": first, "days": days, "rows": rows, "more_rows": more_rows}))
}

/// Counts day by day: value and run length, in turns.
fn runs(days: &Days, first: i32, last: i32) -> Vec<i64> {
    let mut runs: Vec<i64> = Vec::new();
    let mut push = |value: i64, length: i64| match runs.as_chunks_mut::<2>().0.last_mut() {
        Some([before, known]) if *before == value => *known += length,
        _ if length > 0 => runs.extend([value, length]),
        _ => {}
    };
    let mut next = i64::from(first);
    for (day, count) in days.range(first..=last) {
        push(0, i64::from(*day) - next);
        push(*count, 1);
        next = i64::from(*day) + 1;
    }
    push(0, i64::from(last) + 1 - next);
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_days_are_a_run() {
        let days = Days::from([(3, 5), (4, 5), (7, 1)]);
        assert_eq!(runs(&days, 0, 9), [0, 3, 5, 2, 0, 2, 1, 1, 0, 2]);
        assert_eq!(runs(&days, 3, 3), [5, 1]);
        assert_eq!(runs(&Days::new(), 5, 6), [0, 2]);
    }
}
