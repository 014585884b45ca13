//! Files of events, read on all threads, and the kernels that take them, of which there are half as many.
//!
//! Each kernel learns the same texts and requests anew, and all of them are merged at the end: half as many cost half as much.
//! A thread takes events where some wait and a kernel is free, and reads the next file otherwise.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::frame::{EventReader, EventRows};

/// What is at work.
struct Pipeline<'p, K> {
    files: &'p [PathBuf],
    columns: &'p [&'p str],
    /// The most row groups that wait.
    most: usize,
    state: Mutex<State<K>>,
    changed: Condvar,
}

struct State<K> {
    /// The kernels that no thread has.
    free: Vec<K>,
    waiting: VecDeque<EventRows>,
    /// The next file, and how many are being read.
    next: usize,
    reading: usize,
    failed: bool,
}

/// Hands the events of files, row group by row group, to `take` with one of some kernels; any order may happen. Returns the
/// kernels.
///
/// # Errors
/// The first of reading or taking.
pub(super) fn run<K: Send>(
    files: &[PathBuf],
    columns: &[&str],
    kernel: impl Fn() -> K,
    take: impl Fn(&mut K, &EventRows) -> Result<()> + Sync,
) -> Result<Vec<K>> {
    let threads = rayon::current_num_threads();
    let free = (0..threads.div_ceil(2).min(files.len().max(1))).map(|_| kernel()).collect();
    let state = State { free, waiting: VecDeque::new(), next: 0, reading: 0, failed: false };
    let pipeline = Pipeline { files, columns, most: threads.max(2), state: Mutex::new(state), changed: Condvar::new() };
    let results = rayon::broadcast(|_| {
        let result = pipeline.work(&take);
        if result.is_err() {
            pipeline.lock().failed = true;
            pipeline.changed.notify_all();
        }
        result
    });
    results.into_iter().collect::<Result<()>>()?;
    Ok(pipeline.state.into_inner().unwrap_or_else(PoisonError::into_inner).free)
}

impl<K> Pipeline<'_, K> {
    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State<K>>) -> MutexGuard<'s, State<K>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// The work of one thread.
    fn work(&self, take: &dyn Fn(&mut K, &EventRows) -> Result<()>) -> Result<()> {
        let mut reader = EventReader::new()?;
        loop {
            let mut state = self.lock();
            let file = loop {
                if state.failed {
                    return Ok(());
                }
                if !state.waiting.is_empty() && !state.free.is_empty() {
                    break None;
                }
                if let Some(file) = self.files.get(state.next).filter(|_| state.waiting.len() < self.most) {
                    state.next += 1;
                    state.reading += 1;
                    break Some(file);
                }
                if state.waiting.is_empty() && state.reading == 0 && state.next >= self.files.len() {
                    return Ok(());
                }
                state = self.wait(state);
            };
            drop(state);
            match file {
                Some(file) => {
                    let read = self.read(&mut reader, file, take);
                    self.lock().reading -= 1;
                    self.changed.notify_all();
                    read?;
                }
                None => self.take_one(take)?,
            }
        }
    }

    /// Reads a file; takes events itself where too many wait.
    fn read(&self, reader: &mut EventReader, file: &Path, take: &dyn Fn(&mut K, &EventRows) -> Result<()>) -> Result<()> {
        reader.read(file, self.columns, |rows| {
            let mut state = self.lock();
            while state.waiting.len() >= self.most && !state.failed {
                if state.free.is_empty() {
                    state = self.wait(state);
                } else {
                    drop(state);
                    self.take_one(take)?;
                    state = self.lock();
                }
            }
            state.waiting.push_back(rows);
            self.changed.notify_one();
            Ok(())
        })
    }

    /// Takes the events that wait longest, if there are some and a kernel is free.
    fn take_one(&self, take: &dyn Fn(&mut K, &EventRows) -> Result<()>) -> Result<()> {
        let mut state = self.lock();
        let Some(mut kernel) = state.free.pop() else { return Ok(()) };
        let rows = state.waiting.pop_front();
        drop(state);
        let taken = rows.map_or(Ok(()), |rows| take(&mut kernel, &rows));
        self.lock().free.push(kernel);
        self.changed.notify_all();
        taken
    }
}
