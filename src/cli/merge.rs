//! `retrial merge`: the shards of a replay, added up.

use super::args;
use super::output::Staged;
use super::printer::Printer;
use super::{Exit, replay};
use crate::error::Result;
use crate::replay::merge;

pub(super) fn run(arguments: &args::Merge, printer: &Printer) -> Result<Exit> {
    let gate = replay::gate(&arguments.gate)?;
    let staged = Staged::new(&arguments.output)?;
    let manifest = merge(&arguments.reports, staged.path())?;
    replay::finish(manifest, staged, &arguments.output, arguments.format, &gate, printer)
}
