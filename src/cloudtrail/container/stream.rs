//! The file as a trail delivers it, read in one pass: `{"Records": [...]}` with whole records and nothing else.
//!
//! Everything unusual is left to the careful reader, which goes on at the record where this one stopped.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Record;

/// Hands the records at the beginning of a delivered file to `each` until it returns `false`, and says how many it
/// took; `whole` is set if that was all that the text holds.
pub(super) fn stream<'t>(text: &'t str, each: impl FnMut(&Record<'t>) -> bool) -> Streamed {
    let mut streamed = Streamed::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let wrapper = Wrapper { each, taken: &mut streamed.taken };
    let read = deserializer.deserialize_map(wrapper).and_then(|()| deserializer.end());
    streamed.whole = read.is_ok();
    streamed
}

/// How far a file was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Streamed {
    /// Records that were handed over.
    pub(super) taken: u64,
    /// Nothing is left.
    pub(super) whole: bool,
}

struct Wrapper<'n, F> {
    each: F,
    taken: &'n mut u64,
}

impl<'de, F: FnMut(&Record<'de>) -> bool> Visitor<'de> for Wrapper<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `Records`")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        if map.next_key::<&str>()? != Some("Records") {
            return Err(A::Error::custom("not as a trail delivers it"));
        }
        map.next_value_seed(Records { each: &mut self.each, taken: self.taken })?;
        match map.next_key::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom("more than a trail delivers")),
        }
    }
}

struct Records<'n, F> {
    each: &'n mut F,
    taken: &'n mut u64,
}

impl<'de, F: FnMut(&Record<'de>) -> bool> DeserializeSeed<'de> for Records<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(&Record<'de>) -> bool> Visitor<'de> for Records<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(record) = seq.next_element::<Record<'de>>()? {
            if !(self.each)(&record) {
                return Err(A::Error::custom("a record that asks for care"));
            }
            *self.taken += 1;
        }
        Ok(())
    }
}
