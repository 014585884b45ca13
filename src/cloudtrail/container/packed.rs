//! Records that travel in base64, mostly of gzip: the payload of a CloudWatch Logs subscription, what Kinesis hands on of it.
//!
//! CloudWatch Logs user guide, "Real-time processing of log data with subscriptions".

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::MultiGzDecoder;

use super::salvage::told;
use super::{Decoder, Sink, SkipReason, read_value, shorten};

/// How gzip begins in base64.
const GZIP: &str = "H4sI";
/// How an object begins in base64.
const OBJECT: &str = "eyJ";

/// The most bytes that a payload may inflate to: CloudWatch Logs sends at most one megabyte, compressed.
const MOST: u64 = 256 << 20;

/// Whether a text begins as a payload does.
pub(super) fn is_packed(text: &str) -> bool {
    text.starts_with(GZIP) || text.starts_with(OBJECT)
}

/// What is in a payload, or why it cannot be had.
fn unpacked(payload: &str) -> Result<String, String> {
    let payload: String = payload.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(&payload).map_err(|error| format!("base64 that cannot be read: {error}"))?;
    if !payload.starts_with(GZIP) {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    let mut plain = Vec::new();
    let read = MultiGzDecoder::new(bytes.as_slice()).take(MOST + 1).read_to_end(&mut plain);
    match read {
        Ok(_) if plain.len() as u64 > MOST => Err(format!("it inflates to more than {MOST} bytes")),
        Ok(_) => Ok(String::from_utf8_lossy(&plain).into_owned()),
        Err(error) => Err(format!("broken gzip in base64: {error}")),
    }
}

impl<S: Sink> Decoder<'_, S> {
    /// Takes what is in the payloads of a text: one, however its lines are broken, or one a line.
    pub(super) fn payloads(&mut self, text: &str) {
        match text.trim().lines().skip(1).any(is_packed) {
            true => text.lines().map(str::trim).filter(|line| !line.is_empty()).for_each(|line| self.whole_payload(line)),
            false => self.whole_payload(text.trim()),
        }
    }

    fn whole_payload(&mut self, payload: &str) {
        if !self.payload(payload, 0) {
            self.skip(SkipReason::BrokenJson, &format!("no JSON: it begins `{}`", shorten(payload)), payload);
        }
    }

    /// Takes what is in a payload; `false` of a text that is none.
    pub(super) fn payload(&mut self, payload: &str, depth: usize) -> bool {
        let text = match unpacked(payload) {
            Ok(text) => text,
            Err(why) if payload.starts_with(GZIP) => {
                self.skip(SkipReason::NotCloudtrail, &why, payload);
                return true;
            }
            // Tokens of sessions begin as objects do.
            Err(_) => return false,
        };
        let mut rest = text.trim();
        if rest.is_empty() {
            self.skip(SkipReason::NotCloudtrail, "a payload that holds nothing", payload);
        }
        while !rest.is_empty() {
            match read_value(rest) {
                Ok((raw, length)) => {
                    self.item(raw.get(), depth);
                    rest = rest.get(length..).unwrap_or_default().trim_start();
                }
                Err(error) => {
                    self.skip(SkipReason::BrokenJson, &format!("in a payload: {}", told(&error, rest)), rest);
                    break;
                }
            }
        }
        true
    }
}
