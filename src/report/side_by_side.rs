//! Candidates beside one another, the one that breaks least first.

use super::{Report, grouped, visible};
use crate::error::Result;
use crate::frame::read;

/// Events and principals of a class of changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Touched {
    events: u64,
    principals: u64,
}

/// What a candidate does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// Its name.
    pub(super) name: String,
    /// By [`COLUMNS`].
    pub(super) touched: [Touched; COLUMNS.len()],
}

/// Headings, and the changes that count.
pub(super) const COLUMNS: [(&str, &[&str]); 4] = [
    ("would lose", &["lost"]),
    ("may lose", &["potentially_lost", "undetermined"]),
    ("would gain", &["gained"]),
    ("may gain", &["potentially_gained", "undetermined"]),
];

/// The heading of the table.
pub(super) const TITLE: &str = "candidates side by side, what breaks least first: events (principals)";

/// The candidates in order: fewest events lost, then fewest that may be, then fewest gained; `None` if there is only one.
///
/// # Errors
/// [`crate::Error::Columns`].
pub(super) fn standings(report: &Report) -> Result<Option<Vec<Standing>>> {
    if report.manifest.candidates.len() < 2 {
        return Ok(None);
    }
    let names = report.manifest.candidates.iter().map(|candidate| candidate.name.clone());
    let mut standings: Vec<Standing> = names.map(|name| Standing { name, touched: Default::default() }).collect();
    let candidates = read::text(&report.principals, "candidate")?;
    for (column, (_, changes)) in COLUMNS.iter().enumerate() {
        let counts = changes.iter().map(|change| read::int(&report.principals, change)).collect::<Result<Vec<_>>>()?;
        for row in 0..report.principals.num_rows() {
            let events: u64 = counts.iter().map(|counts| u64::try_from(counts.value(row)).unwrap_or_default()).sum();
            let name = read::get(candidates, row);
            let standing = standings.iter_mut().find(|standing| Some(standing.name.as_str()) == name);
            if let Some(touched) = standing.filter(|_| events > 0).and_then(|standing| standing.touched.get_mut(column)) {
                touched.events += events;
                touched.principals += 1;
            }
        }
    }
    standings.sort_by_key(|standing| standing.touched.map(|touched| (touched.events, touched.principals)));
    Ok(Some(standings))
}

impl Touched {
    /// `178 (9)`.
    pub(super) fn words(self) -> String {
        if self.events == 0 { "0".to_owned() } else { format!("{} ({})", grouped(self.events), grouped(self.principals)) }
    }
}

/// The table for a terminal, in lines of at most `width` columns: columns that do not fit are left out, the last first.
pub(super) fn lines(standings: &[Standing], width: usize) -> Vec<String> {
    let name_width = standings.iter().map(|standing| visible(&standing.name).chars().count()).max().unwrap_or_default();
    let mut table: Vec<Vec<String>> = vec![COLUMNS.iter().map(|(heading, _)| (*heading).to_owned()).collect()];
    table.extend(standings.iter().map(|standing| standing.touched.iter().map(|touched| touched.words()).collect()));
    let widths = (0..COLUMNS.len()).map(|column| {
        let cells = table.iter().filter_map(|row| row.get(column));
        3 + cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    });
    let widths: Vec<usize> = widths.collect();
    let room = width.max(40) - 2;
    let fits = |columns: &usize| widths.iter().take(*columns).sum::<usize>() + name_width.min(room / 2) <= room;
    let columns = (1..=COLUMNS.len()).rev().find(fits).unwrap_or(1);
    let name_room = (room - widths.iter().take(columns).sum::<usize>()).min(name_width);
    let names = std::iter::once(String::new()).chain(standings.iter().map(|standing| shortened(&visible(&standing.name), name_room)));
    let line = |(name, row): (String, &Vec<String>)| {
        let cells = row.iter().zip(&widths).take(columns).map(|(cell, width)| format!("{cell:>width$}"));
        format!("  {name:<name_room$}{}", cells.collect::<String>())
    };
    names.zip(&table).map(line).collect()
}

fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_the_terminal() {
        let touched = |events| Touched { events, principals: events / 2 + 1 };
        let standing = |name: &str, events: u64| Standing { name: name.to_owned(), touched: [1, 10, 0, 2].map(|n| touched(n * events)) };
        let standings = [standing("short", 5), standing("a-name-that-nobody-wants-to-read-to-its-end-in-a-table", 1_234_567)];
        for width in [40, 62, 80, 100, 200] {
            let lines = lines(&standings, width);
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}: {lines:#?}");
            assert!(lines[0].contains("would lose") && lines[2].contains("1,234,567 (617,284)"), "{width}: {lines:#?}");
        }
        assert!(lines(&standings, 200)[2].contains("to-its-end-in-a-table") && lines(&standings, 200)[0].ends_with("may gain"));
    }
}
