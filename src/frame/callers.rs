//! Callers that stand in the rows of a batch in the making: what is said of one is the same in each of their rows.

/// What a row says of its caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// The codes of the texts, column by column.
    pub(super) codes: [u32; Self::TEXTS],
    pub(super) assumed_root: Option<bool>,
    pub(super) mfa: Option<bool>,
    /// Microseconds since 1970.
    pub(super) session_created: Option<i64>,
}

impl Caller {
    /// How many columns have texts that say who it is.
    pub(super) const TEXTS: usize = 10;
}

/// Callers of a batch, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Callers {
    /// At the place of a number, 0 for none: the number that it is, and what it is.
    known: Vec<(u64, Caller)>,
    /// The places of those that were asked for in vain, and will be entered.
    awaited: Vec<usize>,
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

    /// Whether the caller of a number is there, and still will be once all are entered that were asked for in vain before.
    #[inline]
    pub(super) fn stays(&mut self, number: u64) -> bool {
        let stays = self.get(number).is_some() && !self.awaited.contains(&place(number));
        if !stays && number > 0 {
            self.awaited.push(place(number));
        }
        stays
    }

    /// All are entered that were asked for in vain.
    pub(super) fn end_waiting(&mut self) {
        self.awaited.clear();
    }

    /// Enters a caller.
    #[inline]
    pub(super) fn enter(&mut self, number: u64, caller: Caller) {
        if number == 0 {
            return;
        }
        let place = place(number);
        if self.known.len() <= place {
            let none = Caller { codes: [0; Caller::TEXTS], assumed_root: None, mfa: None, session_created: None };
            self.known.resize((place + 1).next_power_of_two(), (0, none));
        }
        if let Some(known) = self.known.get_mut(place) {
            *known = (number, caller);
        }
    }

    /// Forgets all: another batch begins.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.awaited.clear();
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
        let caller = |code| Caller { codes: [code; Caller::TEXTS], assumed_root: None, mfa: Some(true), session_created: None };
        let code = |callers: &Callers, number| callers.get(number).map(|caller| caller.codes[0]);
        let mut callers = Callers::default();
        callers.enter(0, caller(9));
        assert_eq!([code(&callers, 0), code(&callers, 1)], [None; 2]);
        for number in [1, 2_048, 2_047, 5_000] {
            callers.enter(number, caller(number as u32));
            assert_eq!(code(&callers, number), Some(number as u32));
        }
        callers.enter(1 + 2_048, caller(7));
        assert_eq!([code(&callers, 1), code(&callers, 2_049), code(&callers, 2_048)], [None, Some(7), Some(2_048)]);
        assert_eq!([2_048, 1, 1, 2_049].map(|number| callers.stays(number)), [true, false, false, false], "1 will take its place");
        callers.end_waiting();
        assert!(callers.stays(2_049));
        callers.clear();
        assert_eq!([code(&callers, 2_048), code(&callers, 2_049)], [None; 2]);
    }
}
