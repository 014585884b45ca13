//! The progress bar: files, events, rate, time left. The only user of indicatif.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::printer::to_stderr;
use crate::progress::Progress;

/// How often a line is printed where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

/// Draws a bar on a terminal, prints plain lines now and then where there is none.
pub(super) struct Bar {
    terminal: bool,
    quiet: bool,
    phase: Mutex<Option<Phase>>,
    events: AtomicU64,
}

struct Phase {
    name: String,
    files: u64,
    done: u64,
    by_bytes: bool,
    bar: Option<ProgressBar>,
    started: Instant,
    printed: Instant,
}

impl Bar {
    pub(super) fn new(terminal: bool, quiet: bool) -> Self {
        // Nothing is drawn elsewhere, whoever asks for it.
        let terminal = terminal && std::io::stderr().is_terminal();
        Self { terminal, quiet, phase: Mutex::new(None), events: AtomicU64::new(0) }
    }
}

impl Progress for Bar {
    fn begin(&self, phase: &str, files: u64, bytes: u64) {
        self.events.store(0, Ordering::Relaxed);
        let by_bytes = bytes > 0;
        let bar = self.terminal.then(|| {
            let bar = ProgressBar::new(if by_bytes { bytes } else { files });
            let template = if by_bytes {
                "{prefix} {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left; {msg}"
            } else {
                "{prefix} {wide_bar} {pos}/{len}, {eta} left; {msg}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_prefix(phase.to_owned());
            bar
        });
        let now = Instant::now();
        if let Ok(mut slot) = self.phase.lock() {
            *slot = Some(Phase { name: phase.to_owned(), files, done: 0, by_bytes, bar, started: now, printed: now });
        }
    }

    fn advance(&self, bytes: u64, events: u64) {
        let total = self.events.fetch_add(events, Ordering::Relaxed) + events;
        let Ok(mut slot) = self.phase.lock() else { return };
        let Some(phase) = slot.as_mut() else { return };
        phase.done += 1;
        let seconds = phase.started.elapsed().as_secs_f64().max(0.001);
        let rate = (total as f64 / seconds) as u64;
        let message = format!("{}/{} files, {} events, {}/s", phase.done, phase.files, HumanCount(total), HumanCount(rate));
        match &phase.bar {
            Some(bar) => {
                bar.inc(if phase.by_bytes { bytes } else { 1 });
                bar.set_message(message);
            }
            None if !self.quiet && phase.printed.elapsed() >= EVERY => {
                phase.printed = Instant::now();
                to_stderr(&format!("{}: {message}", phase.name));
            }
            None => {}
        }
    }

    fn warn(&self, message: &str) {
        if self.quiet {
            return;
        }
        if let Ok(slot) = self.phase.lock()
            && let Some(bar) = slot.as_ref().and_then(|phase| phase.bar.as_ref())
        {
            bar.suspend(|| to_stderr(&format!("warning: {message}")));
            return;
        }
        to_stderr(&format!("warning: {message}"));
    }

    fn end(&self) {
        if let Ok(mut slot) = self.phase.lock()
            && let Some(bar) = slot.take().and_then(|phase| phase.bar)
        {
            bar.finish_and_clear();
        }
    }
}
