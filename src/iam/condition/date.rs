//! Dates of policies and requests: the W3C profile of ISO 8601, or epoch seconds as an integer.
//!
//! All-digit text is epoch seconds, also `2024` (assumption `A-EPOCH`); a missing zone is UTC (`A-TZ`); a date
//! alone is its midnight in UTC.

use jiff::civil::{Date, DateTime};

/// Microseconds since 1970 of a date in one of the accepted forms.
pub fn parse(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        // Beyond 292,000 years every date is before or after all others.
        return Some(text.parse::<i64>().ok()?.saturating_mul(1_000_000));
    }
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let date = parse_date(date)?;
    let Some(time) = time else { return instant(DateTime::from_parts(date, jiff::civil::Time::midnight()), 0) };
    let (clock, offset) = split_zone(time)?;
    let time = parse_clock(clock)?;
    instant(DateTime::from_parts(date, time), offset)
}

/// Microseconds since 1970 as `2026-01-31T08:00:00Z`, with a fraction only where there is one.
pub fn format(microseconds: i64) -> String {
    jiff::Timestamp::from_microsecond(microseconds).map_or_else(|_| microseconds.to_string(), |instant| instant.to_string())
}

fn instant(local: DateTime, offset_seconds: i64) -> Option<i64> {
    let utc = jiff::tz::Offset::UTC.to_timestamp(local).ok()?.as_microsecond();
    utc.checked_sub(offset_seconds.checked_mul(1_000_000)?)
}

fn parse_date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let year = number(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |part| number(part, 2))?;
    let day = parts.next().map_or(Some(1), |part| number(part, 2))?;
    if parts.next().is_some() {
        return None;
    }
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    match time.rfind(['+', '-']) {
        None => Some((time, 0)),
        Some(at) => {
            let (clock, zone) = time.split_at(at);
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let seconds = i64::from(number(hours, 2)?) * 3600 + i64::from(number(minutes, 2)?) * 60;
            Some((clock, if zone.starts_with('-') { -seconds } else { seconds }))
        }
    }
}

fn parse_clock(text: &str) -> Option<jiff::civil::Time> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let hour = number(parts.next()?, 2)?;
    let minute = number(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0), |part| number(part, 2))?;
    if parts.next().is_some() || !fraction.bytes().all(|b| b.is_ascii_digit()) || (text.contains('.') && fraction.is_empty()) {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}").get(..9)?.parse::<i32>().ok()?;
    jiff::civil::Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, i8::try_from(second).ok()?, nanoseconds).ok()
}

fn number(text: &str, width: usize) -> Option<u32> {
    (text.len() == width && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_documented_forms_are_read() {
        let noon = 1_718_452_800_000_000;
        for text in ["2024-06-15T12:00:00Z", "2024-06-15T14:00+02:00", "2024-06-15t12:00:00.000z", "1718452800", "2024-06-15T12:00"] {
            assert_eq!(parse(text), Some(noon), "{text}");
        }
        assert_eq!(parse("2024-06"), parse("2024-06-01T00:00:00Z"));
        assert_eq!(parse("2024"), Some(2_024_000_000));
        assert!(parse("9007199254740992") > parse("9999-12-31"));
        for bad in ["", "2024-*", "2024-13-01", "2024-06-15 12:00:00Z", "2024-06-15T12Z", "yesterday", "2024-06-15T12:00:00+2"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(format(noon), "2024-06-15T12:00:00Z");
    }
}
