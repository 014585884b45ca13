//! `BinaryEquals`: base64 on both sides, compared as bytes; invalid base64 matches nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Decodes base64.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
