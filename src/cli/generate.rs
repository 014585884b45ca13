//! `retrial generate`.

use super::printer::Printer;
use super::{Exit, args};
use crate::error::{Error, Result};
use crate::generate::{Options, generate, generate_dataset, generate_history};
use crate::progress::Progress as _;

pub(super) fn run(arguments: &args::Generate, printer: &Printer) -> Result<Exit> {
    let out = &arguments.output;
    if std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::Usage(format!("`{}` is not empty: give a new or an empty folder", out.display())));
    }
    if arguments.policy_changes.is_some() && arguments.form == args::Form::Events {
        return Err(Error::Usage("--policy-changes writes logs, and no dataset: leave out `--as events`".to_owned()));
    }
    let bar = printer.bar();
    let options = Options { events: arguments.events, seed: arguments.seed };
    if arguments.form == args::Form::Events {
        let events = generate_dataset(out, &options, &bar)?;
        printer.say(&format!("{events} events as a dataset and the policies that explain them: {}", out.display()));
        return Ok(Exit::Done);
    }
    bar.begin("writing events", arguments.events, 0);
    let mut last = 0;
    let mut progress = |events: u64| {
        bar.advance(0, events.saturating_sub(last));
        last = events;
    };
    let written = match arguments.policy_changes {
        Some(changes) => generate_history(out, &options, changes, &mut progress)?,
        None => generate(out, &options, &mut progress).map_err(|error| Error::io("write", out, error))?,
    };
    bar.end();
    printer.say(&format!(
        "{} events in {} files ({} bytes) and the policies that explain them: {}",
        written.events,
        written.files,
        written.bytes,
        out.display()
    ));
    Ok(Exit::Done)
}
