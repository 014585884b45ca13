//! Who made the calls of a file: mostly somebody who made another one shortly before, with the same credentials. Then what the
//! record says of the caller is the same text, word for word, and need not be found in it again.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cloudtrail::record::Identity;

/// Bits of the numbers by which beginnings of identities are looked up.
const BEGINNINGS: u32 = 8;

/// The same of identities with their access keys.
const CREDENTIALS: u32 = 11;

/// User identities that stood in a text, those of latest.
pub(super) struct Callers<'t> {
    /// By the beginning of an identity, which has the principal's id and the session's name: where in it the id of the access
    /// key stood the last time.
    key_at: [u16; 1 << BEGINNINGS],
    /// By its beginning and the id of its access key: which of `known` it may be, from 1 on.
    number: [u16; 1 << CREDENTIALS],
    known: Vec<Caller<'t>>,
    /// The number of the next one.
    next: u64,
}

/// A user identity.
pub(super) struct Caller<'t> {
    /// As it stands in the text.
    pub(super) text: &'t str,
    pub(super) identity: Rc<Identity<'t>>,
    /// A number that no other caller has, of this or another text.
    pub(super) number: u64,
}

/// Where the numbers of the next text begin.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// How many numbers a text has.
const OF_A_TEXT: u64 = 1 << 32;

impl Default for Callers<'_> {
    fn default() -> Self {
        Self {
            key_at: [0; 1 << BEGINNINGS],
            number: [0; 1 << CREDENTIALS],
            known: Vec::new(),
            next: NEXT.fetch_add(OF_A_TEXT, Ordering::Relaxed),
        }
    }
}

impl<'t> Callers<'t> {
    /// How many there is room for at first: to move a few that are long costs more than to make room for all of a usual file.
    const ROOM: usize = 256;

    /// The identity that a text begins with, if it is known.
    #[inline]
    pub(super) fn of(&self, text: &str) -> Option<&Caller<'t>> {
        let number = *self.number.get(self.place(text.as_bytes())?)?;
        let known = self.known.get(usize::from(number).checked_sub(1)?)?;
        // An object that ends where the known one does: what follows cannot belong to it.
        text.as_bytes().starts_with(known.text.as_bytes()).then_some(known)
    }

    /// Adds an identity that was read from a text, in place of one that is looked up alike; its number, or 0 if it is not added.
    pub(super) fn add(&mut self, text: &'t str, identity: &Rc<Identity<'t>>) -> u64 {
        let Some(beginning) = beginning(text.as_bytes()) else { return 0 };
        let key_at = match &identity.access_key_id.0 {
            Some(Cow::Borrowed(key)) => key.as_ptr().addr().checked_sub(text.as_ptr().addr()).and_then(|at| u16::try_from(at).ok()),
            _ => None,
        };
        if let Some(known) = self.key_at.get_mut((beginning >> (u64::BITS - BEGINNINGS)) as usize) {
            *known = key_at.unwrap_or_default();
        }
        let Some(known) = self.place(text.as_bytes()).and_then(|place| self.number.get_mut(place)) else { return 0 };
        let number = self.next;
        self.next += 1;
        let caller = Caller { text, identity: Rc::clone(identity), number };
        match usize::from(*known).checked_sub(1).and_then(|known| self.known.get_mut(known)) {
            Some(known) => *known = caller,
            None => {
                if self.known.len() == self.known.capacity() {
                    self.known.reserve(self.known.len().max(Self::ROOM));
                }
                self.known.push(caller);
                *known = u16::try_from(self.known.len()).unwrap_or_default();
            }
        }
        number
    }

    /// Where an identity is looked up.
    #[inline]
    fn place(&self, text: &[u8]) -> Option<usize> {
        let beginning = beginning(text)?;
        let key_at = usize::from(*self.key_at.get((beginning >> (u64::BITS - BEGINNINGS)) as usize)?);
        // What keys of one account differ in stands at their end.
        let credentials = mixed(beginning, text.get(key_at..)?.get(4..20)?);
        Some((credentials >> (u64::BITS - CREDENTIALS)) as usize)
    }
}

/// A number of what an identity begins with, beyond its type.
#[inline]
fn beginning(text: &[u8]) -> Option<u64> {
    text.get(36..84).map(|text| mixed(0, text))
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

    fn text(session: &str, key: &str, more: &str) -> String {
        format!(
            r#"{{"type":"AssumedRole","principalId":"AROAEXAMPLEEXAMPLE000:{session}","arn":"arn:aws:sts::111122223333:assumed-role/ops/{session}","accessKeyId":"{key}"{more}}}"#
        )
    }

    fn read(text: &str) -> Rc<Identity<'_>> {
        Rc::new(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn only_what_stood_there_word_for_word_is_known() {
        let texts = [
            text("alice", "ASIAEXAMPLE000000001", ""),
            text("alice", "ASIAEXAMPLE000000002", ""),
            text("bob", "ASIAEXAMPLE000000001", ""),
            text("bob", "ASIAEXAMPLE000000001", r#","invokedBy":"x""#),
            r#"{"type":"AWSService","invokedBy":"workmail.amazonaws.com","a":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#.to_owned(),
        ];
        let (mut callers, mut before) = (Callers::default(), 0);
        for one in &texts {
            assert!(callers.of(one).is_none(), "{one}");
            let added = callers.add(one, &read(one));
            assert!(added > before, "{added} after {before}");
            before = added;
            let followed = format!("{one},\"eventTime\":\"\"");
            let known = callers.of(&followed).map(|known| (known.text, known.number, format!("{:?}", known.identity)));
            assert_eq!(known, Some((one.as_str(), added, format!("{:?}", read(one)))));
            assert!(callers.of(one.get(..one.len() - 1).unwrap()).is_none());
        }
        // Both of alice stay known: they have another key.
        assert!(callers.of(&texts[0]).is_some() && callers.of(&texts[1]).is_some());
        assert!(callers.of("").is_none() && callers.of("{}").is_none());
        assert_ne!(Callers::default().next, Callers::default().next);
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let texts: Vec<String> = (0..20_000).map(|key| text("alice", &format!("ASIAEXAMPLE0000{key:05}"), "")).collect();
        let mut callers = Callers::default();
        for one in &texts {
            callers.add(one, &read(one));
            assert!(callers.of(one).is_some());
        }
        assert!(callers.known.len() > 1_000 && callers.known.len() <= 1 << CREDENTIALS, "{}", callers.known.len());
    }
}
