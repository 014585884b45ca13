//! Successful calls of all those who are not personas.

use std::io;

use super::calls::{Visit, is_user};
use super::estate::{CORP, Organization};
use super::network::{GLOBAL, host, is_global, source};
use super::records::Record;
use super::traffic::Traffic;
use super::values::Scene;
use super::write::MANAGEMENT;

/// A successful call outside of a persona's work.
pub(super) struct Event<'a> {
    pub(super) name: &'a str,
    pub(super) identity: &'a str,
    pub(super) organization: &'static Organization,
    pub(super) account: &'static str,
    pub(super) address: &'a str,
    pub(super) agent: &'a str,
    pub(super) tls: bool,
    pub(super) console: bool,
    /// The visit for which credentials are issued.
    pub(super) visit: Option<&'a Visit>,
    /// Whether another account gets a record too, and under which id.
    pub(super) shared: bool,
    pub(super) shared_id: Option<&'a str>,
}

impl<'a> Event<'a> {
    /// A call from the command line in the office.
    pub(super) fn new(name: &'a str, identity: &'a str, organization: &'static Organization) -> Self {
        let agent = "aws-cli/2.28.4 md/awscrt#0.27.4 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.5";
        let account = organization.account;
        Self {
            name,
            identity,
            organization,
            account,
            address: "203.0.113.11",
            agent,
            tls: true,
            console: false,
            visit: None,
            shared: false,
            shared_id: None,
        }
    }

    /// Writes the record.
    pub(super) fn log(&self, traffic: &mut Traffic<'_>, time: u64) -> io::Result<()> {
        let operation = traffic.operations.get(self.name)?;
        let role = self.visit.map(|visit| visit.persona.principal.arn()).unwrap_or_default();
        let user = self.visit.map_or("", |visit| if is_user(visit) { visit.persona.principal.name } else { visit.session });
        let key = self.visit.map_or("", |visit| visit.key.as_str());
        let scene = Scene { organization: self.organization, role: &role, session: user, issued_key: key, time };
        let (mut request, mut response) = (String::new(), String::new());
        operation.write_request(&mut request, &scene, &mut traffic.rng);
        operation.write_response(&mut response, &scene, &mut traffic.rng);
        let region = if is_global(&operation.service) { GLOBAL } else { self.organization.region };
        let mut extra = self.resources(&operation.service, &role);
        if self.shared || self.shared_id.is_some() {
            let id = self.shared_id.map_or_else(|| traffic.shared_id(), str::to_owned);
            extra.push_str(&format!(r#""sharedEventID":"{id}","#));
        }
        let host = host(&operation.service, region);
        let record = Record {
            source: &source(&operation.service),
            name: &operation.name,
            region,
            address: self.address,
            agent: self.agent,
            request: &request,
            response: &response,
            read_only: operation.read_only,
            extra: &extra,
            console: self.console,
            host: (self.tls && !self.console).then_some(host.as_str()),
            ..blank(self.identity, time, self.account)
        };
        log(traffic, &record, self.account, region, MANAGEMENT)
    }

    fn resources(&self, service: &str, role: &str) -> String {
        let Organization { region, account, key, .. } = self.organization;
        match service {
            "kms" => format!(
                r#""resources":[{{"accountId":"{account}","type":"AWS::KMS::Key","ARN":"arn:aws:kms:{region}:{account}:key/{key}"}}],"#
            ),
            "sts" if self.visit.is_some_and(|visit| !is_user(visit)) => {
                let account = self.visit.map_or("", |visit| visit.persona.principal.account);
                format!(r#""resources":[{{"accountId":"{account}","type":"AWS::IAM::Role","ARN":"{role}"}}],"#)
            }
            _ => String::new(),
        }
    }
}

/// A record of nothing in particular.
pub(super) fn blank<'a>(identity: &'a str, time: u64, account: &'a str) -> Record<'a> {
    Record {
        identity,
        time,
        source: "",
        name: "",
        region: CORP.region,
        address: "kms.amazonaws.com",
        agent: "kms.amazonaws.com",
        error: None,
        request: "null",
        response: "null",
        read_only: false,
        event_type: "AwsApiCall",
        account,
        extra: "",
        endpoint: None,
        console: false,
        host: None,
    }
}

/// Delivers a record.
pub(super) fn log(
    traffic: &mut Traffic<'_>,
    record: &Record<'_>,
    account: &'static str,
    region: &'static str,
    folder: &'static str,
) -> io::Result<()> {
    let mut text = String::with_capacity(2_048);
    record.write(&mut text, &mut traffic.rng);
    traffic.deliver(account, region, folder, record.time, &text)
}
