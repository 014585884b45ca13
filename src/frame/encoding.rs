//! What pages are made of: texts with their lengths, and numbers as runs of one number with bit-packed groups of eight between
//! them. The format: Parquet's `Encodings.md`, "Plain" and "Run Length Encoding / Bit-Packing Hybrid".

use parquet::errors::{ParquetError, Result};

/// How many bits the numbers up to one take.
pub(super) fn width_of(most: u32) -> u32 {
    u32::BITS - most.leading_zeros()
}

/// A text as in a plain page: its length and its bytes.
pub(super) fn push_text(page: &mut Vec<u8>, text: &[u8]) -> Result<()> {
    let length = u32::try_from(text.len()).map_err(|error| ParquetError::External(Box::new(error)))?;
    page.extend_from_slice(&length.to_le_bytes());
    page.extend_from_slice(text);
    Ok(())
}

/// Numbers of `width` bits as runs of one number, and groups of eight between them. A run begins where a group of one number would.
pub(super) fn push_hybrid(page: &mut Vec<u8>, numbers: &[u32], width: u32) {
    let mut rest = numbers;
    loop {
        let (eights, _) = rest.as_chunks::<8>();
        let groups = eights.iter().take_while(|eight| !is_of_one(eight)).count();
        let Some((before, run)) = rest.split_at_checked(8 * groups).filter(|_| groups < eights.len()) else { break };
        push_groups(page, before, width);
        let Some(first) = run.first() else { break };
        let length = length_of_run(run, *first);
        push_run(page, length, *first, width);
        rest = run.get(length..).unwrap_or_default();
    }
    push_groups(page, rest, width);
}

/// Whether all are one number.
#[inline]
fn is_of_one([first, others @ ..]: &[u32; 8]) -> bool {
    others.iter().fold(0, |differ, number| differ | (number ^ first)) == 0
}

/// How many numbers are one, from the first on.
fn length_of_run(numbers: &[u32], first: u32) -> usize {
    let (chunks, _) = numbers.as_chunks::<32>();
    let is_same = |chunk: &&[u32; 32]| chunk.iter().fold(0, |differ, number| differ | (number ^ first)) == 0;
    let length = 32 * chunks.iter().take_while(is_same).count();
    length + numbers.iter().skip(length).take_while(|number| **number == first).count()
}

pub(super) fn push_run(page: &mut Vec<u8>, length: usize, number: u32, width: u32) {
    if length > 0 {
        push_varint(page, length << 1);
        page.extend(number.to_le_bytes().iter().take(width.div_ceil(8) as usize));
    }
}

fn push_groups(page: &mut Vec<u8>, numbers: &[u32], width: u32) {
    if numbers.is_empty() {
        return;
    }
    let groups = numbers.len().div_ceil(8);
    push_varint(page, groups << 1 | 1);
    page.reserve(groups * width as usize);
    let (eights, rest) = numbers.as_chunks();
    eights.iter().for_each(|eight| push_group(page, eight, width));
    if !rest.is_empty() {
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(to, number)| *to = *number);
        push_group(page, &last, width);
    }
}

#[inline]
fn push_group(page: &mut Vec<u8>, eight: &[u32; 8], width: u32) {
    let end = page.len() + width as usize;
    match width {
        ..=8 => page.extend_from_slice(&eight.iter().rev().fold(0u64, |word, number| word << width | u64::from(*number)).to_le_bytes()),
        9..=16 => page.extend_from_slice(&eight.iter().rev().fold(0u128, |word, number| word << width | u128::from(*number)).to_le_bytes()),
        _ => {
            let (mut bits, mut held) = (0u64, 0);
            for number in eight {
                bits |= u64::from(*number) << held;
                held += width;
                if held >= 32 {
                    page.extend_from_slice(&(bits as u32).to_le_bytes());
                    bits >>= 32;
                    held -= 32;
                }
            }
            page.extend_from_slice(&bits.to_le_bytes());
        }
    }
    page.truncate(end);
}

fn push_varint(page: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        page.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    page.push((number & 0x7f) as u8);
}

/// The next text of a plain page; `None` if it ends before it.
#[inline]
pub(super) fn pull_text<'p>(page: &mut &'p [u8]) -> Option<&'p [u8]> {
    let (length, rest) = page.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *page = rest;
    Some(text)
}

/// Takes so many numbers of `width` bits from runs and groups, as [`push_hybrid`] writes them; `None` if there are fewer.
pub(super) fn pull_hybrid(bytes: &[u8], width: u32, count: usize, numbers: &mut Vec<u32>) -> Option<()> {
    numbers.reserve(count);
    let mut runs = Hybrid::new(bytes, width);
    while runs.end < count {
        runs.next_run()?;
        let length = runs.end.min(count) - runs.begin;
        match runs.run {
            Run::Same(number) => numbers.resize(numbers.len() + length, number),
            Run::Groups(groups) => unpack(groups, width as usize, length, numbers),
        }
    }
    Some(())
}

/// Adds so many numbers of `width` bits from groups of eight.
fn unpack(groups: &[u8], width: usize, count: usize, numbers: &mut Vec<u32>) {
    /// The bytes of the widest group, and those that are read beyond its last number.
    const BYTES: usize = 32 + 8;
    let mask = (1u64 << width) - 1;
    // Where each number of a group begins: the byte, and the bit there.
    let begins: [(usize, usize); 8] = std::array::from_fn(|number| (number * width / 8, number * width % 8));
    let mut last = [0; BYTES];
    for group in (0..count).step_by(8) {
        let rest = groups.get(group / 8 * width..).unwrap_or_default();
        let bytes = rest.first_chunk::<BYTES>().unwrap_or_else(|| {
            last.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
            &last
        });
        let eight = begins.map(|(byte, bit)| {
            let from = bytes.get(byte..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes));
            (from >> bit & mask) as u32
        });
        numbers.extend_from_slice(eight.get(..count - group).unwrap_or(&eight));
    }
}

/// Numbers as [`push_hybrid`] writes them, asked for here and there, in order.
pub(super) struct Hybrid<'p> {
    rest: &'p [u8],
    width: u32,
    /// Where the run at hand begins, and its end.
    begin: usize,
    end: usize,
    run: Run<'p>,
}

enum Run<'p> {
    Same(u32),
    Groups(&'p [u8]),
}

impl<'p> Hybrid<'p> {
    /// Numbers of `width` bits.
    pub(super) fn new(bytes: &'p [u8], width: u32) -> Self {
        Self { rest: bytes, width, begin: 0, end: 0, run: Run::Same(0) }
    }

    /// The number at a place, which is not before the last one; `None` if there are fewer.
    #[inline]
    pub(super) fn at(&mut self, place: usize) -> Option<u32> {
        while place >= self.end {
            self.next_run()?;
        }
        Some(match self.run {
            Run::Same(number) => number,
            Run::Groups(groups) => number_at(groups, place - self.begin, self.width),
        })
    }

    fn next_run(&mut self) -> Option<()> {
        // A page of a damaged file may say anything.
        (self.width <= u32::BITS).then_some(())?;
        let header = pull_varint(&mut self.rest)?;
        let length = header >> 1;
        // A run of nothing would never end.
        (length > 0).then_some(())?;
        let (run, numbers, rest) = if header & 1 == 0 {
            let (number, rest) = self.rest.split_at_checked(self.width.div_ceil(8) as usize)?;
            (Run::Same(number_of(number)), length, rest)
        } else {
            let (groups, rest) = self.rest.split_at_checked(length.checked_mul(self.width as usize)?)?;
            (Run::Groups(groups), length.checked_mul(8)?, rest)
        };
        self.begin = self.end;
        self.end = self.begin.checked_add(numbers)?;
        (self.run, self.rest) = (run, rest);
        Some(())
    }
}

/// A number of `width` bits among groups of eight.
#[inline]
fn number_at(groups: &[u8], place: usize, width: u32) -> u32 {
    (bits_at(groups, place * width as usize) & ((1 << width) - 1)) as u32
}

/// Flags, one for each row, with how many of those before it are set.
#[derive(Debug, Default)]
pub(super) struct Ranks {
    words: Vec<u64>,
    /// How many are set before each word.
    before: Vec<u32>,
}

impl Ranks {
    /// Takes so many flags, as [`push_hybrid`] writes numbers of one bit; `None` if there are fewer.
    pub(super) fn fill(&mut self, flags: &[u8], rows: usize) -> Option<()> {
        self.words.clear();
        self.words.resize(rows.div_ceil(64), 0);
        let mut runs = Hybrid::new(flags, 1);
        while runs.end < rows {
            runs.next_run()?;
            let (mut at, end) = (runs.begin, runs.end.min(rows));
            while at < end {
                // Up to the end of a word, of the run, and of what is read at once.
                let count = (64 - at % 64).min(end - at).min(64 - (at - runs.begin) % 8);
                let bits = match runs.run {
                    Run::Same(flag) => {
                        if flag == 0 {
                            0
                        } else {
                            u64::MAX
                        }
                    }
                    Run::Groups(groups) => bits_at(groups, at - runs.begin),
                };
                if let Some(word) = self.words.get_mut(at / 64) {
                    *word |= (bits & (u64::MAX >> (64 - count))) << (at % 64);
                }
                at += count;
            }
        }
        let mut ones = 0;
        self.before.clear();
        self.before.extend(self.words.iter().map(|word| {
            let before = ones;
            ones += word.count_ones();
            before
        }));
        Some(())
    }

    /// How many flags are set before that of a row, if that is set.
    #[inline]
    pub(super) fn before(&self, row: usize) -> Option<usize> {
        let (word, before) = (self.words.get(row / 64)?, self.before.get(row / 64)?);
        let is_set = word >> (row % 64) & 1 == 1;
        is_set.then(|| *before as usize + (word & ((1 << (row % 64)) - 1)).count_ones() as usize)
    }
}

/// The bits from a place on: 57 at least, 64 from the beginning of a byte on, if there are so many.
#[inline]
fn bits_at(groups: &[u8], place: usize) -> u64 {
    let rest = groups.get(place / 8..).unwrap_or_default();
    let bits = match rest.first_chunk() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => rest.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte)),
    };
    bits >> (place % 8)
}

fn number_of(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// The number that all of so many numbers of at most eight bits are, if one run holds them.
pub(super) fn same_in_all(mut bytes: &[u8], count: usize) -> Option<u32> {
    let header = pull_varint(&mut bytes)?;
    (header & 1 == 0 && header >> 1 >= count).then(|| bytes.first().map(|number| u32::from(*number))).flatten()
}

fn pull_varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in (0..u32::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= usize::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};

    use super::*;

    #[test]
    fn numbers_wider_than_any_are_refused() {
        let bytes = [[3; 255], [2; 255]].concat();
        for width in [33, 64, 200, 255] {
            assert_eq!(pull_hybrid(&bytes, width, 8, &mut Vec::new()), None);
            assert_eq!(Hybrid::new(&bytes, width).at(0), None);
        }
    }

    #[test]
    fn numbers_are_found_where_they_stand() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
        for width in [0, 1, 1, 1, 2, 5, 8, 9, 13, 17, 31, 32] {
            let mut numbers: Vec<u32> = Vec::new();
            while numbers.len() < 3_000 {
                let number = rng.random_range(0..=((1u64 << width) - 1)) as u32;
                numbers.extend(std::iter::repeat_n(number, if rng.random_bool(0.1) { rng.random_range(1..100) } else { 1 }));
            }
            let mut bytes = Vec::new();
            push_hybrid(&mut bytes, &numbers, width);
            let mut all = Vec::new();
            pull_hybrid(&bytes, width, numbers.len(), &mut all).unwrap();
            assert!(all == numbers, "width {width}");
            let (mut found, mut ranks) = (Hybrid::new(&bytes, width), Ranks::default());
            if width == 1 {
                ranks.fill(&bytes, numbers.len()).unwrap();
                assert_eq!(ranks.fill(&bytes, numbers.len() + 64), None);
                ranks.fill(&bytes, numbers.len()).unwrap();
            }
            for (place, number) in numbers.iter().enumerate().filter(|_| rng.random_bool(0.3)) {
                assert_eq!(found.at(place), Some(*number), "{place} of width {width}");
                let before = numbers.iter().take(place).filter(|number| **number == 1).count();
                if width == 1 {
                    assert_eq!(ranks.before(place), (*number == 1).then_some(before), "{place}");
                }
            }
            assert_eq!(found.at(numbers.len() + 8), None);
        }
    }
}
