//! What the library tells an observer. The command line draws a bar with it; a library user may ignore it.

/// An observer of a long job. All methods may be called from several threads.
pub trait Progress: Sync {
    /// A phase begins: its name in the present participle (`reading logs`), and how many files and bytes it has.
    fn begin(&self, phase: &str, files: u64, bytes: u64) {
        let _ = (phase, files, bytes);
    }
    /// A file of so many bytes, with so many events, is done.
    fn advance(&self, bytes: u64, events: u64) {
        let _ = (bytes, events);
    }
    /// Something that the user should know and that does not stop the run.
    fn warn(&self, message: &str) {
        let _ = message;
    }
    /// The phase is over.
    fn end(&self) {}
}

/// Hears nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {}
