//! The estate at scale: the same work, done by many colleagues over a year, written straight as an events dataset.
//!
//! Some thousand calls of the estate are the templates. Each event is one of them, at another time, from another address,
//! in another session, and where a user made it, by that user or one of its colleagues, who have the same groups. Nothing
//! that a policy of the estate looks at changes, so that the snapshots explain all of it.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use rand::{Rng as _, RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::Options;
use super::estate::FIRST_DAY;
use super::principals::example_id;
use super::values::{date, write_uuid};
use super::write::Trail;
use crate::catalog::Catalog;
use crate::cloudtrail::Record;
use crate::error::{Error, Result};
use crate::frame::{EventBuilder, EventRow, Text};
use crate::ingest::{Dataset, Push, map_record, write_made};
use crate::progress::Progress;

/// Length of the window, in days. It begins on a Monday, as that of the estate, and ends with it.
const DAYS: usize = 365;
/// First day of the window, in days since 1970-01-01: 2025-09-29.
const BEGIN: u64 = FIRST_DAY + super::estate::DAYS - DAYS as u64;
/// Calls of the estate that serve as templates.
const TEMPLATES: u64 = 4_000;
/// Users who have colleagues: names and how many of each there are, the user included.
const COLLEAGUES: [(&str, u32); 8] = [
    ("bjorn.dahl", 130),
    ("chloe.tan", 90),
    ("dario.rossi", 60),
    ("erin.wolf", 130),
    ("kim.sato", 60),
    ("jonas.keller", 40),
    ("omar.haddad", 20),
    ("greta.lind", 30),
];
/// Days after which an address of the office or a home comes back.
const ADDRESSES: u64 = 120;
/// Rows of a batch that is written.
const ROWS: u64 = 32_768;
const SECOND: i64 = 1_000_000;
const DAY_SECONDS: u64 = 86_400;

/// Records, kept in memory.
#[derive(Debug, Default)]
struct Collected(Vec<String>);

impl Trail for Collected {
    fn push(&mut self, _: &'static str, _: &'static str, _: &'static str, _: u64, record: &str, _: &mut ChaCha8Rng) -> io::Result<()> {
        self.0.push(record.to_owned());
        Ok(())
    }
}

/// A call that events are made of.
struct Template<'t> {
    row: EventRow<'t>,
    /// The name of the user and how many do the same work, if it has colleagues.
    user: Option<(&'static str, u32)>,
    /// Whether the credentials are temporary.
    in_session: bool,
}

/// Writes `events/` and `policies/` below `out`; returns the number of events.
///
/// # Errors
/// [`Error::Io`].
pub fn generate_dataset(out: &Path, options: &Options, progress: &dyn Progress) -> Result<u64> {
    let failed = |error| Error::io("write", out, error);
    std::fs::create_dir_all(out).map_err(failed)?;
    super::write::policies(out, &colleagues).map_err(failed)?;
    let mut collected = Collected::default();
    let (contradictions, _) = super::run(&mut collected, &Options { events: TEMPLATES, ..*options }).map_err(failed)?;
    let records: Vec<(Record<'_>, &str)> =
        collected.0.iter().filter_map(|text| Some((serde_json::from_str(text).ok()?, text.as_str()))).collect();
    let planted = |record: &Record<'_>| contradictions.iter().any(|planted| Some(planted.id.as_str()) == record.event_id.get());
    let kept = records.iter().filter(|(record, _)| !planted(record) && record.event_category.get() == Some("Management"));
    let templates: Vec<Template<'_>> =
        kept.map(|(record, text)| Template::new(map_record(Catalog::builtin(), record, text, "", 0))).collect();
    let mut dataset = Dataset::open_or_create(&out.join("events"))?;
    let begins: Vec<u64> = (0..=DAYS).map(|day| share(options.events, day)).collect();
    let day = |day: usize, push: &mut Push<'_>| {
        let events = begins.get(day + 1).copied().unwrap_or_default() - begins.get(day).copied().unwrap_or_default();
        Day { templates: &templates, number: day as u64, events, seed: options.seed }.write(push)
    };
    let first = i32::try_from(BEGIN).unwrap_or_default();
    let days: Vec<i32> = (0..DAYS).filter_map(|day| i32::try_from(day).ok()).map(|day| first + day).collect();
    write_made(&mut dataset, &days, &day, progress)?;
    Ok(options.events)
}

/// Events before a day: five times as many on a weekday as on a day of the weekend.
fn share(events: u64, day: usize) -> u64 {
    let weight = |days: usize| {
        let (weeks, rest) = ((days / 7) as u64, (days % 7) as u64);
        weeks * 27 + rest.min(5) * 5 + rest.saturating_sub(5)
    };
    u64::try_from(u128::from(events) * u128::from(weight(day)) / u128::from(weight(DAYS))).unwrap_or(events)
}

/// The entries of a user's colleagues in a snapshot.
fn colleagues(user: &Value) -> Vec<Value> {
    let text = |name: &str| user.get(name).and_then(Value::as_str).unwrap_or_default();
    let (name, arn) = (text("UserName"), text("Arn"));
    let many = COLLEAGUES.iter().find(|(known, _)| *known == name).map_or(0, |(_, many)| *many);
    let one = |number: u32| {
        let mut entry = user.clone();
        let own = colleague(name, number);
        for (member, value) in [("UserId", id_of(&own)), ("Arn", arn.replace(name, &own)), ("UserName", own)] {
            if let Some(slot) = entry.get_mut(member) {
                *slot = Value::String(value);
            }
        }
        entry
    };
    (1..many).map(one).collect()
}

/// The name of a user's colleague.
fn colleague(name: &str, number: u32) -> String {
    format!("{name}.{number:03}")
}

fn id_of(colleague: &str) -> String {
    example_id("AIDA", &["colleague", colleague])
}

impl<'t> Template<'t> {
    fn new(row: EventRow<'t>) -> Self {
        let is_user = row.get(Text::IdentityType) == Some("IAMUser");
        let name = row.get(Text::PrincipalArn).and_then(|arn| arn.rsplit('/').next()).unwrap_or_default();
        let user = COLLEAGUES.into_iter().find(|(known, _)| is_user && *known == name);
        let in_session = row.get(Text::AccessKeyId).is_some_and(|key| key.starts_with("ASIA"));
        Self { row, user, in_session }
    }
}

/// One day to write.
struct Day<'d, 't> {
    templates: &'d [Template<'t>],
    number: u64,
    events: u64,
    seed: u64,
}

impl<'t> Day<'_, 't> {
    fn write(&self, push: &mut Push<'_>) -> Result<()> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.number);
        let mut calls: Vec<(u64, [u64; 2])> =
            (0..self.events).map(|_| (rng.random_range(0..DAY_SECONDS), version_4([rng.next_u64(), rng.next_u64()]))).collect();
        // The order of the dataset: of one second, by the id, whose text is its numbers in hex.
        calls.sort_unstable();
        let mut builder = EventBuilder::default();
        for (at, (second, id)) in calls.into_iter().enumerate() {
            let template = usize::try_from(rng.random_range(0..self.templates.len().max(1) as u64)).unwrap_or_default();
            let Some(template) = self.templates.get(template) else { break };
            builder.push(&self.event(template, second, id, at, &mut rng))?;
            if builder.len() as u64 >= ROWS {
                push(&mut builder)?;
            }
        }
        if builder.is_empty() { Ok(()) } else { push(&mut builder) }
    }

    fn event(&self, template: &Template<'t>, second: u64, id: [u64; 2], at: usize, rng: &mut ChaCha8Rng) -> EventRow<'t> {
        let day = BEGIN + self.number;
        let mut row = template.row.clone();
        row.event_time = i64::try_from(day * DAY_SECONDS + second).unwrap_or_default() * SECOND;
        row.source_index = i64::try_from(at).unwrap_or(i64::MAX);
        let person = template.user.map_or(0, |(_, many)| rng.random_range(0..many));
        if let Some((name, _)) = template.user.filter(|_| person > 0) {
            let own = colleague(name, person);
            for column in [Text::PrincipalArn, Text::Resource, Text::ErrorMessage, Text::RequestParameters] {
                let replaced = row.get(column).filter(|text| text.contains(name)).map(|text| text.replace(name, &own));
                if replaced.is_some() {
                    row.set(column, replaced);
                }
            }
            row.set(Text::PrincipalId, Some(id_of(&own)));
            if !template.in_session {
                row.set(Text::AccessKeyId, Some(example_id("AKIA", &[&own])));
            }
        }
        let who = row.get(Text::PrincipalArn).unwrap_or_default().to_owned();
        if template.in_session {
            // One session a day, from midnight on.
            row.set(Text::AccessKeyId, Some(example_id("ASIA", &[&who, &self.number.to_string()])));
            row.session_created = row.session_created.map(|_| i64::try_from(day * DAY_SECONDS).unwrap_or_default() * SECOND);
        }
        if let Some(address) = row.get(Text::SourceIp).and_then(|address| self.address(address, person)) {
            row.set(Text::SourceIp, Some(address));
        }
        if let Some(agent) = row.get(Text::UserAgent).and_then(|agent| version(agent, person)) {
            row.set(Text::UserAgent, Some(agent));
        }
        let file = row.get(Text::AccountId).zip(row.get(Text::Region)).map(|(account, region)| {
            let (year, month, day) = date(day);
            format!("AWSLogs/{account}/CloudTrail/{region}/{year}/{month:02}/{day:02}")
        });
        row.set(Text::SourceFile, file);
        for (column, numbers) in [(Text::EventId, id), (Text::RequestId, [rng.next_u64(), rng.next_u64()])] {
            let mut text = String::with_capacity(36);
            write_uuid(&mut text, numbers[0], numbers[1]);
            row.set(column, Some(Cow::<str>::Owned(text)));
        }
        row
    }

    /// Another address of the same place.
    fn address(&self, address: &str, person: u32) -> Option<String> {
        let network = match address.split(['.', ':']).collect::<Vec<_>>().as_slice() {
            ["203", "0", "113", ..] | ["2001", "db8", "40", ..] => "2001:db8:40",
            ["198", "51", "100", ..] => "2001:db8:51",
            ["192", "0", "2", ..] => "2001:db8:52",
            _ => return None,
        };
        Some(format!("{network}:{:x}::{:x}", 1 + self.number % ADDRESSES, 16 + person))
    }
}

/// The numbers of a UUID of version 4.
fn version_4([high, low]: [u64; 2]) -> [u64; 2] {
    [high & !0xf000 | 0x4000, low & !(0b11 << 62) | (0b10 << 62)]
}

/// The same client in another version.
fn version(agent: &str, person: u32) -> Option<String> {
    let tool = ["aws-cli/", "Boto3/", "aws-sdk-java/"].into_iter().find(|tool| agent.starts_with(tool))?;
    let (version, rest) = agent.strip_prefix(tool)?.split_once(' ')?;
    let (release, _) = version.rsplit_once('.')?;
    Some(format!("{tool}{release}.{} {rest}", person % 24))
}
