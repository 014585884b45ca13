//! `retrial simulate`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::printer::Printer;
use super::{Exit, args};
use crate::error::{Error, Result};
use crate::replay::simulate::answer;

/// Lines that are answered before they are printed.
const LINES: usize = 1_000;

pub(super) fn run(arguments: &args::Simulate, printer: &Printer) -> Result<Exit> {
    let path = arguments.cases.as_path();
    let input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(|error| Error::io("read", path, error))?))
    };
    let mut answers = String::new();
    for (index, line) in input.split(b'\n').enumerate() {
        let line = line.map_err(|error| Error::io("read", path, error))?;
        let line = String::from_utf8_lossy(&line);
        if line.trim().is_empty() {
            continue;
        }
        answers.push_str(&answer(&line).to_string());
        answers.push('\n');
        if index % LINES == LINES - 1 {
            printer.out(&answers)?;
            answers.clear();
        }
    }
    printer.out(&answers)?;
    Ok(Exit::Done)
}
