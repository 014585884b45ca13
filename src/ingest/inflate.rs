//! Compressed bytes to text bytes: libdeflate for a whole gzip member, flate2 for everything else.

use std::io::Read as _;

/// The most bytes that one file may inflate to.
const LIMIT: usize = 2 << 30;

/// What a file's bytes came to.
#[derive(Debug)]
pub(super) struct Inflated {
    /// The plain bytes, as many as could be had.
    pub(super) bytes: Vec<u8>,
    /// What went wrong after them.
    pub(super) damage: Option<Damage>,
}

/// Why inflating stopped early.
#[derive(Debug)]
pub(super) enum Damage {
    /// The compressed data is broken.
    Broken(String),
    /// More than the limit.
    TooLarge,
}

/// Inflates gzip; other bytes are taken as they are.
pub(super) fn inflate(bytes: Vec<u8>) -> Inflated {
    if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let message = "zstd, which this version does not read: decompress it first (`zstd -d`)".to_owned();
        return Inflated { bytes: Vec::new(), damage: Some(Damage::Broken(message)) };
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Inflated { bytes, damage: None };
    }
    match one_member(&bytes) {
        Some(plain) => Inflated { bytes: plain, damage: None },
        None => all_members(&bytes),
    }
}

/// The fast path: one member, its size taken from the trailer as a hint.
fn one_member(bytes: &[u8]) -> Option<Vec<u8>> {
    let trailer: [u8; 4] = bytes.last_chunk().copied()?;
    let hint = u32::from_le_bytes(trailer) as usize;
    if hint > LIMIT || hint / 1100 > bytes.len() {
        return None;
    }
    let mut plain = vec![0; hint];
    let mut decompressor = libdeflater::Decompressor::new();
    let written = decompressor.gzip_decompress(bytes, &mut plain).ok()?;
    // libdeflate stops after the first member; a size that fits the trailer and no second header means that it was all.
    (written == hint && !has_second_member(bytes)).then_some(plain)
}

/// Whether another member may follow: its header somewhere after the first. Looks only; the slow path decides.
fn has_second_member(bytes: &[u8]) -> bool {
    bytes.get(10..).is_some_and(|rest| memchr::memmem::find(rest, &[0x1f, 0x8b, 0x08]).is_some())
}

fn all_members(bytes: &[u8]) -> Inflated {
    let mut plain = Vec::new();
    let mut reader = flate2::bufread::MultiGzDecoder::new(bytes).take(LIMIT as u64 + 1);
    let result = reader.read_to_end(&mut plain);
    if plain.len() > LIMIT {
        plain.truncate(LIMIT);
        return Inflated { bytes: plain, damage: Some(Damage::TooLarge) };
    }
    Inflated { bytes: plain, damage: result.err().map(|error| Damage::Broken(error.to_string())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn one_and_several_members_are_whole() {
        let one = gzip(b"hello ");
        assert_eq!(inflate(one.clone()).bytes, b"hello ");
        let two = [one, gzip(b"world")].concat();
        let inflated = inflate(two);
        assert_eq!((inflated.bytes.as_slice(), inflated.damage.is_none()), (&b"hello world"[..], true));
        assert_eq!(inflate(b"{}".to_vec()).bytes, b"{}");
    }

    #[test]
    fn a_cut_member_gives_what_it_has() {
        let text: Vec<u8> = (0..100_000u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let mut cut = gzip(&text);
        cut.truncate(cut.len() / 2);
        let inflated = inflate(cut);
        assert!(!inflated.bytes.is_empty() && text.starts_with(&inflated.bytes));
        assert!(matches!(inflated.damage, Some(Damage::Broken(_))));
        assert!(matches!(inflate(vec![0x1f, 0x8b, 8]).damage, Some(Damage::Broken(_))));
    }
}
