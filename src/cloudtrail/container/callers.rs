//! Who made the calls of a file: mostly somebody who made another one shortly before, with the same credentials. Then what the
//! record says of the caller is the same text, word for word, and need not be found in it again.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::latest::{Latest, mixed};
use crate::cloudtrail::record::Identity;

/// Bits of the numbers by which beginnings of identities are looked up.
const BEGINNINGS: u32 = 8;

/// User identities that stood in a text, those of latest.
pub(super) struct Callers<'t> {
    /// By the beginning of an identity, which has the principal's id and the session's name: where in it the id of the access
    /// key stood the last time.
    key_at: [u16; 1 << BEGINNINGS],
    /// By its beginning and the id of its access key.
    known: Latest<Caller<'t>, 2_048>,
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
        Self { key_at: [0; 1 << BEGINNINGS], known: Latest::default(), next: NEXT.fetch_add(OF_A_TEXT, Ordering::Relaxed) }
    }
}

impl<'t> Callers<'t> {
    /// The identity that a text begins with, if it is known.
    #[inline]
    pub(super) fn of(&self, text: &str) -> Option<&Caller<'t>> {
        let known = self.known.get(self.credentials(text.as_bytes())?)?;
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
        let Some(credentials) = self.credentials(text.as_bytes()) else { return 0 };
        let number = self.next;
        self.next += 1;
        self.known.put(credentials, Caller { text, identity: Rc::clone(identity), number });
        number
    }

    /// A number of an identity: of its beginning and its access key.
    #[inline]
    fn credentials(&self, text: &[u8]) -> Option<u64> {
        let beginning = beginning(text)?;
        let key_at = usize::from(*self.key_at.get((beginning >> (u64::BITS - BEGINNINGS)) as usize)?);
        // What keys of one account differ in stands at their end.
        Some(mixed(beginning, text.get(key_at..)?.get(4..20)?))
    }
}

/// A number of what an identity begins with, beyond its type.
#[inline]
fn beginning(text: &[u8]) -> Option<u64> {
    text.get(36..84).map(|text| mixed(0, text))
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
        assert!(callers.known.len() > 1_000 && callers.known.len() <= 2_048, "{}", callers.known.len());
    }
}
