//! What was not kept, and why.

use sha2::{Digest, Sha256};

/// Something that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Position among the records of the file; `None` for the file as a whole.
    pub index: Option<u64>,
    /// Why.
    pub reason: SkipReason,
    /// The reader's own words, with the input where it helps.
    pub detail: String,
    /// Length in bytes.
    pub length: u64,
    /// SHA-256 of the bytes, in hex.
    pub sha256: String,
    /// Microseconds since 1970, where the record had a readable time.
    pub event_time: Option<i64>,
}

/// Why something was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SkipReason {
    /// The file cannot be opened or read.
    UnreadableFile,
    /// The file is empty.
    EmptyFile,
    /// The compressed data is damaged.
    BrokenCompression,
    /// Not JSON at this place.
    BrokenJson,
    /// A row that does not fit the header of its table.
    BrokenCsv,
    /// The text ends inside a record.
    Truncated,
    /// JSON, but a string, number or the like where a record is expected.
    NotAnObject,
    /// An object, but not a CloudTrail record.
    NotARecord,
    /// Something known that looks like a CloudTrail record and is none: a notification, another log.
    NotCloudtrail,
    /// A CloudTrail Insights record: not an API call.
    Insight,
    /// A digest file.
    Digest,
    /// No `eventTime`, or one that cannot be read.
    NoEventTime,
    /// Larger than the limit.
    TooLarge,
}

impl SkipReason {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnreadableFile => "unreadable_file",
            Self::EmptyFile => "empty_file",
            Self::BrokenCompression => "broken_compression",
            Self::BrokenJson => "broken_json",
            Self::BrokenCsv => "broken_csv",
            Self::Truncated => "truncated",
            Self::NotAnObject => "not_an_object",
            Self::NotARecord => "not_a_record",
            Self::NotCloudtrail => "not_cloudtrail",
            Self::Insight => "insight",
            Self::Digest => "digest",
            Self::NoEventTime => "no_event_time",
            Self::TooLarge => "too_large",
        }
    }
}

impl Skipped {
    /// Skips `bytes` for `reason`.
    pub fn new(index: Option<u64>, reason: SkipReason, detail: impl Into<String>, bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { index, reason, detail: detail.into(), length: bytes.len() as u64, sha256, event_time: None }
    }
}
