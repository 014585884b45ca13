//! Conditions: section 3 of the specification.

use std::cmp::Ordering;
use std::net::IpAddr;

use serde_json::Value;

use super::policy::{Request, Token, expand, glob, texts, tokens};

/// The 27 bases of 3, in their canonical spelling.
pub(crate) const BASES: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnNotEquals",
    "ArnLike",
    "ArnNotLike",
    "Null",
];

/// `[ForAllValues:|ForAnyValue:] base [IfExists]` (1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) set: Option<Set>,
    /// Without its `Not`.
    pub(crate) base: &'static str,
    pub(crate) negated: bool,
    pub(crate) if_exists: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    All,
    Any,
}

impl Operator {
    /// `None` = unknown, or `NullIfExists`. Names are case-insensitive [A-OPCASE].
    pub(crate) fn parse(name: &str) -> Option<Operator> {
        let name = name.to_ascii_lowercase();
        let (set, name) = match name.split_once(':') {
            Some(("forallvalues", rest)) => (Some(Set::All), rest.to_owned()),
            Some(("foranyvalue", rest)) => (Some(Set::Any), rest.to_owned()),
            Some(_) => return None,
            None => (None, name),
        };
        let (name, if_exists) = match name.strip_suffix("ifexists") {
            Some(base) => (base, true),
            None => (name.as_str(), false),
        };
        let found = BASES.iter().find(|base| base.eq_ignore_ascii_case(name))?;
        let positive = found.replacen("Not", "", 1);
        let base = BASES.iter().find(|base| **base == positive)?;
        (*base != "Null" || !if_exists).then_some(Operator { set, base, negated: positive != *found, if_exists })
    }

    /// 2.4: String*, Arn* and, by A-BOOLVAR, Bool.
    pub(crate) fn takes_variables(self) -> bool {
        self.base.starts_with("String") || self.base.starts_with("Arn") || self.base == "Bool"
    }
}

/// 1.2 and 1.5: object of objects of scalars or lists of scalars; unknown operators are refused if they have a key.
pub(crate) fn is_refused(condition: &Value) -> bool {
    let scalar = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    let values = |value: &Value| value.as_array().map_or(scalar(value), |list| list.iter().all(scalar));
    let Some(operators) = condition.as_object() else { return true };
    operators.iter().any(|(name, block)| match block.as_object() {
        Some(keys) => !keys.is_empty() && (Operator::parse(name).is_none() || !keys.values().all(values)),
        None => true,
    })
}

/// 3.1: AND over operators, AND over the keys of each.
pub(crate) fn holds(condition: &Value, variables: bool, request: &Request) -> bool {
    condition.as_object().into_iter().flatten().all(|(name, block)| {
        let keys = block.as_object().into_iter().flatten();
        Operator::parse(name)
            .is_none_or(|operator| keys.into_iter().all(|(key, values)| entry(operator, key, &texts(values), variables, request)))
    })
}

/// 3.2: one (operator, key, policy values) entry.
pub(crate) fn entry(operator: Operator, key: &str, wanted: &[String], variables: bool, request: &Request) -> bool {
    let present = request.values(key);
    if operator.base == "Null" {
        // 3.2 [DOC "Null with qualifier"], A-EMPTY.
        let is_null = present.is_none_or(|values| values.iter().all(String::is_empty));
        return match operator.set {
            Some(Set::All) => true,
            Some(Set::Any) => false,
            None => wanted.iter().any(|value| value.eq_ignore_ascii_case(if is_null { "true" } else { "false" })),
        };
    }
    let Some(values) = present else {
        return operator.if_exists
            || match operator.set {
                Some(Set::All) => true,
                Some(Set::Any) => false,
                None => operator.negated,
            };
    };
    let one = |value: &String| wanted.iter().any(|wanted| matches(operator, value, wanted, variables, request));
    let result = |value: &String| one(value) != operator.negated;
    let null = values.iter().all(String::is_empty);
    match operator.set {
        Some(Set::All) => null || values.iter().all(result),
        Some(Set::Any) => !null && values.iter().any(result),
        None if request.is_multivalued(key) => false, // A-MULTI, whatever the number of values
        None => matches!(values, [value] if result(value)), // A-MULTI
    }
}

/// One value of the request against one of the policy, for the positive operator.
fn matches(operator: Operator, value: &str, wanted: &str, variables: bool, request: &Request) -> bool {
    let expanded = if variables && operator.takes_variables() { expand(wanted, request) } else { Some(tokens(wanted)) };
    let Some(pattern) = expanded else { return false }; // 2.4: unresolved equals nothing
    let wanted = text(&pattern);
    let compared = |orders: &[Ordering], found: Option<Ordering>| found.is_some_and(|found| orders.contains(&found));
    let orders: &[Ordering] = match operator.base {
        base if base.ends_with("LessThan") => &[Ordering::Less],
        base if base.ends_with("LessThanEquals") => &[Ordering::Less, Ordering::Equal],
        base if base.ends_with("GreaterThan") => &[Ordering::Greater],
        base if base.ends_with("GreaterThanEquals") => &[Ordering::Greater, Ordering::Equal],
        _ => &[Ordering::Equal],
    };
    match operator.base {
        "StringEquals" => value == wanted,
        "StringEqualsIgnoreCase" => value.to_lowercase() == wanted.to_lowercase(),
        "StringLike" => glob(&pattern, value),
        "Bool" => ["true", "false"].iter().any(|b| value.eq_ignore_ascii_case(b) && wanted.eq_ignore_ascii_case(b)),
        "BinaryEquals" => base64(value).is_some_and(|bytes| Some(bytes) == base64(&wanted)),
        "IpAddress" => in_range(value, &wanted),
        "ArnEquals" | "ArnLike" => arn_like(value, &pattern),
        base if base.starts_with("Numeric") => compared(orders, compare_decimals(value, &wanted)),
        base if base.starts_with("Date") => compared(orders, instant(value).zip(instant(&wanted)).map(|(a, b)| a.cmp(&b))),
        base => unreachable!("{base} is not a base"),
    }
}

/// Tokens as text again, wildcards as they were written.
pub(crate) fn text(pattern: &[Token]) -> String {
    let c = |token: &Token| match token {
        Token::Char(c) => *c,
        Token::Star { .. } => '*',
        Token::Question { .. } => '?',
    };
    pattern.iter().map(c).collect()
}

/// 3.8: six components on both sides, each a glob of its own; the sixth keeps its colons.
fn arn_like(value: &str, pattern: &[Token]) -> bool {
    let components: Vec<&[Token]> = pattern.splitn(6, |token| *token == Token::Char(':')).collect();
    let parts: Vec<&str> = value.splitn(6, ':').collect();
    value.starts_with("arn:")
        && components.len() == 6
        && parts.len() == 6
        && components.iter().zip(&parts).all(|(component, part)| glob(component, part))
}

/// 3.4: `[+-]?digits[.digits][e[+-]digits]`, of any precision.
pub(crate) fn compare_decimals(a: &str, b: &str) -> Option<Ordering> {
    let ((minus_a, a), (minus_b, b)) = (decimal(a)?, decimal(b)?);
    Some(match (minus_a, minus_b) {
        (false, false) => a.cmp(&b),
        (true, true) => b.cmp(&a),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    })
}

/// Sign and (exponent, digits) of `0.digits * 10^exponent`, digits without zeros at either end; zero is (min, "").
fn decimal(text: &str) -> Option<(bool, (i64, String))> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        None => (unsigned, 0),
        Some((mantissa, exponent)) if digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)) => {
            (mantissa, exponent.parse::<i64>().ok()?)
        }
        Some(_) => return None,
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        None => (mantissa, ""),
        Some((whole, fraction)) if digits(fraction) => (whole, fraction),
        Some(_) => return None,
    };
    if !digits(whole) {
        return None;
    }
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    if significant.is_empty() {
        return Some((false, (i64::MIN, String::new())));
    }
    let leading = all.len() - significant.len();
    let exponent = exponent.checked_add(whole.len() as i64 - leading as i64)?;
    Some((text.starts_with('-'), (exponent, significant.trim_end_matches('0').to_owned())))
}

/// 3.5: nanoseconds after 1970; an integer is epoch seconds [A-EPOCH], without a zone UTC [A-TZ].
pub(crate) fn instant(text: &str) -> Option<i128> {
    const SECOND: i128 = 1_000_000_000;
    let number = |part: &str, digits: usize| {
        (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<i128>().ok()).flatten()
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse::<i128>().ok()?.checked_mul(SECOND);
    }
    let (date, time) = match text.split_once(['T', 't']) {
        None => (text, None),
        Some((date, time)) => (date, Some(time)),
    };
    let parts: Vec<&str> = date.split('-').collect();
    let (year, month, day) = match (parts.as_slice(), time) {
        ([year, month], None) => (number(year, 4)?, number(month, 2)?, 1),
        ([year, month, day], _) => (number(year, 4)?, number(month, 2)?, number(day, 2)?),
        _ => return None,
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = lengths.get(usize::try_from(month - 1).ok()?)?;
    if !(1..=*length).contains(&day) {
        return None;
    }
    let before: i128 = lengths.iter().take(month as usize - 1).sum();
    let past = year - 1; // years since 0001, whose 1 January is 719,162 days before 1970
    let days = past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) + before + day - 1 - 719_162;
    let Some(time) = time else { return Some(days * 86_400 * SECOND) };
    let (clock, zone) = match time.find(['Z', 'z', '+', '-']) {
        None => (time, 0),
        Some(at) => match (&time[at..=at], &time[at + 1..]) {
            ("Z" | "z", "") => (&time[..at], 0),
            ("Z" | "z", _) => return None,
            (sign, zone) => {
                let (hours, minutes) = zone.split_once(':')?;
                let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                (&time[..at], (hours * 60 + minutes) * if sign == "-" { -1 } else { 1 })
            }
        },
    };
    let (clock, fraction) = match clock.split_once('.') {
        None => (clock, "0"),
        Some((clock, fraction)) if clock.len() == 8 => (clock, fraction),
        Some(_) => return None,
    };
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let parts: Vec<&str> = clock.split(':').collect();
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (number(hour, 2)?, number(minute, 2)?, 0),
        [hour, minute, second] => (number(hour, 2)?, number(minute, 2)?, number(second, 2)?),
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanoseconds: i128 = format!("{fraction:0<9}")[..9].parse().ok()?;
    Some(((days * 1440 + hour * 60 + minute - zone) * 60 + second) * SECOND + nanoseconds)
}

/// 3.7: base64 with padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let body = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - body.len() > 2 {
        return None;
    }
    let mut bits = Vec::new();
    for c in body.chars() {
        let value = ALPHABET.find(c)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1));
    }
    Some(bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | *bit as u8)).collect())
}

/// First and last address of a CIDR or of a single address, and whether it is IPv6 (3.7: families never match).
pub(crate) fn range(text: &str) -> Option<(bool, u128, u128)> {
    let (address, prefix) = match text.split_once('/') {
        None => (text, None),
        Some((address, prefix)) if !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit()) => {
            (address, Some(prefix.parse::<u32>().ok()?))
        }
        Some(_) => return None,
    };
    let (six, bits, address) = match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(address) => (false, 32, u128::from(u32::from(address))),
        IpAddr::V6(address) => (true, 128, u128::from(address)),
    };
    let host = bits - prefix.filter(|prefix| *prefix <= bits).or(prefix.is_none().then_some(bits))?;
    let mask = u128::MAX.checked_shr(128 - host).unwrap_or(0);
    Some((six, address & !mask, address | mask))
}

fn in_range(text: &str, wanted: &str) -> bool {
    match (range(text), range(wanted)) {
        (Some((six, value, _)), Some((same, first, last))) if !text.contains('/') => six == same && first <= value && value <= last,
        _ => false,
    }
}
