//! One writer at a time: an advisory lock that ends with the process, however it ends.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::frame::parquet;

/// How long is waited after each try, in milliseconds.
const PAUSES: [u64; 6] = [1, 5, 20, 50, 50, 0];

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock `file`; `None` if another process holds it. A file system without locks grants it.
    ///
    /// A process that starts another shares its locks with it for a moment, until that becomes another program: so a lock that was
    /// just given back may seem to be held, and is asked for a few times.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn take(file: &Path) -> Result<Option<Self>> {
        let open = parquet::open_private(file)?;
        for pause in PAUSES {
            match open.try_lock() {
                Ok(()) => return Ok(Some(Self { _file: open })),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(pause)),
                Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                    return Ok(Some(Self { _file: open }));
                }
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", file, error)),
            }
        }
        Ok(None)
    }
}
