//! A call of a signed-in persona: its outcome, and the record that it leaves.

use rand::Rng;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use super::acts::{Act, Place, Verdict};
use super::estate::Organization;
use super::network::{ENDPOINT, GLOBAL, address, agent, host, is_console, is_global, source};
use super::operations::Operation;
use super::personas::{Credential, Persona};
use super::principals::Kind;
use super::records::{EventId, Record, Session, caller_arn, user_with_key, with_session};
use super::values::{Scene, write_uuid};

/// One call in so many fails for a reason other than access.
const FAILURES: u32 = 25;

/// A persona with its credentials, for the length of an episode.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) persona: &'static Persona,
    pub(super) organization: &'static Organization,
    pub(super) session: &'static str,
    pub(super) place: Place,
    pub(super) key: String,
    /// When the credentials were issued.
    pub(super) created: u64,
    /// When the last call was made.
    pub(super) time: u64,
    /// `userIdentity`.
    pub(super) identity: String,
    /// The ARN in error messages.
    caller: String,
    address: String,
    agent: &'static str,
}

/// What the delivery needs to know of a written call.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) id: EventId,
    pub(super) account: &'static str,
    pub(super) region: &'static str,
}

impl Visit {
    /// A visit that begins now.
    pub(super) fn new(
        persona: &'static Persona,
        organization: &'static Organization,
        session: &'static str,
        place: Place,
        key: String,
        start: u64,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let mut visit = Self {
            persona,
            organization,
            session,
            place,
            key,
            created: start,
            time: start,
            identity: String::new(),
            caller: caller_arn(persona.principal, session),
            address: address(place, rng),
            agent: agent(&persona.credential, rng),
        };
        visit.identity = visit.identity_with(None);
        visit
    }

    fn identity_with(&self, invoked_by: Option<&str>) -> String {
        let mfa = match self.persona.credential {
            Credential::LongTermKey => return user_with_key(self.persona.principal),
            Credential::Console { mfa } | Credential::Assumed { mfa, .. } => mfa,
            Credential::SessionToken => true,
            Credential::PermissionSet | Credential::Lambda | Credential::Instance => false,
        };
        let on_instance = matches!(self.persona.credential, Credential::Instance);
        let session = Session { key: Some(&self.key), name: self.session, created: self.created, mfa, invoked_by, on_instance };
        with_session(self.persona.principal, &session)
    }
}

/// Writes the record of a call.
pub(super) fn write_call(out: &mut String, visit: &Visit, act: &Act, operation: &Operation, rng: &mut ChaCha8Rng) -> Written {
    let organization = act.organization.unwrap_or(visit.organization);
    let region = if is_global(&operation.service) { GLOBAL } else { organization.region };
    let account = visit.persona.principal.account;
    let error = outcome(visit, act, operation, organization, rng);
    let error = error.as_ref().map(|(code, message)| (*code, message.as_str()));
    let (request, response) = bodies(visit, organization, operation, error.map(|(code, _)| code), rng);
    let origin = Origin::of(visit, act, operation, region, rng);
    let via_identity = act.via.map(|service| visit.identity_with(Some(service)));
    let console = is_console(&visit.persona.credential);
    let record = Record {
        identity: via_identity.as_deref().unwrap_or(&visit.identity),
        time: visit.time,
        source: &source(&operation.service),
        name: &operation.name,
        region,
        address: act.via.unwrap_or(&origin.address),
        agent: act.via.unwrap_or(origin.agent),
        error,
        request: &request,
        response: &response,
        read_only: operation.read_only,
        event_type: "AwsApiCall",
        account,
        extra: "",
        endpoint: origin.endpoint,
        console,
        host: (!console && act.via.is_none()).then_some(origin.host.as_str()),
    };
    Written { id: record.write(out, rng), account, region }
}

/// Where a call comes from and goes to, as its record shows it.
struct Origin {
    address: String,
    agent: &'static str,
    endpoint: Option<&'static str>,
    host: String,
}

impl Origin {
    fn of(visit: &Visit, act: &Act, operation: &Operation, region: &str, rng: &mut ChaCha8Rng) -> Self {
        let moved = act.place.filter(|place| *place != visit.place);
        let place = moved.unwrap_or(visit.place);
        // Other services have no endpoint in the VPC.
        let endpoint = (place == Place::Endpoint && operation.service == "workmail").then_some(ENDPOINT);
        let address = match (place, moved) {
            (Place::Endpoint, _) if endpoint.is_none() => address(Place::Cloud, rng),
            (_, Some(place)) => address(place, rng),
            (_, None) => visit.address.clone(),
        };
        let agent = if place == Place::ConsoleProxy { "AWS Internal" } else { visit.agent };
        let host = match endpoint {
            Some(endpoint) => format!("{endpoint}-k3x9w2ab.workmail.{region}.vpce.amazonaws.com"),
            None => host(&operation.service, region),
        };
        Self { address, agent, endpoint, host }
    }
}

/// `requestParameters` and `responseElements`.
fn bodies(
    visit: &Visit,
    organization: &Organization,
    operation: &Operation,
    error: Option<&str>,
    rng: &mut ChaCha8Rng,
) -> (String, String) {
    let name = visit.persona.principal.name;
    let scene = Scene { organization, role: "", session: name, issued_key: "", time: visit.time };
    let (mut request, mut response) = (String::new(), String::new());
    if matches!(error, Some("AccessDenied" | "ThrottlingException")) {
        request.push_str("null");
    } else {
        operation.write_request(&mut request, &scene, rng);
    }
    if error.is_some() {
        response.push_str("null");
    } else {
        operation.write_response(&mut response, &scene, rng);
    }
    (request, response)
}

type Error = (&'static str, String);

fn outcome(visit: &Visit, act: &Act, operation: &Operation, organization: &Organization, rng: &mut ChaCha8Rng) -> Option<Error> {
    let (action, caller) = (operation.action(), &visit.caller);
    let reason = match act.verdict {
        Verdict::Succeeded => return None,
        Verdict::Allowed => {
            return rng.random_ratio(1, FAILURES).then(|| failure(operation, rng));
        }
        Verdict::NotAllowed => {
            format!("because no identity-based policy allows the {action} action")
        }
        Verdict::Denied => "with an explicit deny in an identity-based policy".to_owned(),
        Verdict::Bounded => format!("because no permissions boundary allows the {action} action"),
        Verdict::RoleNotPassed => {
            let role = format!("arn:aws:iam::{}:role/service-role/LegacyExportRole", organization.account);
            let reason = "because no identity-based policy allows the iam:PassRole action";
            return Some((
                "AccessDenied",
                format!("User: {caller} is not authorized to perform: iam:PassRole on resource: {role} {reason}"),
            ));
        }
    };
    if operation.service == "ec2" {
        let message =
            format!("You are not authorized to perform this operation. User: {caller} is not authorized to perform: {action} {reason}");
        return Some(("Client.UnauthorizedOperation", message));
    }
    let resource = denied_resource(operation, organization, rng);
    Some(("AccessDenied", format!("User: {caller} is not authorized to perform: {action} on resource: {resource} {reason}")))
}

fn denied_resource(operation: &Operation, organization: &Organization, rng: &mut ChaCha8Rng) -> String {
    let Organization { id, account, region, key, .. } = organization;
    match operation.service.as_str() {
        "workmail" if !operation.is_without_organization() => {
            format!("arn:aws:workmail:{region}:{account}:organization/{id}")
        }
        "workmailmessageflow" => {
            let mut arn = format!("arn:aws:workmailmessageflow:{region}:{account}:message/{id}/incoming/");
            write_uuid(&mut arn, rng.random(), rng.random());
            arn
        }
        "kms" if operation.name != "ListAliases" => {
            format!("arn:aws:kms:{region}:{account}:key/{key}")
        }
        _ => "*".to_owned(),
    }
}

fn failure(operation: &Operation, rng: &mut ChaCha8Rng) -> Error {
    let throttled = ("ThrottlingException", "Rate exceeded");
    let (code, message) = if operation.service != "workmail" || rng.random_ratio(1, 8) {
        throttled
    } else if operation.is_without_organization() {
        ("InvalidParameterException", "One or more of the request parameters is not valid.")
    } else if operation.name.starts_with("Create") {
        let choices =
            [("NameAvailabilityException", "The name is taken."), ("LimitExceededException", "A limit of the organization is reached.")];
        choices.choose(rng).copied().unwrap_or(throttled)
    } else if operation.read_only {
        let choices = [
            ("EntityNotFoundException", "No entity has this identifier."),
            ("OrganizationNotFoundException", "No organization has this identifier."),
            ("InvalidParameterException", "One or more of the request parameters is not valid."),
        ];
        choices.choose(rng).copied().unwrap_or(throttled)
    } else {
        let choices = [
            ("EntityStateException", "The entity is not in a state for this operation."),
            ("EntityNotFoundException", "No entity has this identifier."),
        ];
        choices.choose(rng).copied().unwrap_or(throttled)
    };
    (code, message.to_owned())
}

/// Whether a visit is that of an IAM user.
pub(super) fn is_user(visit: &Visit) -> bool {
    visit.persona.principal.kind == Kind::User
}
