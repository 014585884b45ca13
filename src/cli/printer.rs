//! Every decision on standard output and standard error.

use std::io::{IsTerminal as _, Write as _};

use super::args::{Common, When};
use super::diagnostic;
use super::progress::Bar;
use crate::error::{Error, Result};
use crate::report::{is_hidden, visible};

/// What is printed where, and how.
#[derive(Debug)]
pub(super) struct Printer {
    quiet: bool,
    verbose: bool,
    progress: bool,
    color_out: bool,
    color_err: bool,
}

impl Printer {
    pub(super) fn new(common: &Common) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        let color = |terminal: bool| match common.color {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && !no_color && !dumb,
        };
        Self {
            quiet: common.quiet,
            verbose: common.verbose,
            progress: !common.quiet
                && common.progress != When::Never
                && (common.progress == When::Always || std::io::stderr().is_terminal()),
            color_out: color(std::io::stdout().is_terminal()),
            color_err: color(std::io::stderr().is_terminal()),
        }
    }

    /// A progress bar, or plain lines now and then where there is no terminal.
    pub(super) fn bar(&self) -> Bar {
        Bar::new(self.progress, self.quiet)
    }

    /// Columns of the terminal: 100 where there is none.
    pub(super) fn width(&self) -> usize {
        let terminal = if std::io::stdout().is_terminal() { terminal_size::terminal_size() } else { None };
        terminal.map_or(100, |(width, _)| usize::from(width.0))
    }

    /// Whether only what went wrong is wanted (`-q`).
    pub(super) fn quiet(&self) -> bool {
        self.quiet
    }

    pub(super) fn color(&self) -> bool {
        self.color_out
    }

    /// Data as JSON: standard output. Characters that could drive a terminal are escaped, which JSON takes for the same.
    pub(super) fn json(&self, text: &str) -> Result<()> {
        self.out(&escaped(text))
    }

    /// Data: standard output.
    pub(super) fn out(&self, text: &str) -> Result<()> {
        let mut output = std::io::stdout().lock();
        let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
        written.map_err(|error| Error::io("write", std::path::Path::new("standard output"), error))
    }

    /// A remark: standard error, not with `-q`.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            to_stderr(text);
        }
    }

    /// What decides the exit code: standard error, also with `-q`.
    pub(super) fn always(&self, text: &str) {
        to_stderr(text);
    }

    /// A remark for `-v`.
    pub(super) fn detail(&self, text: &str) {
        if self.verbose {
            to_stderr(text);
        }
    }

    pub(super) fn warn(&self, text: &str) {
        if !self.quiet {
            to_stderr(&format!("{}: {}", if self.color_err { "\u{1b}[33mwarning\u{1b}[0m" } else { "warning" }, shown(text)));
        }
    }

    pub(super) fn error(&self, error: &Error) {
        match error {
            Error::Policy(policy) => to_stderr(&diagnostic::render(policy, self.color_err)),
            other => {
                let word = if self.color_err { "\u{1b}[31merror\u{1b}[0m" } else { "error" };
                to_stderr(&format!("{word}: {}", shown(&other.to_string())));
            }
        }
    }
}

/// Writes a line to standard error. That it is closed or full changes nothing of what was done.
pub(super) fn to_stderr(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// JSON without characters that are not shown: those stand in its texts only.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hidden(character) && character != '\n' {
            character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        } else {
            text.push(character);
        }
    }
    text
}

/// A message of several lines whose other control characters, as of names of files, are visible.
fn shown(message: &str) -> String {
    message.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}
