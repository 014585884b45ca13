//! Sessions of roles: how they are assumed, and the session policies that limit some of them.

use std::io;

use rand::Rng as _;
use rand::seq::IteratorRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::super::acts::Place;
use super::super::estate::{CORP, PRODUCTION};
use super::super::network::{GLOBAL, address, host, source};
use super::super::principals::{Principal, temporary_key};
use super::super::records::{Record, Session, caller_arn, user_with_key, with_session};
use super::super::values::Scene;
use super::documents::{Document, Set};
use super::model::{BROKER, Model, Purpose};
use super::traffic::{Traffic, Visit, record};

/// One session in so many has session policies.
const LIMITED: u32 = 3;

/// The session policies of a session.
#[derive(Debug)]
pub(super) enum Limit<'m> {
    None,
    /// A document that the call hands over.
    Inline(Document),
    /// A managed policy that the call names.
    Managed(&'m str),
}

impl<'m> Limit<'m> {
    /// The limit of a session: mostly none.
    pub(super) fn draw(model: &'m Model, rng: &mut ChaCha8Rng) -> Self {
        let managed = model.policies.iter().filter(|(_, policy)| policy.purpose == Purpose::Session);
        match (rng.random_ratio(1, LIMITED), managed.choose(rng)) {
            (false, _) => Self::None,
            (true, Some((name, _))) if rng.random_bool(0.5) => Self::Managed(name),
            (true, _) => Self::Inline(Document::looking(2, rng)),
        }
    }

    /// What it leaves.
    fn set(&self, model: &Model) -> Set {
        match self {
            Self::None => Set::ALL,
            Self::Inline(document) => document.allowed(false),
            Self::Managed(name) => {
                let document = model.policies.get(*name).and_then(|policy| policy.document());
                document.map(|document| document.allowed(false)).unwrap_or_default()
            }
        }
    }

    /// The parameter that says it, with a comma before it.
    fn parameter(&self, model: &Model) -> String {
        match self {
            Self::None => String::new(),
            Self::Inline(document) => format!(r#","policy":{}"#, json!(document.json().to_string())),
            Self::Managed(name) => format!(r#","policyArns":{}"#, json!([{"arn": model.policy_arn(name)}])),
        }
    }
}

/// The broker assumes a role.
pub(super) fn assume_role(
    traffic: &mut Traffic<'_>,
    model: &Model,
    role: &Principal<'_>,
    limit: Limit<'_>,
    start: u64,
) -> io::Result<Visit> {
    let (name, key, arn) = (traffic.session_name(), temporary_key(&mut traffic.rng), role.arn());
    let caller = caller_arn(role, name);
    let scene = Scene { organization: &CORP, role: &arn, session: name, issued_key: &key, time: start };
    let (mut request, mut response) = (String::new(), String::new());
    traffic.assume.write_request(&mut request, &scene, &mut traffic.rng);
    traffic.assume.write_response(&mut response, &scene, &mut traffic.rng);
    let id = role.logged_id();
    insert(&mut request, &limit.parameter(model));
    insert(&mut response, &format!(r#","assumedRoleUser":{{"assumedRoleId":"{id}:{name}","arn":"{caller}"}}"#));
    let broker = model.principal(BROKER).map(|broker| user_with_key(&broker)).unwrap_or_default();
    let place = address(Place::Office, &mut traffic.rng);
    traffic.deliver(&Record {
        source: &source("sts"),
        name: "AssumeRole",
        region: GLOBAL,
        address: &place,
        request: &request,
        response: &response,
        read_only: traffic.assume.read_only,
        extra: &format!(r#""resources":[{{"accountId":"{PRODUCTION}","type":"AWS::IAM::Role","ARN":"{arn}"}}],"#),
        host: Some(&host("sts", GLOBAL)),
        ..record(&broker, start)
    })?;
    let session = Session { key: Some(&key), name, created: start, mfa: false, invoked_by: None, on_instance: false };
    let address = address(Place::Cloud, &mut traffic.rng);
    Ok(Visit { name: role.name.to_owned(), identity: with_session(role, &session), caller, address, limit: limit.set(model) })
}

/// Puts a member at the end of an object.
fn insert(object: &mut String, member: &str) {
    object.pop();
    object.push_str(member);
    object.push('}');
}
