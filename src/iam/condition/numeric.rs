//! Numbers of any size and precision, compared exactly: `10` is `10.0`, 2^53 is not 2^53 + 1.

use std::cmp::Ordering;

/// A decimal number as sign, digits and the power of ten of its first digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    /// Digits without leading or trailing zeros; empty for zero.
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// Reads `[+-]digits[.digits][e[+-]digits]`; no prefix is taken (`10abc` is not a number).
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok().filter(|_| !power.is_empty())?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        let end = digits.iter().rposition(|digit| *digit != b'0').map_or(leading, |at| at + 1);
        let significant = digits.get(leading..end).unwrap_or_default().to_vec();
        if significant.is_empty() {
            return Some(Self { negative: false, digits: significant, exponent: 0 });
        }
        let exponent = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()? + i64::from(power);
        Some(Self { negative, digits: significant, exponent })
    }

    /// Whole numbers around it: every other whole number is on the same side of it as the next of these.
    pub fn around(&self) -> [i64; 4] {
        let beyond = if self.negative { i64::MIN } else { i64::MAX };
        let whole = match self.exponent {
            ..=0 => 0,
            1..19 => self.to_string().split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(beyond),
            _ => beyond,
        };
        [whole.saturating_sub(1), whole, whole.saturating_add(1), whole.saturating_add(2)]
    }

    fn magnitude(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.digits.is_empty() {
            return f.write_str("0");
        }
        let digits = String::from_utf8_lossy(&self.digits);
        let sign = if self.negative { "-" } else { "" };
        match usize::try_from(self.exponent) {
            Ok(whole) if whole > 0 && whole < 30 => {
                let padded = format!("{digits:0<whole$}");
                let (integer, fraction) = padded.split_at_checked(whole).unwrap_or((&padded, ""));
                let point = if fraction.is_empty() { "" } else { "." };
                write!(f, "{sign}{integer}{point}{fraction}")
            }
            _ => write!(f, "{sign}0.{digits}e{}", self.exponent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_whole_numbers_are_beyond_those_around() {
        for text in ["0", "0.5", "-0.5", "-1.5", "7", "7.25", "1e18", "123456789012345678", "1e40", "-1e40", "1e-9"] {
            let number = Decimal::parse(text).unwrap();
            let around = number.around();
            for whole in [-3i64, -2, -1, 0, 1, 2, 3, 6, 7, 8, 9, 1_000, 123_456_789_012_345_678, i64::MAX] {
                let at = around.partition_point(|bound| *bound < whole);
                let whole = Decimal::parse(&whole.to_string()).unwrap();
                // Whatever lies in the same gap compares alike.
                if let Some(next) = around.get(at) {
                    let next = Decimal::parse(&next.to_string()).unwrap();
                    assert!(whole == next || at > 0 || number.cmp(&whole) == Ordering::Greater, "{text} {whole:?}");
                } else {
                    assert_eq!(number.cmp(&whole), Ordering::Less, "{text}");
                }
            }
        }
    }

    #[test]
    fn compares_as_numbers() {
        let parse = |text| Decimal::parse(text).unwrap();
        let ordered = ["-1e3", "-10", "-0.5", "0", "0.05", "0.5", "2", "10", "10.01", "1e3", "9007199254740992", "9007199254740993"];
        for pair in ordered.windows(2) {
            assert!(parse(pair[0]) < parse(pair[1]), "{pair:?}");
        }
        for (a, b) in [("10", "10.0"), ("1e1", "+10"), ("-0", "0.00"), ("0.010", "1e-2")] {
            assert_eq!(parse(a), parse(b));
        }
        for bad in ["", "10abc", ".5", "5.", "e5", "1e", "0x10", "١"] {
            assert!(Decimal::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn prints_as_people_write() {
        for text in ["0", "10", "-12.5", "3600", "9007199254740993"] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), text);
        }
    }
}
