//! Which rows are taken out of some batches.

use crate::error::{Error, Result};

/// Where a row stands: which batch of several, and the row there.
pub type Place = (usize, usize);

/// Rows to take out of some batches: in their new order, and batch by batch.
pub(super) struct Taken<'p> {
    /// In their new order.
    pub(super) all: &'p [Place],
    /// Of each batch, the rows and where each comes to stand.
    pub(super) of_batch: Vec<Vec<(u32, u32)>>,
}

impl<'p> Taken<'p> {
    /// Rows of so many batches.
    ///
    /// # Errors
    /// [`Error::Internal`] for a row of another batch.
    pub(super) fn new(all: &'p [Place], batches: usize) -> Result<Self> {
        let mut of_batch = vec![Vec::new(); batches];
        for (to, (batch, row)) in (0u32..).zip(all) {
            match (of_batch.get_mut(*batch), u32::try_from(*row)) {
                (Some(rows), Ok(row)) => rows.push((row, to)),
                _ => return Err(Error::Internal(format!("row {row} of batch {batch} of {batches}"))),
            }
        }
        Ok(Self { all, of_batch })
    }
}
