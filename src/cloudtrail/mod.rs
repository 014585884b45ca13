//! The CloudTrail log format: text in, records out.
//!
//! Decoding never fails as a whole: what is not a record is a [`Skipped`] with its reason, and the rest goes on.

pub mod columns;
pub mod container;
pub mod denial;
pub mod json;
mod record;
mod skipped;

pub use container::{Sink, decode, holds_record, may_hold_records};
pub use record::{Identity, Lax, Record, SessionContext, SessionIssuer, TlsDetails, event_time};
pub use skipped::{SkipReason, Skipped, without_secrets, written_out};
