//! What signing in leaves in the log.

use std::io;

use rand::Rng;

use super::acts::Place;
use super::calls::{Visit, is_user};
use super::estate::CORP;
use super::events::{Event, blank, log};
use super::network::{GLOBAL, address};
use super::personas::Credential;
use super::principals::{Kind, Principal};
use super::records::{Record, Session, other_account, service, user_with_key, with_session};
use super::traffic::Traffic;
use super::write::MANAGEMENT;

/// The records that signing in leaves before the first call of a visit.
pub(super) fn sign_in(traffic: &mut Traffic<'_>, visit: &Visit) -> io::Result<()> {
    let principal = visit.persona.principal;
    match visit.persona.credential {
        Credential::Assumed { by, .. } => assume_role(traffic, visit, by),
        Credential::SessionToken => {
            let identity = user_with_key(principal);
            let place = address(visit.place, &mut traffic.rng);
            let event = Event { address: &place, visit: Some(visit), ..Event::new("sts:GetSessionToken", &identity, &CORP) };
            event.log(traffic, visit.created)
        }
        Credential::Console { mfa } if traffic.rng.random_ratio(1, 5) && is_user(visit) => {
            let arn = principal.arn();
            let (id, account, name) = (principal.logged_id(), principal.account, principal.name);
            let identity =
                format!(r#"{{"type":"IAMUser","principalId":"{id}","arn":"{arn}","accountId":"{account}","userName":"{name}"}}"#);
            let place = address(Place::Office, &mut traffic.rng);
            console_login(traffic, &identity, account, &place, mfa, visit.created)
        }
        Credential::PermissionSet if traffic.rng.random_ratio(1, 6) => {
            let identity = format!(
                r#"{{"type":"SAMLUser","principalId":"uQ8ZrT2example=:{0}","userName":"{0}","identityProvider":"uQ8ZrT2example="}}"#,
                visit.session
            );
            let event = Event { account: principal.account, visit: Some(visit), ..Event::new("sts:AssumeRoleWithSAML", &identity, &CORP) };
            event.log(traffic, visit.created)
        }
        Credential::Lambda if traffic.rng.random_ratio(1, 8) => {
            let identity = service("lambda.amazonaws.com");
            let by = "lambda.amazonaws.com";
            let event = Event { address: by, agent: by, tls: false, visit: Some(visit), ..Event::new("sts:AssumeRole", &identity, &CORP) };
            event.log(traffic, visit.created)
        }
        _ => Ok(()),
    }
}

/// The call that issues a role's credentials; between accounts, both get a record.
fn assume_role(traffic: &mut Traffic<'_>, visit: &Visit, by: &'static Principal<'static>) -> io::Result<()> {
    let role = visit.persona.principal;
    let key = traffic.access_key();
    let on_instance = by.kind == Kind::Role && by.account == role.account;
    let name = if on_instance { "i-07d1e94ab3c562f80" } else { visit.session };
    let session = Session { key: Some(&key), name, created: visit.created - 900, mfa: false, invoked_by: None, on_instance };
    let identity = if by.kind == Kind::User { user_with_key(by) } else { with_session(by, &session) };
    let place = address(if on_instance { Place::Cloud } else { Place::Office }, &mut traffic.rng);
    let shared = (by.account != role.account).then(|| traffic.shared_id());
    let event = |identity, account| Event {
        address: &place,
        account,
        visit: Some(visit),
        shared_id: shared.as_deref(),
        ..Event::new("sts:AssumeRole", identity, &CORP)
    };
    event(&identity, by.account).log(traffic, visit.created)?;
    if shared.is_some() {
        let identity = other_account(&format!("{}:{name}", by.logged_id()), by.account);
        event(&identity, role.account).log(traffic, visit.created)?;
    }
    Ok(())
}

/// A sign-in to the console with a password.
pub(super) fn console_login(
    traffic: &mut Traffic<'_>,
    identity: &str,
    account: &'static str,
    place: &str,
    mfa: bool,
    time: u64,
) -> io::Result<()> {
    let used = if mfa { "Yes" } else { "No" };
    let extra = format!(
        r#""additionalEventData":{{"LoginTo":"https://console.aws.amazon.com/console/home","MobileVersion":"No","MFAUsed":"{used}"}},"#
    );
    let record = Record {
        source: "signin.amazonaws.com",
        name: "ConsoleLogin",
        region: GLOBAL,
        address: place,
        agent: "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
        response: r#"{"ConsoleLogin":"Success"}"#,
        event_type: "AwsConsoleSignIn",
        extra: &extra,
        host: Some("signin.aws.amazon.com"),
        ..blank(identity, time, account)
    };
    log(traffic, &record, account, GLOBAL, MANAGEMENT)
}
