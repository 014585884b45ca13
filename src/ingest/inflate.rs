//! Compressed bytes to plain ones: libdeflate for a whole gzip member, flate2 for every other gzip, zstd.

use std::io::Read;

/// The header of a gzip member, deflate being its only method.
const GZIP: &[u8] = &[0x1f, 0x8b, 0x08];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Deflate reaches at most 1032:1; a size in a trailer that asks for more is wrong.
const MOST_RATIO: usize = 1_100;

/// How many places are tried that look like the header of a member, after a damaged one.
const MOST_TRIED: usize = 64;

/// Why inflating stopped early.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// The compressed data is broken.
    Broken(String),
    /// More than the limit.
    TooLarge,
}

/// Whether the bytes begin as gzip or zstd does.
pub(super) fn is_compressed(bytes: &[u8]) -> bool {
    bytes.starts_with(GZIP) || bytes.starts_with(ZSTD) || is_skippable(bytes)
}

/// Whether a zstd frame comes first that holds something else than data, as parallel writers put it there.
fn is_skippable(bytes: &[u8]) -> bool {
    matches!(bytes, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Inflates files one after the other into one buffer.
pub(super) struct Inflater {
    decompressor: libdeflater::Decompressor,
    /// Grows only: filling it with zeros again would cost as much as a tenth of the inflating.
    buffer: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { decompressor: libdeflater::Decompressor::new(), buffer: Vec::new() }
    }
}

impl Inflater {
    /// What this much has grown beyond is not kept for the next file.
    const KEEP: usize = 64 << 20;
    /// How many bytes there is room for at first.
    const LEAST: usize = 1 << 20;

    /// The plain bytes of gzip or zstd, at most `limit`, as many as could be had, and what went wrong after them.
    pub(super) fn inflate(&mut self, bytes: &[u8], limit: u64) -> (&[u8], Option<Damage>) {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if bytes.starts_with(GZIP) {
            if let Some(length) = self.one_member(bytes, limit) {
                return (self.buffer.get(..length).unwrap_or_default(), None);
            }
            return self.members(bytes, limit);
        }
        match zstd::stream::read::Decoder::with_buffer(bytes) {
            Ok(decoder) => self.stream(decoder, limit),
            Err(error) => (&[], Some(Damage::Broken(error.to_string()))),
        }
    }

    /// Frees the buffer if it has grown large.
    pub(super) fn trim(&mut self) {
        if self.buffer.capacity() > Self::KEEP {
            self.buffer = Vec::new();
        }
    }

    /// The fast path: one member, its size taken from the trailer as a hint.
    fn one_member(&mut self, bytes: &[u8], limit: usize) -> Option<usize> {
        let trailer: [u8; 4] = bytes.last_chunk().copied()?;
        let hint = u32::from_le_bytes(trailer) as usize;
        if hint > limit || hint / MOST_RATIO > bytes.len() {
            return None;
        }
        if self.buffer.len() < hint {
            // With room to spare: the files of a log are about as large as each other.
            self.buffer = vec![0; hint + hint / 4];
        }
        let written = self.decompressor.gzip_decompress(bytes, self.buffer.get_mut(..hint)?).ok()?;
        // libdeflate stops after the first member; a size that fits the trailer and no second header means that it was all.
        (written == hint && !has_second_member(bytes)).then_some(written)
    }

    /// Members one after the other, those after a damaged one too. Zeros after the last are padding, as `gzip` takes them.
    fn members(&mut self, mut bytes: &[u8], limit: usize) -> (&[u8], Option<Damage>) {
        self.buffer.clear();
        let mut first_damage = None;
        // How much may come out in the search for members, which is thrown away.
        let mut spare = limit as u64;
        while bytes.iter().any(|byte| *byte != 0) {
            let (damage, rest) = if bytes.starts_with(GZIP) {
                self.member(bytes, limit)
            } else {
                (Some(Damage::Broken(format!("no gzip in the last {} bytes; what is before them was read", bytes.len()))), &[][..])
            };
            match damage {
                None => bytes = rest,
                Some(Damage::TooLarge) => return (&self.buffer, Some(Damage::TooLarge)),
                Some(damage) => {
                    first_damage = first_damage.or(Some(damage));
                    // What is wrong in its checksum only ends where the next one begins. Of what is cut that may have been read as its end.
                    let next = Some(rest).filter(|rest| rest.starts_with(GZIP));
                    bytes = next.or_else(|| next_member(bytes.get(1..)?, &mut spare)).unwrap_or_default();
                    if !bytes.is_empty() {
                        // It does not run into what follows.
                        self.buffer.push(b'\n');
                    }
                }
            }
        }
        (&self.buffer, first_damage)
    }

    /// One member; what is after the place where reading it ended.
    fn member<'b>(&mut self, bytes: &'b [u8], limit: usize) -> (Option<Damage>, &'b [u8]) {
        let before = self.buffer.len();
        let mut member = flate2::bufread::GzDecoder::new(bytes);
        let damage = self.read_on(&mut member, limit);
        let rest = member.into_inner();
        if matches!(damage, Some(Damage::Broken(_))) {
            // What came out in the call that found the damage is lost in it: once more, byte by byte at the end.
            let read = (self.buffer.len() - before) as u64;
            let mut again = flate2::bufread::GzDecoder::new(bytes);
            let skipped = std::io::copy(&mut again.by_ref().take(read), &mut std::io::sink());
            let mut byte = [0];
            while skipped.is_ok() && self.buffer.len() < limit && again.read(&mut byte).is_ok_and(|read| read == 1) {
                self.buffer.extend(byte);
            }
        }
        (damage, rest)
    }

    fn stream(&mut self, mut reader: impl Read, limit: usize) -> (&[u8], Option<Damage>) {
        self.buffer.clear();
        let damage = self.read_on(&mut reader, limit);
        (&self.buffer, damage)
    }

    /// Reads up to the limit, and says what went wrong. The buffer doubles, but not beyond the limit, nor just before it once more:
    /// each time it is there twice for a moment.
    fn read_on(&mut self, reader: &mut impl Read, limit: usize) -> Option<Damage> {
        loop {
            let left = limit.saturating_sub(self.buffer.len()).saturating_add(1);
            let double = self.buffer.len().max(Self::LEAST);
            let more = if left / 2 <= double { left } else { double };
            self.buffer.reserve_exact(more);
            match reader.take(more as u64).read_to_end(&mut self.buffer) {
                _ if self.buffer.len() > limit => {
                    self.buffer.truncate(limit);
                    return Some(Damage::TooLarge);
                }
                Ok(read) if read < more => return None,
                Ok(_) => {}
                Err(error) => return Some(Damage::Broken(error.to_string())),
            }
        }
    }
}

/// Whether another member may follow: what looks like its header, after the first. Looks only; the slow path decides.
fn has_second_member(bytes: &[u8]) -> bool {
    headers(bytes.get(10..).unwrap_or_default()).next().is_some()
}

/// Where members may begin.
fn headers(bytes: &[u8]) -> impl Iterator<Item = usize> {
    memchr::memmem::find_iter(bytes, GZIP).filter(|at| {
        let header = bytes.get(*at..at + 10);
        header.is_some_and(|header| matches!(header, [_, _, _, flags, _, _, _, _, extra, os] if flags & 0xe0 == 0 && matches!(extra, 0 | 2 | 4) && (*os <= 13 || *os == 255)))
    })
}

/// The first member in what is left of a damaged one: one that is whole, or whose end is cut off. Takes what comes out from `spare`.
fn next_member<'b>(bytes: &'b [u8], spare: &mut u64) -> Option<&'b [u8]> {
    for member in headers(bytes).take(MOST_TRIED).filter_map(|at| bytes.get(at..)) {
        let mut plain = flate2::bufread::GzDecoder::new(member).take(*spare);
        let read = std::io::copy(&mut plain, &mut std::io::sink());
        *spare = plain.limit();
        match read {
            Ok(_) => return Some(member),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Some(member),
            Err(_) if *spare == 0 => return None,
            Err(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const LIMIT: u64 = 1 << 30;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 1).unwrap()
    }

    fn numbers() -> Vec<u8> {
        (0..100_000u32).flat_map(|n| n.to_string().into_bytes()).collect()
    }

    #[test]
    fn one_and_several_members_and_frames_are_whole() {
        let mut inflater = Inflater::default();
        for compress in [gzip, zstd] {
            assert_eq!(inflater.inflate(&compress(&numbers()), LIMIT), (&*numbers(), None));
            // A smaller file after a larger one: nothing of the larger one is left.
            assert_eq!(inflater.inflate(&compress(b"hello "), LIMIT), (&b"hello "[..], None));
            for (second, whole) in [("world", "hello world"), ("hello ", "hello hello ")] {
                let two = [compress(b"hello "), compress(second.as_bytes())].concat();
                assert_eq!(inflater.inflate(&two, LIMIT), (whole.as_bytes(), None));
            }
        }
    }

    #[test]
    fn what_is_cut_gives_what_it_has() {
        let mut inflater = Inflater::default();
        for mut cut in [gzip(&numbers()), zstd(&numbers())] {
            cut.truncate(cut.len() / 2);
            let (plain, damage) = inflater.inflate(&cut, LIMIT);
            assert!(!plain.is_empty() && plain.len() < numbers().len() && numbers().starts_with(plain));
            assert!(matches!(damage, Some(Damage::Broken(_))));
        }
        // Damaged in the middle, or only in its checksum, before a member that is whole.
        let whole = gzip(&numbers());
        for (at, least) in [(whole.len() / 2, numbers().len() / 4), (whole.len() - 6, numbers().len())] {
            let mut damaged = whole.clone();
            damaged[at..at + 2].iter_mut().for_each(|byte| *byte ^= 0x55);
            damaged.extend(gzip(b"hello"));
            let (plain, damage) = inflater.inflate(&damaged, LIMIT);
            assert!(matches!(damage, Some(Damage::Broken(_))));
            assert!(plain.ends_with(b"\nhello") && plain.len() > least, "{} of {least}", plain.len());
        }
        let plain = inflater.inflate(&[&whole[..whole.len() / 2], &whole].concat(), LIMIT).0;
        assert!(plain.ends_with(&numbers()) && plain.len() > numbers().len() * 5 / 4, "{}", plain.len());
        // Several in a row whose checksums are wrong.
        let mut wrong = gzip(b"hello");
        let end = wrong.len() - 6;
        wrong[end] ^= 0x55;
        let (plain, damage) = inflater.inflate(&wrong.repeat(3), LIMIT);
        assert_eq!((plain, matches!(damage, Some(Damage::Broken(_)))), (&b"hello\nhello\nhello"[..], true));
        let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"abcd", &zstd(b"hello")].concat();
        assert!(is_compressed(&skippable));
        assert_eq!(inflater.inflate(&skippable, LIMIT), (&b"hello"[..], None));
        for header in [GZIP, ZSTD] {
            assert!(matches!(inflater.inflate(header, LIMIT), (&[], Some(Damage::Broken(_)))));
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let mut inflater = Inflater::default();
        let zeros = vec![0; 50 << 20];
        for bomb in [gzip(&zeros), zstd(&zeros), [gzip(&zeros), gzip(b"{}")].concat()] {
            assert!(bomb.len() < 100_000, "{}", bomb.len());
            let (plain, damage) = inflater.inflate(&bomb, 1 << 20);
            assert_eq!((plain.len(), damage), (1 << 20, Some(Damage::TooLarge)));
            assert!(inflater.buffer.capacity() < 4 << 20, "{}", inflater.buffer.capacity());
        }
        // A trailer that promises 4 GB reserves nothing.
        let mut lies = gzip(b"{}");
        let length = lies.len();
        lies[length - 4..].copy_from_slice(&[0xff; 4]);
        assert!(matches!(inflater.inflate(&lies, u64::MAX), (b"{}", Some(Damage::Broken(_)))));
        assert!(inflater.buffer.capacity() < 4 << 20);
    }
}
