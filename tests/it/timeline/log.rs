//! A log, record by record.

use serde_json::{Value, json};

use super::ACCOUNT;

pub(super) const ORGANIZATION: &str = "m-0123456789abcdef0123456789abcdef";

/// Records in the making. Times are days and minutes of May 2026.
#[derive(Default)]
pub(super) struct Log {
    pub(super) records: Vec<Value>,
}

fn time(day: u32, minute: u32) -> String {
    format!("2026-05-{day:02}T{:02}:{:02}:00Z", minute / 60, minute % 60)
}

fn user(name: &str) -> Value {
    json!({"type": "IAMUser", "principalId": format!("AIDAEXAMPLE{}0000", name.to_uppercase()), "userName": name, "accountId": ACCOUNT,
        "arn": format!("arn:aws:iam::{ACCOUNT}:user/{name}"), "accessKeyId": "AKIAEXAMPLE00000000"})
}

/// A session of the role Ops with an access key.
fn session(key: &str) -> Value {
    json!({"type": "AssumedRole", "principalId": "AROAEXAMPLEOPS000000:shift", "accountId": ACCOUNT, "accessKeyId": key,
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/Ops/shift"),
        "sessionContext": {"attributes": {"creationDate": time(1, 0), "mfaAuthenticated": "false"},
            "sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLEOPS000000", "accountId": ACCOUNT, "userName": "Ops",
                "arn": format!("arn:aws:iam::{ACCOUNT}:role/mail/Ops")}}})
}

impl Log {
    fn push(mut self, id: &str, (day, minute): (u32, u32), identity: Value, call: (&str, &str), request: Value, response: Value) -> Self {
        let (source, name) = call;
        let region = if source == "workmail" { "eu-west-1" } else { "us-east-1" };
        self.records.push(json!({"eventVersion": "1.11", "userIdentity": identity, "eventTime": time(day, minute), "eventID": id,
            "eventSource": format!("{source}.amazonaws.com"), "eventName": name, "awsRegion": region, "sourceIPAddress": "192.0.2.1",
            "userAgent": "aws-cli/2", "requestParameters": request, "responseElements": response, "readOnly": false,
            "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": ACCOUNT, "eventCategory": "Management"}));
        self
    }

    /// A call of a user that succeeds.
    pub(super) fn call(self, id: &str, when: (u32, u32), who: &str, action: &str) -> Self {
        self.push(id, when, user(who), ("workmail", action), json!({"organizationId": ORGANIZATION}), Value::Null)
    }

    /// A call of a session of Ops that succeeds.
    pub(super) fn by_session(self, id: &str, when: (u32, u32), key: &str, action: &str) -> Self {
        self.push(id, when, session(key), ("workmail", action), json!({"organizationId": ORGANIZATION}), Value::Null)
    }

    /// The last call was denied.
    pub(super) fn denied(mut self) -> Self {
        let record = self.records.last_mut().unwrap();
        let (action, arn) = (record["eventName"].as_str().unwrap().to_owned(), record["userIdentity"]["arn"].as_str().unwrap().to_owned());
        record["errorCode"] = json!("AccessDenied");
        record["errorMessage"] = json!(format!(
            "User: {arn} is not authorized to perform: workmail:{action} on resource: arn:aws:workmail:eu-west-1:{ACCOUNT}:organization/{ORGANIZATION}"
        ));
        record["requestParameters"] = Value::Null;
        self
    }

    /// A change of IAM, by the root user.
    pub(super) fn iam(self, when: (u32, u32), name: &str, request: Value) -> Self {
        self.change(when, "iam", name, request, Value::Null)
    }

    /// A change of any service, by the root user.
    pub(super) fn change(self, when: (u32, u32), source: &str, name: &str, request: Value, response: Value) -> Self {
        let root = json!({"type": "Root", "principalId": ACCOUNT, "arn": format!("arn:aws:iam::{ACCOUNT}:root"), "accountId": ACCOUNT});
        let id = format!("{name}-{}", self.records.len());
        self.push(&id, when, root, (source, name), request, response)
    }

    /// The role Ops is assumed by a user.
    pub(super) fn assume(self, when: (u32, u32), key: &str, more: Value) -> Self {
        let id = format!("assume-{key}");
        self.assume_as(&id, when, user("alice"), key, more)
    }

    /// The role Ops is assumed by a session of it.
    pub(super) fn chain(self, when: (u32, u32), by: &str, key: &str, more: Value) -> Self {
        let id = format!("chain-{key}");
        self.assume_as(&id, when, session(by), key, more)
    }

    fn assume_as(self, id: &str, when: (u32, u32), who: Value, key: &str, more: Value) -> Self {
        let mut request = json!({"roleArn": format!("arn:aws:iam::{ACCOUNT}:role/mail/Ops"), "roleSessionName": "shift"});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let response = json!({"credentials": {"accessKeyId": key, "sessionToken": "x", "expiration": "later"},
            "assumedRoleUser": {"assumedRoleId": "AROAEXAMPLEOPS000000:shift", "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/Ops/shift")}});
        self.push(id, when, who, ("sts", "AssumeRole"), request, response)
    }
}
