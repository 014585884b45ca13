//! Values of request parameters and response elements, and the small texts that records are made of.

use std::fmt::Write as _;
use std::io;

use rand::Rng;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use super::estate::Organization;

/// What CloudTrail prints instead of a sensitive value.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// People, groups and resources of one organization that calls are about.
const ENTITIES: u64 = 60;

/// People of the company.
pub(super) const PEOPLE: [&str; 16] = [
    "anna.berg",
    "ben.okafor",
    "carla.nunes",
    "david.kim",
    "elif.demir",
    "finn.larsen",
    "grace.mbeki",
    "hugo.martin",
    "ines.costa",
    "jan.novak",
    "kaya.stone",
    "liam.byrne",
    "mona.adel",
    "noah.fischer",
    "olga.petrova",
    "pablo.vega",
];
const NAMES: [&str; 10] =
    ["sales", "support", "finance", "warehouse", "fleet-north", "board", "room-aurora", "van-12", "block-imap", "keep-7-years"];
const TEXTS: [&str; 4] = ["requested in ticket 48213", "quarterly clean-up", "agreed with the works council", "temporary, see the runbook"];

/// What a value depends on besides chance.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) organization: &'a Organization,
    /// For calls that issue credentials: the role, the session name and the new access key.
    pub(super) role: &'a str,
    pub(super) session: &'a str,
    pub(super) issued_key: &'a str,
    pub(super) time: u64,
}

/// The meaning of a string, number or flag in a shape.
#[derive(Clone, Debug)]
pub(super) enum ValueKind {
    Address,
    ApplicationArn,
    Bool,
    Bucket,
    Cidr,
    Device,
    Directory,
    Domain,
    Email,
    Expiry,
    ExportRoleArn,
    Group,
    Hidden,
    Impersonation,
    InstanceArn,
    IssuedKey,
    Job,
    KmsArn,
    LambdaArn,
    LogGroup,
    LogGroupArn,
    LogRoleArn,
    Message,
    MfaDevice,
    Name,
    Object,
    Organization,
    OrganizationArn,
    Prefix,
    Resource,
    RoleArn,
    SessionName,
    Text,
    User,
    UserName,
    Uuid,
    Zone,
    /// Always this text.
    Literal(String),
    /// One of these texts.
    One(Vec<String>),
    /// One of these numbers.
    Number(Vec<String>),
}

/// The names of the kinds without choices.
const SIMPLE: [(&str, ValueKind); 38] = [
    ("address", ValueKind::Address),
    ("application_arn", ValueKind::ApplicationArn),
    ("assumed_arn", ValueKind::RoleArn),
    ("bool", ValueKind::Bool),
    ("bucket", ValueKind::Bucket),
    ("cidr", ValueKind::Cidr),
    ("device", ValueKind::Device),
    ("directory", ValueKind::Directory),
    ("domain", ValueKind::Domain),
    ("email", ValueKind::Email),
    ("entity", ValueKind::User),
    ("user", ValueKind::User),
    ("expiry", ValueKind::Expiry),
    ("export_role_arn", ValueKind::ExportRoleArn),
    ("group", ValueKind::Group),
    ("hidden", ValueKind::Hidden),
    ("impersonation", ValueKind::Impersonation),
    ("instance_arn", ValueKind::InstanceArn),
    ("issued_key", ValueKind::IssuedKey),
    ("job", ValueKind::Job),
    ("kms_arn", ValueKind::KmsArn),
    ("lambda_arn", ValueKind::LambdaArn),
    ("log_group", ValueKind::LogGroup),
    ("log_group_arn", ValueKind::LogGroupArn),
    ("log_role_arn", ValueKind::LogRoleArn),
    ("message", ValueKind::Message),
    ("mfa_device", ValueKind::MfaDevice),
    ("name", ValueKind::Name),
    ("object", ValueKind::Object),
    ("organization", ValueKind::Organization),
    ("organization_arn", ValueKind::OrganizationArn),
    ("prefix", ValueKind::Prefix),
    ("resource", ValueKind::Resource),
    ("session_name", ValueKind::SessionName),
    ("text", ValueKind::Text),
    ("user_name", ValueKind::UserName),
    ("uuid", ValueKind::Uuid),
    ("zone", ValueKind::Zone),
];

impl ValueKind {
    /// Reads a kind of the data file: a name, `=text`, `one:a|b` or `int:1|2`.
    pub(super) fn parse(text: &str) -> io::Result<Self> {
        let choices = |list: &str| list.split('|').map(str::to_owned).collect();
        if let Some(literal) = text.strip_prefix('=') {
            return Ok(Self::Literal(literal.to_owned()));
        }
        if let Some((kind, list)) = text.split_once(':') {
            return Ok(if kind == "int" { Self::Number(choices(list)) } else { Self::One(choices(list)) });
        }
        let simple = SIMPLE.iter().find(|(name, _)| *name == text).map(|(_, kind)| kind.clone());
        simple.ok_or_else(|| io::Error::other(format!("no kind of value named {text}")))
    }

    /// Writes a value of this kind as JSON.
    pub(super) fn write(&self, out: &mut String, scene: &Scene<'_>, rng: &mut ChaCha8Rng) {
        match self {
            Self::Bool => out.push_str(if rng.random_bool(0.5) { "true" } else { "false" }),
            Self::Number(choices) => out.push_str(choices.choose(rng).map_or("0", String::as_str)),
            Self::Expiry => write_quoted(out, |out| write_local_time(out, scene.time + 3600)),
            _ => write_quoted(out, |out| self.write_text(out, scene, rng)),
        }
    }

    fn write_text(&self, out: &mut String, scene: &Scene<'_>, rng: &mut ChaCha8Rng) {
        let Organization { id, account, region, domain, key } = scene.organization;
        let written = match self {
            Self::Literal(text) => write!(out, "{text}"),
            Self::One(choices) => write!(out, "{}", choices.choose(rng).map_or("", String::as_str)),
            Self::Organization => write!(out, "{id}"),
            Self::OrganizationArn => {
                write!(out, "arn:aws:workmail:{region}:{account}:organization/{id}")
            }
            Self::Domain => write!(out, "{domain}"),
            Self::Email => write!(out, "{}@{domain}", pick(&PEOPLE, rng)),
            Self::KmsArn => write!(out, "arn:aws:kms:{region}:{account}:key/{key}"),
            Self::LambdaArn => write!(out, "arn:aws:lambda:{region}:{account}:function:mail-availability"),
            Self::LogGroup => write!(out, "/aws/workmail/emailevents/harborlight"),
            Self::LogGroupArn => write!(out, "arn:aws:logs:{region}:{account}:log-group:/aws/workmail/events:*"),
            Self::LogRoleArn => write!(out, "arn:aws:iam::{account}:role/service-role/workmail-events"),
            Self::ExportRoleArn => write!(out, "arn:aws:iam::{account}:role/service-role/WorkMailExportRole"),
            Self::RoleArn => write!(out, "{}", scene.role),
            Self::SessionName => write!(out, "{}", scene.session),
            Self::IssuedKey => write!(out, "{}", scene.issued_key),
            Self::MfaDevice => write!(out, "arn:aws:iam::{account}:mfa/{}", scene.session),
            Self::Bucket => write!(out, "harborlight-mail-exports"),
            Self::Hidden => write!(out, "{HIDDEN}"),
            Self::Name => write!(out, "{}", pick(&NAMES, rng)),
            Self::Prefix => write!(out, "{:.3}", pick(&PEOPLE, rng)),
            Self::Text => write!(out, "{}", pick(&TEXTS, rng)),
            Self::UserName => write!(out, "{}", pick(&PEOPLE, rng)),
            Self::Address => write!(out, "203.0.113.{}", rng.random_range(10..40_u32)),
            Self::Cidr => write!(out, "203.0.113.{}/28", rng.random_range(0..15_u32) * 16),
            _ => return self.write_identifier(out, scene, rng),
        };
        debug_assert!(written.is_ok(), "writing to a string does not fail");
    }

    fn write_identifier(&self, out: &mut String, scene: &Scene<'_>, rng: &mut ChaCha8Rng) {
        let number = rng.random_range(0..ENTITIES);
        let seed = scene.organization.id.bytes().fold(number, |hash, byte| mix(hash ^ u64::from(byte)));
        let written = match self {
            Self::User => return write_uuid(out, seed, mix(seed)),
            Self::Group => return write_uuid(out, seed / 8, 1),
            Self::Resource => return write_uuid(out, seed / 8, 2),
            Self::Impersonation => return write_uuid(out, seed / 32, 3),
            Self::Job | Self::Message | Self::Uuid => {
                return write_uuid(out, rng.random(), rng.random());
            }
            Self::Device => write!(out, "{:032x}", u128::from(seed) << 32),
            Self::Directory => write!(out, "d-{:010x}", seed >> 24),
            Self::Zone => write!(out, "Z{:016X}", seed),
            Self::Object => write!(out, "rewritten/{:016x}.eml", rng.random::<u64>()),
            Self::InstanceArn => write!(out, "arn:aws:sso:::instance/ssoins-6804d1c5a7e2f930"),
            _ => write!(out, "arn:aws:sso::{}:application/ssoins-6804d1c5a7e2f930/apl-5b1e8c07d4a9f236", scene.organization.account),
        };
        debug_assert!(written.is_ok(), "writing to a string does not fail");
    }
}

fn pick<'a>(texts: &[&'a str], rng: &mut ChaCha8Rng) -> &'a str {
    texts.choose(rng).copied().unwrap_or_default()
}

fn write_quoted(out: &mut String, write: impl FnOnce(&mut String)) {
    out.push('"');
    write(out);
    out.push('"');
}

/// A step of splitmix64: spreads the bits of a small number.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Writes 128 bits in the form of a version 4 UUID.
pub(super) fn write_uuid(out: &mut String, high: u64, low: u64) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bits = u128::from(high) << 64 | u128::from(low);
    let bits = bits & !(0xf_u128 << 76) & !(0x3_u128 << 62) | 4 << 76 | 2 << 62;
    for place in (0..32_u32).rev() {
        let digit = HEX.get((bits >> (place * 4)) as usize & 15).copied().unwrap_or(b'0');
        out.push(char::from(digit));
        if matches!(place, 24 | 20 | 16 | 12) {
            out.push('-');
        }
    }
}

/// Year, month and day of a number of days since 1970-01-01.
pub(super) fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + shifted / 146_097 * 400 + u64::from(month <= 2), month, day)
}

/// Writes a time as CloudTrail does: UTC, whole seconds.
pub(super) fn write_time(out: &mut String, time: u64) {
    let (year, month, day) = date(time / 86_400);
    let (hour, minute, second) = (time / 3600 % 24, time / 60 % 60, time % 60);
    let written = write!(out, "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    debug_assert!(written.is_ok(), "writing to a string does not fail");
}

/// A time as CloudTrail prints it.
pub(super) fn time_text(time: u64) -> String {
    let mut text = String::new();
    write_time(&mut text, time);
    text
}

/// Writes a time as it is printed inside of response elements.
pub(super) fn write_local_time(out: &mut String, time: u64) {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day) = date(time / 86_400);
    let name = MONTHS.get(month as usize - 1).copied().unwrap_or_default();
    let (hour, minute, second) = (time / 3600 % 24, time / 60 % 60, time % 60);
    let half = if hour < 12 { "AM" } else { "PM" };
    let written = write!(out, "{name} {day}, {year}, {}:{minute:02}:{second:02} {half}", (hour + 11) % 12 + 1);
    debug_assert!(written.is_ok(), "writing to a string does not fail");
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(time_text(0), "1970-01-01T00:00:00Z");
        assert_eq!(time_text(20_605 * 86_400 + 3_661), "2026-06-01T01:01:01Z");
        assert_eq!(date(20_724), (2026, 9, 28));
        let mut text = String::new();
        write_local_time(&mut text, 20_605 * 86_400 + 13 * 3600);
        assert_eq!(text, "Jun 1, 2026, 1:00:00 PM");
    }

    #[test]
    fn uuids_have_version_and_variant() {
        let mut text = String::new();
        write_uuid(&mut text, u64::MAX, u64::MAX);
        assert_eq!(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
        text.clear();
        write_uuid(&mut text, 0, 0);
        assert_eq!(text, "00000000-0000-4000-8000-000000000000");
    }

    #[test]
    fn unknown_kinds_are_errors() {
        assert!(ValueKind::parse("colour").is_err());
        assert!(matches!(ValueKind::parse("int:1|2").unwrap(), ValueKind::Number(list) if list.len() == 2));
    }
}
