//! One writer at a time: an advisory lock that ends with the process, however it ends.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::{Error, Result};
use crate::frame::parquet;

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock `file`; `None` if another process holds it. A file system without locks grants it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn take(file: &Path) -> Result<Option<Self>> {
        let open = parquet::create_private(file)?;
        match open.try_lock() {
            Ok(()) => Ok(Some(Self { _file: open })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => Ok(Some(Self { _file: open })),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", file, error)),
        }
    }
}
