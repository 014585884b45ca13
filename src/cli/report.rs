//! `retrial report`: a finished replay, rendered again.

use super::Exit;
use super::args;
use super::printer::Printer;
use crate::error::Result;
use crate::frame::parquet;
use crate::report::{Report, Style, render};

pub(super) fn run(arguments: &args::Report, printer: &Printer) -> Result<Exit> {
    let report = Report::open(&arguments.report)?;
    let style = Style { width: printer.width(), color: arguments.output.is_none() && printer.color() };
    let text = render(&report, arguments.format.format(), style)?;
    match &arguments.output {
        Some(file) => parquet::write_private(file, &text)?,
        None => printer.out(&text)?,
    }
    Ok(Exit::Done)
}
