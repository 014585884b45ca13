//! One CloudTrail record: borrowed text, only the fields that are used.
//!
//! Logs hold numbers where texts belong and the other way round: [`Lax`] takes any scalar, [`Nested`] passes over what
//! is not an object.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde_json::value::RawValue;

use super::columns::Untold;
use super::json::Json;

/// A scalar as text; null, lists and objects are nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lax<'a>(pub Option<Cow<'a, str>>);

impl Lax<'_> {
    /// The text, unless it is missing or empty.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }

    /// Whether it is `true`, as a boolean or as text.
    pub fn is_true(&self) -> bool {
        self.get().is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// A boolean, given as boolean or as text, also as databases and data frames write it.
    pub fn boolean(&self) -> Option<bool> {
        const TRUE: [&str; 5] = ["true", "t", "yes", "1", "1.0"];
        const FALSE: [&str; 5] = ["false", "f", "no", "0", "0.0"];
        match self.get()? {
            "true" => Some(true),
            "false" => Some(false),
            text if TRUE.iter().any(|word| text.eq_ignore_ascii_case(word)) => Some(true),
            text if FALSE.iter().any(|word| text.eq_ignore_ascii_case(word)) => Some(false),
            _ => None,
        }
    }
}

struct LaxVisitor;

impl<'de> Visitor<'de> for LaxVisitor {
    type Value = Lax<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Lax(Some(Cow::Borrowed(text))))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Lax(Some(Cow::Owned(text.to_owned()))))
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Lax(Some(Cow::Borrowed(if flag { "true" } else { "false" }))))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Lax(Some(Cow::Owned(number.to_string()))))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Lax(Some(Cow::Owned(number.to_string()))))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Lax(Some(Cow::Owned(number.to_string()))))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Lax(None))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Lax(None))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Lax(None))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Lax<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LaxVisitor)
    }
}

/// An object, or nothing where something else stands.
#[derive(Debug, Clone)]
pub struct Nested<T>(pub Option<T>);

impl<T> Default for Nested<T> {
    fn default() -> Self {
        Self(None)
    }
}

struct NestedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NestedVisitor<T> {
    type Value = Nested<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|value| Nested(Some(value)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Nested(None))
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Nested(None))
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Nested(None))
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Nested(None))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Nested(None))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Nested(None))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Nested(None))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nested<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NestedVisitor(PhantomData))
    }
}

/// A CloudTrail record. Field meanings: CloudTrail user guide, record contents.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
#[expect(missing_docs, reason = "the fields have the names of the record's members, documented by AWS")]
pub struct Record<'a> {
    pub event_version: Lax<'a>,
    #[serde(deserialize_with = "shared")]
    pub user_identity: Nested<Rc<Identity<'a>>>,
    pub event_time: Lax<'a>,
    pub event_source: Lax<'a>,
    pub event_name: Lax<'a>,
    pub aws_region: Lax<'a>,
    #[serde(rename = "sourceIPAddress")]
    pub source_ip_address: Lax<'a>,
    pub user_agent: Lax<'a>,
    #[serde(deserialize_with = "code")]
    pub error_code: Lax<'a>,
    pub error_message: Lax<'a>,
    #[serde(deserialize_with = "json")]
    pub request_parameters: Option<Json<'a>>,
    /// JSON
    #[serde(deserialize_with = "text")]
    pub response_elements: Option<&'a str>,
    /// JSON
    #[serde(deserialize_with = "text")]
    pub resources: Option<&'a str>,
    #[serde(rename = "requestID")]
    pub request_id: Lax<'a>,
    #[serde(rename = "eventID")]
    pub event_id: Lax<'a>,
    pub event_type: Lax<'a>,
    pub read_only: Lax<'a>,
    pub recipient_account_id: Lax<'a>,
    #[serde(rename = "sharedEventID")]
    pub shared_event_id: Lax<'a>,
    pub vpc_endpoint_id: Lax<'a>,
    pub vpc_endpoint_account_id: Lax<'a>,
    pub event_category: Lax<'a>,
    pub management_event: Lax<'a>,
    pub session_credential_from_console: Lax<'a>,
    pub addendum: Nested<Addendum<'a>>,
    pub tls_details: Nested<TlsDetails<'a>>,
    pub insight_details: Nested<IgnoredAny>,
    /// Put together from a table that lacks columns: what is missing is unknown, not absent.
    #[serde(skip)]
    pub partial: bool,
    /// The table does not tell whether the call failed.
    #[serde(skip)]
    pub outcome_unknown: bool,
    /// What else the table does not tell.
    #[serde(skip)]
    pub untold: Untold,
    /// The identity, or something in it, is a text where an object belongs.
    #[serde(skip)]
    pub has_text_inside: bool,
    /// A number of `user_identity`: records that have the same number, but for 0, have the same there.
    #[serde(skip)]
    pub caller: u64,
}

impl Record<'_> {
    /// Sees in the text of its JSON whether the identity, or something in it, is a text where an object belongs.
    pub(super) fn look_inside(&mut self, text: &str) {
        const NAMES: [&str; 5] = ["userIdentity\"", "sessionContext\"", "sessionIssuer\"", "attributes\"", "webIdFederationData\""];
        let is_text = |at: usize, name: &str| {
            let after = text.get(at + name.len()..).map(str::trim_start).and_then(|after| after.strip_prefix(':'));
            after.is_some_and(|value| value.trim_start().starts_with('"'))
        };
        let stands = |name: &str| memchr::memmem::find_iter(text.as_bytes(), name.as_bytes()).any(|at| is_text(at, name));
        self.has_text_inside = NAMES.iter().any(|name| stands(name));
    }
}

/// A code of an error; one that is no text is its JSON: a call with an error is no success, whatever it says.
fn code<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Lax<'a>, D::Error> {
    let Some(json) = text(deserializer)? else { return Ok(Lax(None)) };
    match json.as_bytes().first() {
        Some(b'{' | b'[') => Ok(Lax(Some(Cow::Borrowed(json)))),
        _ => serde_json::from_str(json).map_err(serde::de::Error::custom),
    }
}

/// Any value as it stands in the text; `null` is nothing.
fn text<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a str>, D::Error> {
    Ok(Option::<&'a RawValue>::deserialize(deserializer)?.map(RawValue::get))
}

/// An object that records may have in common.
fn shared<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Nested<Rc<T>>, D::Error> {
    Ok(Nested(Nested::<T>::deserialize(deserializer)?.0.map(Rc::new)))
}

/// Any value; `null` is nothing.
fn json<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json<'a>>, D::Error> {
    Ok(text(deserializer)?.map(Json::new))
}

/// `addendum`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct Addendum<'a> {
    /// Why it was sent.
    pub reason: Lax<'a>,
    /// The event that it replaces or completes.
    #[serde(rename = "originalEventID")]
    pub original_event_id: Lax<'a>,
}

/// `tlsDetails`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub struct TlsDetails<'a> {
    /// The protocol version.
    pub tls_version: Lax<'a>,
}

/// `userIdentity`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
#[expect(missing_docs, reason = "the fields have the names of the record's members, documented by AWS")]
pub struct Identity<'a> {
    #[serde(rename = "type")]
    pub identity_type: Lax<'a>,
    pub principal_id: Lax<'a>,
    pub arn: Lax<'a>,
    pub account_id: Lax<'a>,
    pub access_key_id: Lax<'a>,
    pub user_name: Lax<'a>,
    pub invoked_by: Lax<'a>,
    pub session_context: Nested<SessionContext<'a>>,
    /// `principalId` as some records have it.
    #[serde(rename = "principalid")]
    pub misspelt_principal_id: Lax<'a>,
    /// `accessKeyId` as some records have it.
    #[serde(rename = "accesskeyid")]
    pub misspelt_access_key_id: Lax<'a>,
    /// And others.
    #[serde(rename = "accesKeyId")]
    pub mistyped_access_key_id: Lax<'a>,
}

impl Identity<'_> {
    /// `principalId`, however it is spelled.
    pub fn principal_id(&self) -> Option<&str> {
        self.principal_id.get().or_else(|| self.misspelt_principal_id.get())
    }

    /// `accessKeyId`, however it is spelled.
    pub fn access_key_id(&self) -> Option<&str> {
        self.access_key_id.get().or_else(|| self.misspelt_access_key_id.get()).or_else(|| self.mistyped_access_key_id.get())
    }
}

/// `userIdentity.sessionContext`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
#[expect(missing_docs, reason = "the fields have the names of the record's members, documented by AWS")]
pub struct SessionContext<'a> {
    pub session_issuer: Nested<SessionIssuer<'a>>,
    pub web_id_federation_data: Nested<WebIdFederationData<'a>>,
    pub assumed_root: Lax<'a>,
    pub attributes: Nested<SessionAttributes<'a>>,
    pub source_identity: Lax<'a>,
    pub ec2_role_delivery: Lax<'a>,
}

/// `sessionIssuer`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
#[expect(missing_docs, reason = "the fields have the names of the record's members, documented by AWS")]
pub struct SessionIssuer<'a> {
    #[serde(rename = "type")]
    pub issuer_type: Lax<'a>,
    pub user_name: Lax<'a>,
    pub principal_id: Lax<'a>,
    pub arn: Lax<'a>,
    pub account_id: Lax<'a>,
}

/// `webIdFederationData`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub struct WebIdFederationData<'a> {
    /// The provider.
    pub federated_provider: Lax<'a>,
}

/// `sessionContext.attributes`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub struct SessionAttributes<'a> {
    /// When the credentials were issued.
    pub creation_date: Lax<'a>,
    /// `"true"` or `"false"`.
    pub mfa_authenticated: Lax<'a>,
}

/// 2000-01-01 and 2100-01-01: no call of AWS was made before, and what lies after is a broken clock.
const PLAUSIBLE: std::ops::Range<i64> = 946_684_800_000_000..4_102_444_800_000_000;

/// Microseconds since 1970 of a record's `eventTime`: ISO 8601 with `T` or a space, in UTC where no zone is given. `None`
/// for what is no time, and for times outside of this century.
pub fn event_time(text: &str) -> Option<i64> {
    if let Some(time) = usual_time(text.as_bytes()) {
        return Some(time).filter(|time| PLAUSIBLE.contains(time));
    }
    let text = text.trim();
    if let Some(time) = epoch(text) {
        return Some(time).filter(|time| PLAUSIBLE.contains(time));
    }
    // As Athena prints a time with its zone.
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    // A date alone is no time; `20260131T080000Z` and `2026-01-31T08:00Z` are.
    if text.len() < 19 && !(text.len() > 14 && text.contains('T')) {
        return None;
    }
    let instant = text.parse::<jiff::Timestamp>().or_else(|error| {
        let local = text.parse::<jiff::civil::DateTime>().map_err(|_| error)?;
        jiff::tz::Offset::UTC.to_timestamp(local)
    });
    instant.ok().map(jiff::Timestamp::as_microsecond).filter(|time| PLAUSIBLE.contains(time))
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, as tables have times that were converted: of this century they
/// have so many digits.
fn epoch(text: &str) -> Option<i64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = text.parse().ok()?;
    match text.len() {
        9 | 10 => number.checked_mul(1_000_000),
        12 | 13 => number.checked_mul(1_000),
        15 | 16 => Some(number),
        18 | 19 => Some(number / 1_000),
        _ => None,
    }
}

/// The form of almost all records, `2026-01-31T08:00:00Z`, at a thirtieth of the cost of reading any form.
fn usual_time(text: &[u8]) -> Option<i64> {
    let text: &[u8; 20] = text.try_into().ok()?;
    let [c0, c1, y0, y1, _, m0, m1, _] = digits(text.first_chunk()?, b"0000-00-")?;
    let [d0, d1, _, h0, h1, _, i0, i1] = digits(text.get(8..)?.first_chunk()?, b"00T00:00")?;
    let [.., s0, s1, _] = digits(text.last_chunk()?, b"0:00:00Z")?;
    let two = |tens: u8, ones: u8| (tens * 10 + ones).cast_signed();
    let date = jiff::civil::Date::new(i16::from(two(c0, c1)) * 100 + i16::from(two(y0, y1)), two(m0, m1), two(d0, d1)).ok()?;
    let (hour, minute, second) = (two(h0, h1), two(i0, i1), two(s0, s1));
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    (hour < 24 && minute < 60 && second < 60).then(|| (days_since_1970(date) * 86_400 + seconds) * 1_000_000)
}

/// The numbers of the digits in a text of a form, in which `0` stands for any digit and other characters for themselves.
#[inline]
fn digits(text: &[u8; 8], form: &[u8; 8]) -> Option<[u8; 8]> {
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // Of each byte what must not be passed, so that adding what is missing to 0x7f sets the highest bit of one that is greater.
    let missing = u64::from_le_bytes(form.map(|byte| if byte == b'0' { 0x7f - 9 } else { 0x7f }));
    let found = u64::from_le_bytes(*text) ^ u64::from_le_bytes(*form);
    ((found.wrapping_add(missing) | found) & HIGH == 0).then(|| found.to_le_bytes())
}

/// Days before a date: March is a year's first month here, so that the day of a leap year is its last. Counted from 400 years
/// earlier, so that no number is negative.
fn days_since_1970(date: jiff::civil::Date) -> i64 {
    let [year, month, day] = [i32::from(date.year()) + 400, i32::from(date.month()), i32::from(date.day())].map(i32::cast_unsigned);
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    i64::from(year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day) - 719_469 - 146_097
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_types_do_not_cost_the_record() {
        let text = r#"{"eventName":"A","recipientAccountId":111122223333,"readOnly":"true","userAgent":["a"],"userIdentity":"x","tlsDetails":null,"resources":""}"#;
        let record: Record<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(record.recipient_account_id.get(), Some("111122223333"));
        assert!(record.read_only.is_true() && record.user_agent.get().is_none() && record.user_identity.0.is_none());
    }

    #[test]
    fn times_are_read_in_both_forms() {
        for text in [
            "0000-01-01T00:00:00Z",
            "1969-12-31T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "2100-03-01T00:00:00Z",
            "2026-01-31T08:09:10Z",
            "2000-02-29T23:59:59Z",
            "2024-12-31T00:00:00Z",
        ] {
            assert_eq!(usual_time(text.as_bytes()), Some(text.parse::<jiff::Timestamp>().unwrap().as_microsecond()));
        }
        assert_eq!(
            [
                usual_time(b"2026-02-30T08:00:00Z"),
                usual_time(b"2026-01-31T24:00:00Z"),
                usual_time(b"2026-01-31T23:60:00Z"),
                usual_time(b"2026-01-31T23:00:60Z"),
                usual_time(b"2026-00-31T23:00:00Z"),
                usual_time(b"2026-01-31T2:3:00:00Z"),
                usual_time(b"2026-01-3/T23:00:00Z"),
                usual_time(b"2026-01-31 08:00:00Z"),
            ],
            [None; 8]
        );
        assert_eq!(event_time("2021-12-02 22:11:24.500"), event_time("2021-12-02T22:11:24.5Z"));
        for number in ["1638483084", "1638483084000", "1638483084000000", "1638483084000000000"] {
            assert_eq!(event_time(number), event_time("2021-12-02T22:11:24Z"), "{number}");
        }
        assert_eq!(["1", "20211202", "99999999999", "111122223333", "-1638483084"].map(event_time), [None; 5]);
        assert_eq!(event_time("2021-12-02"), None);
        assert_eq!(event_time("yesterday at noon it was"), None);
    }
}
