//! JSON as programs write it, found without the detours of reading any JSON: texts without escapes, whole numbers, a few
//! levels. What is not so is read by `serde_json`; what that refuses is refused. So what is found here is what `serde_json`
//! finds, and only the way there is shorter.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json_borrow::Value;

/// A value as it stands in a text, and what it is.
#[derive(Debug)]
pub struct Json<'a> {
    /// The text.
    pub text: &'a str,
    /// The value; `None` where it is too deep to be read.
    pub value: Option<Value<'a>>,
}

impl<'a> Json<'a> {
    /// That of a JSON text.
    pub fn new(text: &'a str) -> Self {
        Self { text, value: read(text) }
    }
}

/// The name of a member as it stands before its value: in quotation marks, with a colon. It is compared as two numbers, without a
/// call, which would take longer than to compare.
pub(super) struct Name {
    text: &'static str,
    bytes: [u128; 2],
    /// Which of their bytes the name has.
    mask: [u128; 2],
}

impl Name {
    /// The most bytes of one.
    const LONGEST: usize = 32;

    /// That of a text of up to 32 bytes.
    pub(super) const fn new(text: &'static str) -> Self {
        assert!(text.len() <= Self::LONGEST, "the name of a member is too long");
        let ([mut low, mut high], [mut low_mask, mut high_mask]) = ([0, 0], [0, 0]);
        let (mut rest, mut at) = (text.as_bytes(), 0);
        while let [byte, after @ ..] = rest {
            if at < 16 {
                low |= (*byte as u128) << (8 * at);
                low_mask |= 0xff << (8 * at);
            } else {
                high |= (*byte as u128) << (8 * (at - 16));
                high_mask |= 0xff << (8 * (at - 16));
            }
            (rest, at) = (after, at + 1);
        }
        Self { text, bytes: [low, high], mask: [low_mask, high_mask] }
    }

    /// Whether it is a member's name without quotation marks and colon.
    pub(super) fn is(&self, key: &str) -> bool {
        self.text.get(1..self.text.len() - 2) == Some(key)
    }

    #[inline]
    fn begins(&self, text: &[u8; Self::LONGEST]) -> bool {
        let ([low, high], [low_mask, high_mask]) = (self.bytes, self.mask);
        let half = |bytes: Option<&[u8; 16]>| bytes.map_or(0, |bytes| u128::from_le_bytes(*bytes));
        (half(text.first_chunk()) ^ low) & low_mask | (half(text.last_chunk()) ^ high) & high_mask == 0
    }
}

/// Levels of lists and objects in a value beyond which it is not usual.
const DEPTH: usize = 16;

/// A place in a text.
pub(super) struct Scan<'t> {
    text: &'t str,
    pub(super) at: usize,
    /// Up to where the text is known to have no control characters, line ends among them: up to there none need be looked for.
    clear_to: usize,
    /// Whether one was found.
    has_controls: bool,
}

/// A JSON text as a value; `None` if it is none.
pub fn read(text: &str) -> Option<Value<'_>> {
    let mut scan = Scan::new(text);
    let usual = scan.value(DEPTH).filter(|_| scan.is_at_end());
    usual.or_else(|| serde_json::from_str(text).ok())
}

impl<'t> Scan<'t> {
    /// How many bytes are looked through for control characters at once: they are still in the processor's caches when they are
    /// scanned.
    const STRETCH: usize = 32 << 10;

    /// The beginning of a text.
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, clear_to: 0, has_controls: false }
    }

    /// Looks for control characters up to a place at least; whether there is none.
    #[inline(never)]
    fn is_clear(&mut self, to: usize) -> bool {
        let to = to.max(self.clear_to + Self::STRETCH).min(self.text.len());
        let stretch = self.text.as_bytes().get(self.clear_to..to).unwrap_or_default();
        self.has_controls = stretch.iter().copied().fold(u8::MAX, u8::min) < 0x20;
        self.clear_to = to;
        !self.has_controls
    }

    /// What is left of the text.
    pub(super) fn rest(&self) -> Option<&'t str> {
        self.text.get(self.at..)
    }

    /// What was read from a place on.
    pub(super) fn since(&self, begin: usize) -> Option<&'t str> {
        self.text.get(begin..self.at)
    }

    /// The next byte that is no white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at)? {
                byte if *byte > b' ' => return Some(*byte),
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    /// Passes a byte that has to come next.
    #[inline]
    pub(super) fn token(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Passes a byte if it comes next.
    #[inline]
    pub(super) fn is_next(&mut self, byte: u8) -> bool {
        self.token(byte).is_some()
    }

    /// Passes the comma before another element, or the end of the list or object; whether it is the comma.
    #[inline]
    pub(super) fn follows(&mut self, end: u8) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        (byte == b',' || byte == end).then_some(byte == b',')
    }

    /// Whether only white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// A name and its colon.
    #[inline]
    pub(super) fn key(&mut self) -> Option<&'t str> {
        self.token(b'"')?;
        let key = self.string()?;
        self.token(b':')?;
        Some(key)
    }

    /// Passes a text, if it comes next without white space.
    #[inline]
    pub(super) fn passes(&mut self, text: &str) -> bool {
        let passes = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(text.as_bytes()));
        if passes {
            self.at += text.len();
        }
        passes
    }

    /// Passes the first of some names that comes next without white space; its number.
    #[inline]
    pub(super) fn passes_one(&mut self, names: &[Name]) -> Option<usize> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let next = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut next = [0; Name::LONGEST];
            next.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
            next
        });
        let (number, name) = names.iter().enumerate().find(|(_, name)| name.begins(&next))?;
        self.at += name.text.len();
        Some(number)
    }

    /// The text up to the next quotation mark; `None` if it has escapes, or control characters, which JSON forbids.
    #[inline]
    pub(super) fn string(&mut self) -> Option<&'t str> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let mut length = if self.has_controls { end_of_text(rest) } else { quotation_mark_or_backslash(rest) }?;
        if self.at + length > self.clear_to && !self.has_controls && !self.is_clear(self.at + length) {
            length = end_of_text(rest)?;
        }
        let text = self.text.get(self.at..self.at + length)?;
        self.at += length + 1;
        (*rest.get(length)? == b'"').then_some(text)
    }

    /// `true`, `false` or `null`.
    #[inline]
    pub(super) fn word(&mut self) -> Option<&'static str> {
        ["true", "false", "null"].into_iter().find(|word| self.passes(word))
    }

    /// Any value, and what it is.
    pub(super) fn json(&mut self) -> Option<Json<'t>> {
        self.peek()?;
        let begin = self.at;
        if let Some(value) = self.value(DEPTH) {
            return Some(Json { text: self.text.get(begin..self.at)?, value: Some(value) });
        }
        self.at = begin;
        self.raw().map(Json::new)
    }

    /// Any value, as it stands there.
    pub(super) fn raw(&mut self) -> Option<&'t str> {
        self.peek()?;
        let begin = self.at;
        if self.usual(DEPTH).is_none() {
            self.at = begin;
            let mut values = serde_json::Deserializer::from_str(self.rest()?).into_iter::<&RawValue>();
            values.next()?.ok()?;
            self.at += values.byte_offset();
        }
        self.text.get(begin..self.at)
    }

    /// Passes a usual value.
    fn usual(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.string().map(|_| ())
            }
            b'{' if depth > 0 => self.each(b'}', |scan| scan.key().and_then(|_| scan.usual(depth - 1))),
            b'[' if depth > 0 => self.each(b']', |scan| scan.usual(depth - 1)),
            b'0'..=b'9' => self.number().map(|_| ()),
            _ => self.word().map(|_| ()),
        }
    }

    /// A usual value.
    fn value(&mut self, depth: usize) -> Option<Value<'t>> {
        Some(match self.peek()? {
            b'"' => {
                self.at += 1;
                Value::Str(Cow::Borrowed(self.string()?))
            }
            b'{' if depth > 0 => {
                self.at += 1;
                let mut follows = Some(!self.is_next(b'}'));
                let members = std::iter::from_fn(|| {
                    follows.filter(|follows| *follows)?;
                    let member = self.key().and_then(|key| Some((key, self.value(depth - 1)?)));
                    follows = member.as_ref().and_then(|_| self.follows(b'}'));
                    member
                });
                let members = members.collect();
                follows?;
                Value::Object(members)
            }
            b'[' if depth > 0 => {
                let mut items = Vec::new();
                self.each(b']', |scan| scan.value(depth - 1).map(|item| items.push(item)))?;
                Value::Array(items)
            }
            b'0'..=b'9' => Value::Number(self.number()?.into()),
            _ => match self.word()? {
                "null" => Value::Null,
                word => Value::Bool(word == "true"),
            },
        })
    }

    /// The elements of a list or the members of an object, up to its end.
    fn each(&mut self, end: u8, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        let mut follows = !self.is_next(end);
        while follows {
            each(self)?;
            follows = self.follows(end)?;
        }
        Some(())
    }

    /// A whole number of up to 18 digits, without a sign.
    fn number(&mut self) -> Option<u64> {
        let digits = self.text.as_bytes().get(self.at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = self.text.get(self.at..self.at + digits)?;
        self.at += digits;
        let goes_on = matches!(self.text.as_bytes().get(self.at), Some(b'.' | b'e' | b'E'));
        let is_usual = !goes_on && digits <= 18 && (digits == 1 || !number.starts_with('0'));
        number.parse().ok().filter(|_| is_usual)
    }
}

/// Where the first quotation mark or backslash stands. Most texts are short: to ask which instructions there are would cost more
/// than to search with those that are always there.
#[inline]
fn quotation_mark_or_backslash(text: &[u8]) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if let Some(two) = memchr::arch::x86_64::sse2::memchr::Two::new(b'"', b'\\') {
        return two.find(text);
    }
    memchr::memchr2(b'"', b'\\', text)
}

/// Where the first quotation mark, backslash or control character stands. Apart, so that the usual way stays short.
#[inline(never)]
fn end_of_text(text: &[u8]) -> Option<usize> {
    const LOW: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let mut length = 0;
    while let Some(eight) = text.get(length..).and_then(|rest| rest.first_chunk()) {
        let eight = u64::from_le_bytes(*eight);
        // The lowest byte that one of these marks is truly one of that kind.
        let is_zero = |bytes: u64| bytes.wrapping_sub(LOW) & !bytes & HIGH;
        let controls = eight.wrapping_sub(LOW * 0x20) & !eight & HIGH;
        let found = is_zero(eight ^ (LOW * 0x22)) | is_zero(eight ^ (LOW * 0x5c)) | controls;
        if found != 0 {
            return Some(length + found.trailing_zeros() as usize / 8);
        }
        length += 8;
    }
    let more = text.get(length..)?.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))?;
    Some(length + more)
}

#[cfg(test)]
pub(super) mod tests {
    use rand::{Rng as _, SeedableRng as _};

    use super::*;

    /// What JSON is made of, and what breaks it.
    pub(in crate::cloudtrail) const PIECES: [&str; 24] = [
        "\"",
        "\\",
        "\\u0041",
        ",",
        ":",
        "{",
        "}",
        "[",
        "]",
        "null",
        "true",
        "false",
        "0",
        "12",
        "-",
        ".5",
        "e1",
        "é",
        "\u{1}",
        "\n",
        " ",
        "\"a\":",
        "\"text\"",
        "\"a\":\"b\",",
    ];

    fn usual(text: &str) -> Option<Value<'_>> {
        let mut scan = Scan::new(text);
        scan.value(DEPTH).filter(|_| scan.is_at_end())
    }

    #[test]
    fn usual_values_are_found_without_detours() {
        let text = r#"{"organizationId":"m-1","n":[1,0,999999999999999999,null],"a":{"b":"}","é":true,"c":false},"e":{},"l":[],"n":2}"#;
        assert_eq!(usual(text), serde_json::from_str(text).ok());
        assert_eq!(usual(&text.replace(',', " ,\n\t")), serde_json::from_str(text).ok());
        let unusual =
            ["1.5", "-1", "1e3", "01", "1000000000000000000", r#""\n""#, "\"\n\"", "[1", "{\"a\"}", "nul", "[1,]", "1 2", "", "truex"];
        for text in unusual {
            assert_eq!((usual(text), read(text)), (None, serde_json::from_str(text).ok()), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(DEPTH + 1), "]".repeat(DEPTH + 1));
        assert!(usual(&deep).is_none() && read(&deep).is_some() && read(&"[".repeat(100_000)).is_none());
    }

    #[test]
    fn control_characters_are_found_however_far_on_they_stand() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(12);
        let (mut found, mut refused) = (0, 0);
        for _ in 0..300 {
            let longest = [10, 1_000, 3 * Scan::STRETCH][rng.random_range(0..3)];
            let texts: Vec<String> = (0..rng.random_range(1..30)).map(|_| "a".repeat(rng.random_range(0..longest))).collect();
            let mut text = serde_json::to_string(&texts).unwrap();
            if rng.random() {
                // In a text it is forbidden, between two it is white space.
                text.insert(rng.random_range(0..text.len()), '\n');
            }
            let read: Option<Value<'_>> = serde_json::from_str(&text).ok();
            let usual = usual(&text);
            (found, refused) = (found + u32::from(usual.is_some()), refused + u32::from(usual.is_none()));
            assert!(usual == read, "{} bytes", text.len());
        }
        assert!(found > 100 && refused > 50, "{found} {refused}");
    }

    #[test]
    fn what_is_found_is_what_any_reader_finds() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let (mut found, mut refused) = (0, 0);
        for _ in 0..200_000 {
            let inner: String = (0..rng.random_range(1..6)).map(|_| PIECES[rng.random_range(0..PIECES.len())]).collect();
            let text = match rng.random_range(0..4) {
                0 => inner,
                1 => format!("[{inner}]"),
                2 => format!("{{\"a\":{inner}}}"),
                _ => format!("{{\"a\":[\"b\",{inner}],\"c\":1}}"),
            };
            let read: Option<Value<'_>> = serde_json::from_str(&text).ok();
            match usual(&text) {
                None => refused += 1,
                usual => {
                    found += 1;
                    assert_eq!(usual, read, "{text}");
                }
            }
            let raw: Option<&RawValue> = serde_json::from_str(&text).ok();
            let mut scan = Scan::new(&text);
            let scanned = scan.raw().filter(|_| scan.is_at_end());
            assert_eq!(scanned, raw.map(RawValue::get), "{text}");
        }
        assert!(found > 10_000 && refused > 10_000, "{found} {refused}");
    }
}
