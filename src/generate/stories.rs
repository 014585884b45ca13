//! What is in the log besides the work of the personas: sign-ins, services that act for themselves, and planted events.

use std::io;

use rand::Rng;

use super::acts::{Act, Place, Verdict};
use super::estate::{BRANCH, CORP, FOREIGN, Organization, PILOT, PRODUCTION};
use super::events::{Event, blank, log};
use super::network::{ENDPOINT, address};
use super::personas::PERSONAS;
use super::principals::{Principal, example_id};
use super::records::{Record, Session, other_account, root, service, with_session};
use super::roster::{BJORN, CHLOE, DARIO, ERIN, EVENTS_ROLE, PROVISIONER};
use super::sign_ins::console_login;
use super::traffic::{Contradiction, Traffic};
use super::write::{MANAGEMENT, NETWORK};

/// An event at a fixed point of the window.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) day: u64,
    pub(super) hour: u64,
    plot: Plot,
}

#[derive(Debug)]
enum Plot {
    /// A call that a policy allowed which has been detached since.
    Detached { principal: &'static Principal<'static>, operation: &'static str, policy: &'static str },
    /// The root user signs in and looks around.
    Root(&'static Organization),
    /// A caller of another company reads the description of a key.
    ForeignCaller,
    /// KMS rotates a key on its own.
    KeyRotation,
    /// The policy of the VPC endpoint refuses a call.
    EndpointRefusal,
}

const fn detached(day: u64, principal: &'static Principal<'static>, operation: &'static str, policy: &'static str) -> Story {
    Story { day, hour: 9, plot: Plot::Detached { principal, operation, policy } }
}

/// All planted events in the order of time.
pub(super) static STORIES: [Story; 13] = [
    detached(2, &BJORN, "workmail:CreateGroup", "WorkMailProvisioning"),
    detached(2, &BJORN, "workmail:CreateResource", "WorkMailProvisioning"),
    Story { day: 3, hour: 7, plot: Plot::Root(&CORP) },
    detached(4, &CHLOE, "workmail:AssociateMemberToGroup", "WorkMailProvisioning"),
    detached(8, &DARIO, "workmail:DeleteAlias", "WorkMailDeprovisioning"),
    detached(10, &ERIN, "workmail:WipeMobileDevice", "WorkMailAdmins"),
    Story { day: 12, hour: 11, plot: Plot::ForeignCaller },
    Story { day: 25, hour: 3, plot: Plot::KeyRotation },
    Story { day: 33, hour: 14, plot: Plot::EndpointRefusal },
    Story { day: 40, hour: 8, plot: Plot::Root(&PILOT) },
    Story { day: 70, hour: 15, plot: Plot::ForeignCaller },
    Story { day: 84, hour: 3, plot: Plot::KeyRotation },
    Story { day: 101, hour: 10, plot: Plot::Root(&BRANCH) },
];

impl Story {
    /// Writes the events of the story.
    pub(super) fn tell(&self, traffic: &mut Traffic<'_>, time: u64) -> io::Result<()> {
        match &self.plot {
            Plot::Detached { principal, operation, policy } => tell_detached(traffic, principal, operation, policy, time),
            Plot::Root(organization) => tell_root(traffic, organization, time),
            Plot::ForeignCaller => {
                let id = example_id("AROA", &[FOREIGN, "Scanner"]);
                let identity = other_account(&format!("{id}:scan"), FOREIGN);
                let event = Event {
                    address: "198.51.100.200",
                    agent: "Boto3/1.39.3",
                    shared: true,
                    ..Event::new("kms:DescribeKey", &identity, &CORP)
                };
                event.log(traffic, time)
            }
            Plot::KeyRotation => {
                let identity = format!(r#"{{"accountId":"{PRODUCTION}","invokedBy":"kms.amazonaws.com"}}"#);
                let extra = format!(r#""serviceEventDetails":{{"keyId":"{}"}},"#, CORP.key);
                let record = Record {
                    source: "kms.amazonaws.com",
                    name: "RotateKey",
                    event_type: "AwsServiceEvent",
                    extra: &extra,
                    ..blank(&identity, time, PRODUCTION)
                };
                log(traffic, &record, PRODUCTION, CORP.region, MANAGEMENT)
            }
            Plot::EndpointRefusal => {
                let identity = other_account(&format!("{}:onboarding", PROVISIONER.logged_id()), PRODUCTION);
                let record = Record {
                    source: "workmail.amazonaws.com",
                    name: "DescribeOrganization",
                    address: "10.20.1.77",
                    agent: "Boto3/1.40.9 md/Botocore#1.40.9 ua/2.1 os/linux#6.8.0",
                    error: Some(("VpceAccessDenied", "The request was denied due to a VPC endpoint policy")),
                    read_only: true,
                    event_type: "AwsVpceEvents",
                    endpoint: Some(ENDPOINT),
                    ..blank(&identity, time, PRODUCTION)
                };
                log(traffic, &record, PRODUCTION, CORP.region, NETWORK)
            }
        }
    }
}

fn tell_detached(traffic: &mut Traffic<'_>, principal: &'static Principal<'static>, name: &str, policy: &str, time: u64) -> io::Result<()> {
    let persona = PERSONAS.iter().find(|persona| std::ptr::eq(persona.principal, principal));
    let (Some(persona), false) = (persona, traffic.is_complete()) else {
        return Ok(());
    };
    let mut visit = traffic.begin(persona, time)?;
    visit.organization = &CORP;
    if traffic.is_complete() {
        return Ok(());
    }
    let operation = traffic.operations.get(name)?;
    let id = traffic.call(&mut visit, &Act::with(Verdict::Succeeded), operation)?;
    let text = format!("`{}` calls `{name}`; `{policy}` was attached to this user at the time", principal.name);
    traffic.contradictions.push(Contradiction { id, time: visit.time, text });
    Ok(())
}

fn tell_root(traffic: &mut Traffic<'_>, organization: &'static Organization, time: u64) -> io::Result<()> {
    let account = organization.account;
    let identity = root(account, &traffic.access_key(), time);
    let login = format!(
        r#"{{"type":"Root","principalId":"{account}","arn":"arn:aws:iam::{account}:root","accountId":"{account}","accessKeyId":""}}"#
    );
    let place = address(Place::Home, &mut traffic.rng);
    console_login(traffic, &login, account, &place, true, time)?;
    for (step, name) in [(20, "workmail:ListOrganizations"), (55, "iam:ListRoles")] {
        let event = Event { address: &place, agent: "AWS Internal", console: true, ..Event::new(name, &identity, organization) };
        event.log(traffic, time + step)?;
    }
    Ok(())
}

/// Services at work: WorkMail encrypts and decrypts mail, its service-linked role writes event logs.
pub(super) fn machines(traffic: &mut Traffic<'_>, start: u64) -> io::Result<()> {
    let organization = if traffic.rng.random_ratio(1, 4) { &BRANCH } else { &CORP };
    let mut time = start;
    if traffic.rng.random_ratio(1, 3) {
        let by = "events.workmail.amazonaws.com";
        let session = Session { key: None, name: "WorkMailEvents", created: start, mfa: false, invoked_by: Some(by), on_instance: false };
        let identity = with_session(&EVENTS_ROLE, &session);
        let name = if traffic.rng.random_ratio(1, 3) { "logs:CreateLogGroup" } else { "logs:CreateLogStream" };
        let event = Event { address: by, agent: by, tls: false, ..Event::new(name, &identity, &CORP) };
        return event.log(traffic, time);
    }
    let by = format!("workmail.{}.amazonaws.com", organization.region);
    let identity = service(&by);
    for _ in 0..traffic.rng.random_range(2..6_u32) {
        let name = if traffic.rng.random_ratio(1, 3) { "kms:Encrypt" } else { "kms:Decrypt" };
        let event = Event { address: &by, agent: &by, tls: false, shared: true, ..Event::new(name, &identity, organization) };
        event.log(traffic, time)?;
        time += traffic.rng.random_range(1..30);
    }
    Ok(())
}
