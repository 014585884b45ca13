//! One CloudTrail record: who called, and the JSON of the whole.

use std::fmt::Write as _;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::principals::{Kind, Principal};
use super::values::{time_text, write_time, write_uuid};

/// Everything that differs between records; JSON members are given as text.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// `userIdentity`.
    pub(super) identity: &'a str,
    pub(super) time: u64,
    pub(super) source: &'a str,
    pub(super) name: &'a str,
    pub(super) region: &'a str,
    pub(super) address: &'a str,
    pub(super) agent: &'a str,
    /// Code and message.
    pub(super) error: Option<(&'a str, &'a str)>,
    pub(super) request: &'a str,
    pub(super) response: &'a str,
    pub(super) read_only: bool,
    pub(super) event_type: &'a str,
    /// `recipientAccountId`.
    pub(super) account: &'a str,
    /// Further members, each with a comma behind it.
    pub(super) extra: &'a str,
    pub(super) endpoint: Option<&'a str>,
    pub(super) console: bool,
    /// The host of the TLS connection, unless a service or the console made it.
    pub(super) host: Option<&'a str>,
}

/// The event id of a record.
pub(super) type EventId = String;

impl Record<'_> {
    /// Writes the record and says which event id it got.
    pub(super) fn write(&self, out: &mut String, rng: &mut ChaCha8Rng) -> EventId {
        let mut id = EventId::new();
        write_uuid(&mut id, rng.random(), rng.random());
        out.push_str(match rng.random_range(0..20_u32) {
            0 => "{\"eventVersion\":\"1.08\",\"userIdentity\":",
            1 | 2 => "{\"eventVersion\":\"1.09\",\"userIdentity\":",
            _ => "{\"eventVersion\":\"1.11\",\"userIdentity\":",
        });
        out.push_str(self.identity);
        out.push_str(",\"eventTime\":\"");
        write_time(out, self.time);
        out.push('"');
        for (name, value) in [
            ("eventSource", self.source),
            ("eventName", self.name),
            ("awsRegion", self.region),
            ("sourceIPAddress", self.address),
            ("userAgent", self.agent),
        ] {
            write_member(out, name, value);
        }
        if let Some((code, message)) = self.error {
            write_member(out, "errorCode", code);
            write_member(out, "errorMessage", message);
        }
        self.write_rest(out, &id, rng);
        id
    }

    fn write_rest(&self, out: &mut String, id: &str, rng: &mut ChaCha8Rng) {
        let written = write!(out, ",\"requestParameters\":{},\"responseElements\":{},\"requestID\":\"", self.request, self.response);
        debug_assert!(written.is_ok(), "writing to a string does not fail");
        write_uuid(out, rng.random(), rng.random());
        out.push('"');
        write_member(out, "eventID", id);
        out.push_str(if self.read_only { ",\"readOnly\":true," } else { ",\"readOnly\":false," });
        out.push_str(self.extra);
        let event_type = self.event_type;
        let written = write!(out, "\"eventType\":\"{event_type}\",\"managementEvent\":true,\"recipientAccountId\":\"{}\"", self.account);
        debug_assert!(written.is_ok(), "writing to a string does not fail");
        if let Some(endpoint) = self.endpoint {
            write_member(out, "vpcEndpointId", endpoint);
            write_member(out, "vpcEndpointAccountId", self.account);
        }
        let network = event_type == "AwsVpceEvents";
        write_member(out, "eventCategory", if network { "NetworkActivity" } else { "Management" });
        if let Some(host) = self.host {
            out.push_str(",\"tlsDetails\":{\"tlsVersion\":\"TLSv1.3\",\"cipherSuite\":\"TLS_AES_128_GCM_SHA256\"");
            write_member(out, "clientProvidedHostHeader", host);
            out.push('}');
        }
        out.push_str(if self.console { ",\"sessionCredentialFromConsole\":\"true\"}" } else { "}" });
    }
}

fn write_member(out: &mut String, name: &str, value: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":\"");
    for part in value.split_inclusive(['"', '\\']) {
        match part.strip_suffix(['"', '\\']) {
            Some(plain) => {
                out.push_str(plain);
                out.push('\\');
                out.push_str(part.get(plain.len()..).unwrap_or_default());
            }
            None => out.push_str(part),
        }
    }
    out.push('"');
}

/// The temporary credentials of a session.
#[derive(Debug)]
pub(super) struct Session<'a> {
    /// The access key, absent where a service holds the session.
    pub(super) key: Option<&'a str>,
    /// The role session name; of no meaning for users.
    pub(super) name: &'a str,
    pub(super) created: u64,
    pub(super) mfa: bool,
    /// The service that acts, and members that only some kinds of session have.
    pub(super) invoked_by: Option<&'a str>,
    pub(super) on_instance: bool,
}

/// The ARN that error messages name.
pub(super) fn caller_arn(principal: &Principal, session: &str) -> String {
    match principal.kind {
        Kind::User => principal.arn(),
        Kind::Role => format!("arn:aws:sts::{}:assumed-role/{}/{session}", principal.account, principal.name),
    }
}

/// `userIdentity` of a user with a long-term key.
pub(super) fn user_with_key(user: &Principal) -> String {
    format!(
        r#"{{"type":"IAMUser","principalId":"{}","arn":"{}","accountId":"{}","accessKeyId":"{}","userName":"{}"}}"#,
        user.logged_id(),
        user.arn(),
        user.account,
        user.long_term_key(),
        user.name
    )
}

/// `userIdentity` of a user or a role with temporary credentials.
pub(super) fn with_session(principal: &Principal, session: &Session<'_>) -> String {
    let id = principal.logged_id();
    let (kind, caller, name, issuer) = match principal.kind {
        Kind::User => ("IAMUser", id, format!(r#","userName":"{}""#, principal.name), "{}".to_owned()),
        Kind::Role => {
            let issuer = format!(
                r#"{{"type":"Role","principalId":"{id}","arn":"{}","accountId":"{}","userName":"{}"}}"#,
                principal.arn(),
                principal.account,
                principal.name
            );
            ("AssumedRole", format!("{id}:{}", session.name), String::new(), issuer)
        }
    };
    let key = session.key.map(|key| format!(r#","accessKeyId":"{key}""#)).unwrap_or_default();
    let invoked_by = session.invoked_by.map(|service| format!(r#","invokedBy":"{service}""#)).unwrap_or_default();
    let delivery = if session.on_instance { r#","ec2RoleDelivery":"2.0""# } else { "" };
    format!(
        r#"{{"type":"{kind}","principalId":"{caller}","arn":"{}","accountId":"{}"{key}{name},"sessionContext":{{"sessionIssuer":{issuer},"webIdFederationData":{{}},"attributes":{{"creationDate":"{}","mfaAuthenticated":"{}"}}{delivery}}}{invoked_by}}}"#,
        caller_arn(principal, session.name),
        principal.account,
        time_text(session.created),
        session.mfa
    )
}

/// `userIdentity` of the root user of an account, signed in with MFA.
pub(super) fn root(account: &str, key: &str, created: u64) -> String {
    let created = time_text(created);
    format!(
        r#"{{"type":"Root","principalId":"{account}","arn":"arn:aws:iam::{account}:root","accountId":"{account}","accessKeyId":"{key}","sessionContext":{{"sessionIssuer":{{}},"webIdFederationData":{{}},"attributes":{{"creationDate":"{created}","mfaAuthenticated":"true"}}}}}}"#
    )
}

/// `userIdentity` of an AWS service that acts for itself.
pub(super) fn service(name: &str) -> String {
    format!(r#"{{"type":"AWSService","invokedBy":"{name}"}}"#)
}

/// `userIdentity` of a caller from another account, as the account of the resource sees it.
pub(super) fn other_account(id: &str, account: &str) -> String {
    format!(r#"{{"type":"AWSAccount","principalId":"{id}","accountId":"{account}"}}"#)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::generate::roster::{ALICE, OPS};
    use rand::SeedableRng as _;
    use serde_json::Value;

    fn record(identity: &str) -> Value {
        let record = Record {
            identity,
            time: 1_780_000_000,
            source: "workmail.amazonaws.com",
            name: "ListUsers",
            region: "eu-west-1",
            address: "203.0.113.7",
            agent: "a \"quoted\" agent",
            error: Some(("AccessDenied", "no")),
            request: "null",
            response: "null",
            read_only: true,
            event_type: "AwsApiCall",
            account: "111122223333",
            extra: "",
            endpoint: Some("vpce-1"),
            console: true,
            host: Some("workmail.eu-west-1.amazonaws.com"),
        };
        let mut out = String::new();
        record.write(&mut out, &mut ChaCha8Rng::seed_from_u64(1));
        serde_json::from_str(&out).unwrap()
    }

    #[test]
    fn records_are_json() {
        let record = record(&user_with_key(&ALICE));
        assert_eq!(record["userAgent"], "a \"quoted\" agent");
        assert_eq!(record["errorCode"], "AccessDenied");
        assert_eq!(record["userIdentity"]["userName"], "alice.moreno");
        assert_eq!(record["sessionCredentialFromConsole"], "true");
    }

    #[test]
    fn the_path_of_a_role_is_in_its_issuer_only() {
        let session = Session { key: Some("ASIAEXAMPLE"), name: "alice", created: 0, mfa: false, invoked_by: None, on_instance: true };
        let identity = &record(&with_session(&OPS, &session))["userIdentity"];
        assert_eq!(identity["arn"], "arn:aws:sts::111122223333:assumed-role/WorkMailOps/alice");
        assert_eq!(identity["sessionContext"]["sessionIssuer"]["arn"], OPS.arn());
        assert_eq!(identity["sessionContext"]["attributes"]["mfaAuthenticated"], "false");
    }
}
