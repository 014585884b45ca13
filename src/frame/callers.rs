//! Callers that stand in the rows of a batch in the making: what is said of one is the same in each of their rows.

/// What a row says of its caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// The row, whose texts are those of the caller.
    pub(super) row: usize,
    pub(super) assumed_root: Option<bool>,
    pub(super) mfa: Option<bool>,
    /// Microseconds since 1970.
    pub(super) session_created: Option<i64>,
}

/// Callers of a batch, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Callers {
    /// At the place of a number, 0 for none: the number that it is, and what it is.
    known: Vec<(u64, Caller)>,
}

impl Callers {
    /// How many are kept: a number takes the place of the one so many before it.
    const KEPT: u64 = 2_048;

    /// The caller of a number; 0 is none.
    #[inline]
    pub(super) fn get(&self, number: u64) -> Option<&Caller> {
        let (known, caller) = self.known.get(place(number))?;
        (number > 0 && *known == number).then_some(caller)
    }

    /// Enters a caller.
    #[inline]
    pub(super) fn enter(&mut self, number: u64, caller: Caller) {
        if number == 0 {
            return;
        }
        let place = place(number);
        if self.known.len() <= place {
            let none = Caller { row: 0, assumed_root: None, mfa: None, session_created: None };
            self.known.resize((place + 1).next_power_of_two(), (0, none));
        }
        if let Some(known) = self.known.get_mut(place) {
            *known = (number, caller);
        }
    }

    /// Forgets all: another batch begins.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }
}

/// Where a number is looked for.
#[inline]
fn place(number: u64) -> usize {
    (number % Callers::KEPT) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_known_until_it_is_another_caller() {
        let caller = |row| Caller { row, assumed_root: None, mfa: Some(true), session_created: None };
        let row = |callers: &Callers, number| callers.get(number).map(|caller| caller.row);
        let mut callers = Callers::default();
        callers.enter(0, caller(9));
        assert_eq!([row(&callers, 0), row(&callers, 1)], [None; 2]);
        for number in [1, 2_048, 2_047, 5_000] {
            callers.enter(number, caller(number as usize));
            assert_eq!(row(&callers, number), Some(number as usize));
        }
        callers.enter(1 + 2_048, caller(7));
        assert_eq!([row(&callers, 1), row(&callers, 2_049), row(&callers, 2_048)], [None, Some(7), Some(2_048)]);
        callers.clear();
        assert_eq!([row(&callers, 2_048), row(&callers, 2_049)], [None; 2]);
    }
}
