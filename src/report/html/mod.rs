//! `report.html`: one self-contained page. The page is `page.html`, `page.css` and `page.js` around the data, as JSON; what
//! would make it too large stays in Parquet, and the page says so.

mod coverage;
mod data;
mod review;

use super::Report;
use crate::error::{Error, Result};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Renders a report.
///
/// # Errors
/// [`Error::Io`] and [`Error::Format`] for a folder that is no report, [`Error::Columns`].
pub fn render(report: &Report) -> Result<String> {
    let data = serde_json::to_string(&data::of(report)?).map_err(|error| Error::Internal(error.to_string()))?;
    // Nothing in it can end the element that it stands in.
    let data = data.replace('<', "\\u003c");
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + data.len());
    let mut rest = PAGE;
    for (place, text) in [("{{css}}", STYLE), ("{{data}}", data.as_str()), ("{{js}}", SCRIPT)] {
        let (before, after) = rest.split_once(place).ok_or_else(|| Error::Internal(format!("the page has no {place}")))?;
        page.push_str(before);
        page.push_str(text);
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}
