//! The members of a record as CloudTrail writes them, found without the detours of reading any JSON: known names in their
//! usual order. A record that is not so is read by `serde_json`; what that refuses is refused. So a record found here is the
//! one that `serde_json` finds, and only the way there is shorter.

use std::borrow::Cow;
use std::rc::Rc;

use super::Record;
use super::callers::Callers;
use super::endings::Endings;
use crate::cloudtrail::json::{Name, Scan};
use crate::cloudtrail::record::{Identity, Lax, Nested, SessionAttributes, SessionContext, SessionIssuer, TlsDetails, WebIdFederationData};

/// Names of members.
macro_rules! members {
    ($($name:literal),* $(,)?) => { [$(Name::new(concat!("\"", $name, "\":"))),*] };
}

/// The members of a record, in the order in which CloudTrail writes them.
static RECORD: [Name; 27] = members![
    "eventVersion",
    "userIdentity",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "errorCode",
    "errorMessage",
    "requestParameters",
    "responseElements",
    "requestID",
    "eventID",
    "readOnly",
    "resources",
    "eventType",
    "managementEvent",
    "recipientAccountId",
    "sharedEventID",
    "vpcEndpointId",
    "vpcEndpointAccountId",
    "eventCategory",
    "tlsDetails",
    "sessionCredentialFromConsole",
    "addendum",
    "insightDetails",
];
static IDENTITY: [Name; 11] = members![
    "type",
    "principalId",
    "arn",
    "accountId",
    "accessKeyId",
    "userName",
    "sessionContext",
    "invokedBy",
    "principalid",
    "accesskeyid",
    "accesKeyId"
];
static CONTEXT: [Name; 6] =
    members!["sessionIssuer", "webIdFederationData", "attributes", "sourceIdentity", "assumedRoot", "ec2RoleDelivery"];
static ISSUER: [Name; 5] = members!["type", "principalId", "arn", "accountId", "userName"];
static ATTRIBUTES: [Name; 2] = members!["creationDate", "mfaAuthenticated"];
static FEDERATION: [Name; 1] = members!["federatedProvider"];
static TLS: [Name; 3] = members!["tlsVersion", "cipherSuite", "clientProvidedHostHeader"];

/// The number of `eventType` among the members of a record.
const EVENT_TYPE: usize = 16;
/// Those that an ending may have after it.
const OF_ENDING: [usize; 7] = [17, 18, 20, 21, 22, 23, 24];

/// What stood in the records before.
#[derive(Default)]
pub(super) struct Before<'t> {
    callers: Callers<'t>,
    endings: Endings<'t>,
}

impl<'t> Scan<'t> {
    /// Reads a record into an empty one.
    pub(super) fn record(&mut self, record: &mut Record<'t>, before: &mut Before<'t>) -> Option<()> {
        let begin = self.at;
        if self.members(&RECORD, |scan, member| scan.member_of_record(record, before, member)).is_none() {
            self.at = begin;
            let mut values = serde_json::Deserializer::from_str(self.rest()?).into_iter::<Record<'t>>();
            *record = values.next()?.ok()?;
            self.at += values.byte_offset();
            record.look_inside(self.since(begin)?);
        }
        Some(())
    }

    /// Hands each member of an object that has one of the names to `each`, by the number of the name; `None` as soon as
    /// something is unusual.
    fn members(&mut self, names: &[Name], each: impl FnMut(&mut Self, usize) -> Option<()>) -> Option<()> {
        self.token(b'{')?;
        let follows = !self.is_next(b'}');
        self.members_from(names, 0, follows, each)
    }

    /// The same of the rest of an object, where the name of a number is expected if one `follows`.
    fn members_from(
        &mut self,
        names: &[Name],
        mut expected: usize,
        mut follows: bool,
        mut each: impl FnMut(&mut Self, usize) -> Option<()>,
    ) -> Option<()> {
        while follows {
            self.peek()?;
            // Mostly it is the next name, or one a few further on.
            let ahead = names.get(expected..).unwrap_or_default();
            let member = match self.passes_one(ahead.get(..4).unwrap_or(ahead)) {
                Some(member) => Some(expected + member),
                None => {
                    let key = self.key()?;
                    names.iter().position(|name| name.is(key))
                }
            };
            match member {
                Some(member) => {
                    expected = member + 1;
                    each(self, member)?;
                }
                None => {
                    self.raw()?;
                }
            }
            follows = self.follows(b'}')?;
        }
        Some(())
    }

    fn member_of_record(&mut self, record: &mut Record<'t>, before: &mut Before<'t>, member: usize) -> Option<()> {
        let slot = match member {
            0 => &mut record.event_version,
            1 => return self.caller(record, &mut before.callers),
            2 => &mut record.event_time,
            3 => &mut record.event_source,
            4 => &mut record.event_name,
            5 => &mut record.aws_region,
            6 => &mut record.source_ip_address,
            7 => &mut record.user_agent,
            8 if matches!(self.peek()?, b'{' | b'[') => return None,
            8 => &mut record.error_code,
            9 => &mut record.error_message,
            10 => return self.kept(&mut record.request_parameters, Self::json),
            11 => return self.kept(&mut record.response_elements, Self::raw),
            12 => &mut record.request_id,
            13 => &mut record.event_id,
            14 => &mut record.read_only,
            15 => return self.kept(&mut record.resources, Self::raw),
            EVENT_TYPE => return self.ending(record, before),
            17 => &mut record.management_event,
            18 => &mut record.recipient_account_id,
            19 => &mut record.shared_event_id,
            20 => &mut record.vpc_endpoint_id,
            21 => &mut record.vpc_endpoint_account_id,
            22 => &mut record.event_category,
            23 => {
                let detail = |scan: &mut Self, tls: &mut TlsDetails<'t>, member| match member {
                    0 => scan.lax(&mut tls.tls_version),
                    _ => scan.raw().map(|_| ()),
                };
                return self.nested(&mut record.tls_details, &TLS, detail);
            }
            24 => &mut record.session_credential_from_console,
            // Addenda and insights are rare.
            _ => return None,
        };
        self.lax(slot)
    }

    /// `userIdentity`: mostly it stood before, word for word.
    fn caller(&mut self, record: &mut Record<'t>, callers: &mut Callers<'t>) -> Option<()> {
        self.peek()?;
        let (begin, rest) = (self.at, self.rest()?);
        if record.user_identity.0.is_some() {
            return None;
        }
        if let Some(known) = callers.of(rest) {
            record.user_identity.0 = Some(Rc::clone(&known.identity));
            record.caller = known.number;
            self.at += known.text.len();
            return Some(());
        }
        let mut identity = Nested::default();
        self.nested(&mut identity, &IDENTITY, Self::member_of_identity)?;
        if let (Some(identity), Some(text)) = (identity.0.map(Rc::new), rest.get(..self.at - begin)) {
            record.caller = callers.add(text, &identity);
            record.user_identity.0 = Some(identity);
        }
        Some(())
    }

    /// `eventType`, and all that comes after it in the record: mostly another one ended so, word for word.
    fn ending(&mut self, record: &mut Record<'t>, before: &mut Before<'t>) -> Option<()> {
        self.peek()?;
        let (begin, rest) = (self.at, self.rest()?);
        if let Some(length) = before.endings.end(record, rest) {
            self.at += length;
            return Some(());
        }
        let mut is_ending = Endings::may_follow(record);
        self.lax(&mut record.event_type)?;
        let follows = self.follows(b'}')?;
        self.members_from(&RECORD, EVENT_TYPE + 1, follows, |scan, member| {
            // Twice would be a second ending in this one.
            (member != EVENT_TYPE).then_some(())?;
            is_ending &= OF_ENDING.contains(&member);
            scan.member_of_record(record, before, member)
        })?;
        if is_ending {
            before.endings.add(record, rest, self.at - begin);
        }
        // The brace is left to whoever reads the members.
        self.at -= 1;
        Some(())
    }

    fn member_of_identity(&mut self, identity: &mut Identity<'t>, member: usize) -> Option<()> {
        let slot = match member {
            0 => &mut identity.identity_type,
            1 => &mut identity.principal_id,
            2 => &mut identity.arn,
            3 => &mut identity.account_id,
            4 => &mut identity.access_key_id,
            5 => &mut identity.user_name,
            6 => return self.nested(&mut identity.session_context, &CONTEXT, Self::member_of_context),
            7 => &mut identity.invoked_by,
            8 => &mut identity.misspelt_principal_id,
            9 => &mut identity.misspelt_access_key_id,
            _ => &mut identity.mistyped_access_key_id,
        };
        self.lax(slot)
    }

    fn member_of_context(&mut self, context: &mut SessionContext<'t>, member: usize) -> Option<()> {
        let slot = match member {
            0 => return self.nested(&mut context.session_issuer, &ISSUER, Self::member_of_issuer),
            1 => {
                let provider = |scan: &mut Self, data: &mut WebIdFederationData<'t>, _| scan.lax(&mut data.federated_provider);
                return self.nested(&mut context.web_id_federation_data, &FEDERATION, provider);
            }
            2 => {
                let attribute = |scan: &mut Self, attributes: &mut SessionAttributes<'t>, member| match member {
                    0 => scan.lax(&mut attributes.creation_date),
                    _ => scan.lax(&mut attributes.mfa_authenticated),
                };
                return self.nested(&mut context.attributes, &ATTRIBUTES, attribute);
            }
            3 => &mut context.source_identity,
            4 => &mut context.assumed_root,
            _ => &mut context.ec2_role_delivery,
        };
        self.lax(slot)
    }

    fn member_of_issuer(&mut self, issuer: &mut SessionIssuer<'t>, member: usize) -> Option<()> {
        self.lax(match member {
            0 => &mut issuer.issuer_type,
            1 => &mut issuer.principal_id,
            2 => &mut issuer.arn,
            3 => &mut issuer.account_id,
            _ => &mut issuer.user_name,
        })
    }

    /// A text or a flag, or nothing; a member that stands twice is unusual.
    #[inline]
    fn lax(&mut self, slot: &mut Lax<'t>) -> Option<()> {
        if slot.0.is_some() {
            return None;
        }
        slot.0 = match self.peek()? {
            b'"' => {
                self.at += 1;
                Some(self.string()?)
            }
            b'{' | b'[' => {
                self.raw()?;
                None
            }
            _ => Some(self.word()?).filter(|word| *word != "null"),
        }
        .map(Cow::Borrowed);
        Some(())
    }

    /// Any value, or nothing for `null`.
    fn kept<T>(&mut self, slot: &mut Option<T>, read: impl Fn(&mut Self) -> Option<T>) -> Option<()> {
        if slot.is_some() {
            return None;
        }
        self.peek()?;
        if !self.passes("null") {
            *slot = Some(read(self)?);
        }
        Some(())
    }

    /// An object, or nothing where something else stands.
    fn nested<T: Default>(
        &mut self,
        slot: &mut Nested<T>,
        names: &[Name],
        each: impl Fn(&mut Self, &mut T, usize) -> Option<()>,
    ) -> Option<()> {
        if slot.0.is_some() {
            return None;
        }
        match self.peek()? {
            b'{' => {}
            // Perhaps one all the same, as a text.
            b'"' => return None,
            _ => return self.raw().map(|_| ()),
        }
        let value = slot.0.insert(T::default());
        self.members(names, |scan, member| each(scan, value, member))
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};

    use super::*;
    use crate::cloudtrail::json::tests::PIECES;

    const USUAL: &str = r#"{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROA:bob","arn":"arn:aws:sts::111122223333:assumed-role/ops/bob","accountId":"111122223333","accessKeyId":"ASIA","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA","arn":"arn:aws:iam::111122223333:role/ops","accountId":"111122223333","userName":"ops"},"webIdFederationData":{},"attributes":{"creationDate":"2026-01-01T00:00:00Z","mfaAuthenticated":"false"}},"invokedBy":"x"},"eventTime":"2026-01-01T00:00:01Z","eventSource":"workmail.amazonaws.com","eventName":"CreateUser","awsRegion":"eu-west-1","sourceIPAddress":"192.0.2.1","userAgent":"aws-cli/2 é","errorCode":"AccessDenied","errorMessage":"no","requestParameters":{"organizationId":"m-1","n":[1,2.5e3,null]},"responseElements":null,"additionalEventData":{"a":{"b":"}"}},"requestID":"r","eventID":"e","readOnly":false,"resources":[{"ARN":"arn:x"}],"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management","tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"c"},"sessionCredentialFromConsole":"true"}"#;

    fn scanned(text: &str) -> Option<String> {
        let mut scan = Scan::new(text);
        let mut record = Record::default();
        scan.members(&RECORD, |scan, member| scan.member_of_record(&mut record, &mut Before::default(), member))?;
        record.caller = 0;
        scan.is_at_end().then(|| format!("{record:?}"))
    }

    fn read(text: &str) -> Option<String> {
        serde_json::from_str::<Record<'_>>(text).ok().map(|record| format!("{record:?}"))
    }

    #[test]
    fn a_usual_record_is_found_without_detours() {
        assert_eq!(scanned(USUAL), read(USUAL));
        assert!(scanned(USUAL).is_some() && !format!("{:?}", scanned(USUAL)).contains("Owned"));
        let spaced = USUAL.replace(':', " : ").replace(',', "\n,\t").replace("arn : aws", "arn:aws");
        assert!(scanned(&spaced).is_some());
    }

    /// A text with pieces of JSON put in here and there, or parts left out.
    fn broken(text: &str, pieces: &[&str], rng: &mut rand_chacha::ChaCha8Rng) -> String {
        let mut text = text.to_owned();
        for _ in 0..rng.random_range(1..3) {
            let mut at = rng.random_range(0..=text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let mut end = (at + rng.random_range(0..30usize)).min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            let end = if rng.random() { at } else { end.max(at) };
            text.replace_range(at..end, if rng.random_bool(0.7) { pieces[rng.random_range(0..pieces.len())] } else { "" });
        }
        text
    }

    #[test]
    fn endings_that_stood_before_are_found_as_any_reader_finds_them() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(9);
        let usual = USUAL.split_once("\"eventType\":").unwrap().1;
        let members =
            ["\"eventID\":\"f\",", "\"eventType\":null,", "\"eventCategory\":\"Data\",", "\"resources\":[],", "\"x\":{\"y\":\"}\"},"];
        let pieces: Vec<&str> = PIECES.into_iter().chain(members).collect();
        let without_caller = |record: &str| record.split(", caller: ").next().map(str::to_owned);
        let (mut repeated, mut found) = (0, 0);
        for _ in 0..5_000 {
            let mut endings = vec![usual.to_owned(), usual.replace("TLSv1.3", "TLSv1.2"), "\"AwsApiCall\"}".to_owned()];
            let most = if rng.random_bool(0.1) { 50 } else { 9 };
            let records = (0..rng.random_range(2..most)).map(|_| {
                let mut ending = endings[rng.random_range(0..endings.len())].clone();
                if rng.random_bool(0.2) {
                    ending = broken(&ending, &pieces, &mut rng);
                    endings.push(ending.clone());
                }
                let before = ["", "", "", "\"eventCategory\":\"Data\","][rng.random_range(0..4)];
                format!("{{\"eventSource\":\"workmail.amazonaws.com\",{before}\"eventID\":\"e\",\"eventType\":{ending}")
            });
            let records: Vec<String> = records.collect();
            let text = format!("{{\"Records\":[{}]}}", records.join(","));
            let mut scan = Scan::new(&text);
            let mut before = Before::default();
            scan.at = "{\"Records\":[".len();
            for record in &records {
                let begin = scan.at;
                let mut one = Record::default();
                if scan.record(&mut one, &mut before).is_none() {
                    break;
                }
                // One that is broken may end elsewhere than it was meant to.
                let Ok(value) = serde_json::from_str::<serde_json::Value>(record) else { break };
                let read = read(record).or(read(&value.to_string())).as_deref().and_then(without_caller);
                assert!(read == without_caller(&format!("{one:?}")), "{record}\n{one:?}");
                found += 1;
                // Of one that stood before, the texts are those that stand there.
                let stands_at = one.event_type.get().map_or(begin, |kind| kind.as_ptr().addr().saturating_sub(text.as_ptr().addr()));
                repeated += u32::from(stands_at < begin);
                if scan.follows(b']').is_none() {
                    break;
                }
            }
        }
        assert!(found > 5_000 && repeated > 1_000, "{repeated} of {found}");
    }

    #[test]
    fn callers_that_stood_before_are_found_as_any_reader_finds_them() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(4);
        let usual = USUAL.split_once("\"userIdentity\":").and_then(|(_, rest)| rest.split_once(",\"eventTime\"")).unwrap().0;
        let (mut repeated, mut whole) = (0, 0);
        for _ in 0..3_000 {
            let mut identities: Vec<String> = ["ASIA", "ASIB"].iter().map(|key| usual.replace("ASIA", key)).collect();
            identities.push(usual.replace("bob", "alice-with-a-long-name-of-a-session"));
            identities.push("{\"type\":\"AWSService\",\"invokedBy\":\"x\"}".to_owned());
            let most = if rng.random_bool(0.1) { 50 } else { 9 };
            let records = (0..rng.random_range(2..most)).map(|_| {
                let mut identity = identities[rng.random_range(0..identities.len())].clone();
                if rng.random_bool(0.3) {
                    identity = broken(&identity, &PIECES, &mut rng);
                    identities.push(identity.clone());
                }
                format!("{{\"eventVersion\":\"1.11\",\"userIdentity\":{identity},\"eventID\":\"e\"}}")
            });
            let records: Vec<String> = records.collect();
            let text = format!("{{\"Records\":[{}]}}", records.join(","));
            let mut found: Vec<(u64, String, String)> = Vec::new();
            let streamed = super::super::stream::stream(
                &text,
                |_| Some(0),
                |first, records| {
                    assert_eq!(first, found.len() as u64);
                    for (_, record) in records {
                        let mut copy: Record<'_> = Record { user_identity: record.user_identity.clone(), ..Record::default() };
                        copy.event_id = record.event_id.clone();
                        copy.event_version = record.event_version.clone();
                        found.push((record.caller, format!("{:?}", record.user_identity), format!("{copy:?}")));
                    }
                },
            );
            assert_eq!(streamed.taken, found.len() as u64);
            whole += u32::from(streamed.whole);
            for (record, (caller, identity, copy)) in records.iter().zip(&found) {
                // One that is broken may end elsewhere than it was meant to.
                let Ok(value) = serde_json::from_str::<serde_json::Value>(record) else { break };
                assert!(read(record).or(read(&value.to_string())).as_ref() == Some(copy), "{record}\n{copy}");
                for (other, other_identity, _) in &found {
                    assert!(*caller == 0 || caller != other || identity == other_identity, "{text}");
                }
            }
            repeated += found.len() - found.iter().map(|(caller, ..)| caller).collect::<std::collections::BTreeSet<_>>().len();
        }
        assert!(repeated > 2_000 && whole > 500, "{repeated} {whole}");
    }

    #[test]
    fn what_is_found_is_what_any_reader_finds() {
        let members = ["\\\"", "\"eventID\":\"f\",", "\"resources\":null,", "x"];
        let pieces: Vec<&str> = PIECES.into_iter().chain(members).collect();
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let mut found = 0;
        for _ in 0..20_000 {
            let text = broken(USUAL, &pieces, &mut rng);
            if let Some(scanned) = scanned(&text) {
                found += 1;
                // Of a member that is null first, the later one counts, as the careful reader has it.
                let last = serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|value| read(&value.to_string()));
                let same = read(&text).map_or(last.is_some(), |read| read == scanned);
                assert!(same, "{text}\n{scanned}");
            }
        }
        assert!(found > 2_000, "{found}");
    }
}
