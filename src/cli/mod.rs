//! The command line: one file per command. The only room that prints, exits, draws and reads the environment.

mod args;
mod catalog;
mod check;
mod diagnostic;
mod explain;
mod generate;
mod ingest;
mod merge;
mod output;
mod printer;
mod progress;
mod replay;
mod report;
mod simulate;

use std::process::ExitCode;

use clap::Parser as _;

use crate::error::{Error, Result};
use args::{Arguments, Command};
use printer::Printer;

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Done.
    Done,
    /// Done, and something that a gate names was found.
    Found,
    /// It could not be judged.
    NotJudged,
}

/// Runs the program: 0 done, 1 a gate found something, 2 it could not be done or cannot be judged.
pub fn main() -> ExitCode {
    // What is caught and reported as a damaged file is no defect of the program.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !crate::ingest::is_guarded() {
            hook(panic);
        }
    }));
    let arguments = Arguments::parse();
    let printer = Printer::new(&arguments.common);
    match run(arguments, &printer) {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Found) => ExitCode::from(1),
        Ok(Exit::NotJudged) => ExitCode::from(2),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            printer.error(&error);
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments, printer: &Printer) -> Result<Exit> {
    if let Some(threads) = arguments.common.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        pool.map_err(|error| Error::Usage(format!("--threads {threads}: {error}")))?;
    }
    match arguments.command {
        Command::Ingest(arguments) => ingest::run(&arguments, printer),
        Command::Replay(arguments) => replay::run(*arguments, printer),
        Command::Merge(arguments) => merge::run(&arguments, printer),
        Command::Report(arguments) => report::run(&arguments, printer),
        Command::Explain(arguments) => explain::run(&arguments, printer),
        Command::Check(arguments) => check::run(&arguments, printer),
        Command::Simulate(arguments) => simulate::run(&arguments, printer),
        Command::Catalog(arguments) => catalog::run(&arguments, printer),
        Command::Generate(arguments) => generate::run(&arguments, printer),
    }
}
