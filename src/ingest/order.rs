//! In which order log files are read: that of the times from which on they may have records, by their names, so that one
//! day after the other is complete.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::source::LogFile;

/// The files in the order in which they are read, each with the time from which on it may have records, in microseconds since
/// 1970, the least number if its name does not tell.
///
/// The name of a file that CloudTrail delivers has account, region and the time of delivery (AWS, "Finding your CloudTrail log
/// files"). What it holds came after the file before it, and may repeat what that one holds: so it begins where that one does,
/// at the delivery of the last but one.
pub(super) fn by_time(files: &[LogFile]) -> Vec<(i64, &LogFile)> {
    let named: Vec<Option<(&str, i64)>> = files.iter().map(|file| delivered(&file.path)).collect();
    let mut series: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    for (name, time) in named.iter().flatten() {
        series.entry(name).or_default().insert(*time);
    }
    let begins = |(name, time): &(&str, i64)| series.get(name)?.range(..time).nth_back(1).copied();
    let begins = named.iter().map(|named| named.as_ref().and_then(begins).unwrap_or(i64::MIN));
    let mut ordered: Vec<(i64, &LogFile)> = begins.zip(files).collect();
    ordered.sort_by_key(|(begins, _)| *begins);
    ordered
}

/// Of `ACCOUNT_CloudTrail_REGION_YYYYMMDDTHHMMZ_...` what stands before the time, and the time.
fn delivered(path: &Path) -> Option<(&str, i64)> {
    /// Bytes of a time.
    const TIME: usize = 14;
    let name = path.file_name()?.to_str()?;
    name.match_indices('_').find_map(|(at, _)| {
        let time = name.get(at + 1..at + 1 + TIME).filter(|time| time.ends_with('Z'))?;
        let time = Offset::UTC.to_timestamp(DateTime::strptime("%Y%m%dT%H%MZ", time).ok()?).ok()?;
        Some((name.get(..at)?, time.as_microsecond()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::content::Origin;

    #[test]
    fn a_file_may_begin_where_the_one_before_it_begins() {
        let paths = [
            "x/111122223333_CloudTrail_eu-west-1_20260604T0250Z_a.json.gz",
            "x/111122223333_CloudTrail_eu-west-1_20260604T0300Z_b.json.gz",
            "x/111122223333_CloudTrail_eu-west-1_20260604T0300Z_c.json.gz",
            "y/111122223333_CloudTrail_eu-west-1_20260604T0310Z_d.json.gz",
            "x/111122223333_CloudTrail_us-east-1_20260604T0255Z_e.json.gz",
            "x/111122223333_CloudTrail_us-east-1_20260604T0300Z_f.json.gz",
            "x/111122223333_CloudTrail_us-east-1_20260604T0305Z_g.json.gz",
            "x/export_20261304T0305Z_h.json",
            "x/2026060.json",
        ];
        let file = |path: &&str| LogFile { path: path.into(), bytes: 0, origin: Origin::File };
        let files: Vec<LogFile> = paths.iter().map(file).collect();
        let minute = |minute: i64| 1_780_541_400_000_000 + (minute - 50) * 60_000_000;
        let ordered: Vec<(i64, &str)> =
            by_time(&files).into_iter().filter_map(|(begins, file)| Some((begins, file.path.to_str()?))).collect();
        let [a, b, c, d, e, f, g, h, i] = paths;
        let unknown = [a, b, c, e, f, h, i].map(|path| (i64::MIN, path));
        assert_eq!(ordered.get(..7), Some(&unknown[..]));
        assert_eq!(ordered.get(7..), Some(&[(minute(50), d), (minute(55), g)][..]));
    }
}
