//! Texts that came a short while ago, which are found without hashing them: by their length and both their ends.

/// Codes of texts: of the last one, since many columns say the same in row after row, and of some before.
#[derive(Debug, Default)]
pub(super) struct Recent {
    last: (Ends, u32),
    /// None, as long as nothing is kept.
    kept: Vec<(Ends, u32)>,
}

impl Recent {
    const KEPT: usize = 1 << Self::BITS;
    const BITS: u32 = 6;

    /// The code of a text with these ends, if it is there; `is_text` says of a code whether it is that of the text.
    #[inline]
    pub(super) fn find(&mut self, ends: Ends, is_text: impl Fn(u32) -> bool) -> Option<u32> {
        let is_same = |known: &(Ends, u32)| known.0 == ends && (ends.are_all() || is_text(known.1));
        if !is_same(&self.last) {
            self.last = *self.kept.get(ends.place()).filter(|known| is_same(known))?;
        }
        Some(self.last.1)
    }

    /// Keeps the code of a text, in place of one that is looked for at the same place.
    #[inline]
    pub(super) fn keep(&mut self, ends: Ends, code: u32) {
        self.last = (ends, code);
        if self.kept.is_empty() {
            self.kept.resize(Self::KEPT, Default::default());
        }
        if let Some(kept) = self.kept.get_mut(ends.place()) {
            *kept = self.last;
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.last = Default::default();
        self.kept.fill(Default::default());
    }
}

/// The length of a text, and its first and last bytes: all of them up to 16.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    first: u64,
    last: u64,
    length: usize,
}

impl Ends {
    /// Those of a text.
    #[inline]
    pub(super) fn of(text: &[u8]) -> Self {
        let half = |bytes: Option<&[u8; 4]>| bytes.map(|bytes| u64::from(u32::from_le_bytes(*bytes)));
        let (first, last) = match (text.first_chunk(), text.last_chunk(), half(text.first_chunk()), half(text.last_chunk())) {
            (Some(first), Some(last), ..) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            (.., Some(first), Some(last)) => (first, last),
            // A bit before them, so that none of those kept at first is a text.
            _ => (text.iter().fold(1, |all, byte| all << 8 | u64::from(*byte)), 0),
        };
        Self { first, last, length: text.len() }
    }

    /// Where it is kept among recent ones.
    #[inline]
    fn place(self) -> usize {
        let mixed = (self.first ^ self.last.rotate_left(29) ^ self.length as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> (u64::BITS - Recent::BITS)) as usize
    }

    /// Whether texts with these ends are equal.
    #[inline]
    fn are_all(self) -> bool {
        self.length <= 16
    }
}
