//! What stood in a text, to be found when it stands there again: of all that is looked up alike, the latest.

/// Things by numbers of them whose highest bits tell most apart; `PLACES` is a power of two, up to 32,768.
pub(super) struct Latest<T, const PLACES: usize> {
    /// By the highest bits: which of `known` it may be, from 1 on.
    number: [u16; PLACES],
    known: Vec<T>,
}

impl<T, const PLACES: usize> Default for Latest<T, PLACES> {
    fn default() -> Self {
        Self { number: [0; PLACES], known: Vec::new() }
    }
}

impl<T, const PLACES: usize> Latest<T, PLACES> {
    /// How many there is room for at first: to move a few that are long costs more than to make room for all of a usual file.
    const ROOM: usize = PLACES / 8;

    /// The latest that was put at a number with these highest bits.
    #[inline]
    pub(super) fn get(&self, mixed: u64) -> Option<&T> {
        let number = *self.number.get(Self::place(mixed))?;
        self.known.get(usize::from(number).checked_sub(1)?)
    }

    /// Puts something at a number, in place of what is there.
    pub(super) fn put(&mut self, mixed: u64, latest: T) {
        let Some(number) = self.number.get_mut(Self::place(mixed)) else { return };
        match usize::from(*number).checked_sub(1).and_then(|known| self.known.get_mut(known)) {
            Some(known) => *known = latest,
            None => {
                if self.known.len() == self.known.capacity() {
                    self.known.reserve(self.known.len().max(Self::ROOM));
                }
                self.known.push(latest);
                *number = u16::try_from(self.known.len()).unwrap_or_default();
            }
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    #[inline]
    fn place(mixed: u64) -> usize {
        (mixed >> (u64::BITS - PLACES.ilog2())) as usize
    }
}

/// A number of some bytes, eight by eight, whose highest bits depend on all of them. One word does not wait for the other.
#[inline]
pub(super) fn mixed(number: u64, bytes: &[u8]) -> u64 {
    let (eights, _) = bytes.as_chunks();
    let words = eights.iter().zip(1u32..).map(|(eight, at)| u64::from_le_bytes(*eight).rotate_left(11 * at));
    words.fold(number.rotate_left(5), |all, word| all ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let mut latest: Latest<u64, 64> = Latest::default();
        for thing in 0..5_000u64 {
            let mixed = mixed(0, &thing.to_le_bytes());
            latest.put(mixed, thing);
            assert_eq!(latest.get(mixed), Some(&thing));
        }
        assert!(latest.known.len() > 48 && latest.known.len() <= 64, "{}", latest.known.len());
        assert_eq!(Latest::<u64, 64>::default().get(7), None);
    }
}
