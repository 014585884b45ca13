//! From statements to a decision: section 4 of the specification.

use serde_json::Value;

use super::Decision;
use super::policy::{Grant, Kind, Request, applies, has_variables, is_refused, statements};

/// 4.3: RCPs act only on actions of these services (a short list; WorkMail is not one of them).
const RCP_SERVICES: [&str; 7] = ["s3", "sts", "kms", "sqs", "secretsmanager", "dynamodb", "logs"];

/// What the documents of one layer say: some Deny applies; the strongest Allow that applies.
#[derive(Clone, Copy, Debug, Default)]
struct Says {
    deny: bool,
    allow: Option<Grant>,
}

/// 4.1: `allow(L)` and `deny(L)`.
fn ask<'a>(documents: impl IntoIterator<Item = &'a Value>, kind: Kind, request: &Request) -> Says {
    let mut says = Says::default();
    for document in documents {
        for statement in statements(document) {
            match applies(statement, kind, has_variables(document), request) {
                Some(_) if statement["Effect"] == "Deny" => says.deny = true,
                grant => says.allow = says.allow.max(grant),
            }
        }
    }
    says
}

/// The documents of one member of `policies`; a level list is flattened. `None` = no such layer.
fn documents<'a>(policies: &'a Value, member: &str) -> Option<Vec<&'a Value>> {
    fn flat<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
        match value {
            Value::Array(list) => list.iter().for_each(|item| flat(item, into)),
            document => into.push(document),
        }
    }
    let mut found = Vec::new();
    flat(policies.get(member).filter(|value| !value.is_null())?, &mut found);
    Some(found)
}

pub(crate) const LAYERS: [(&str, Kind); 7] = [
    ("identity", Kind::Identity),
    ("boundary", Kind::Boundary),
    ("session", Kind::Session),
    ("scps", Kind::Scp),
    ("rcps", Kind::Rcp),
    ("resource", Kind::Resource),
    ("endpoint", Kind::Endpoint),
];

/// Every document of a case with its kind.
pub(crate) fn all_documents(case: &Value) -> Vec<(&Value, Kind)> {
    let of = |(member, kind): &(&str, Kind)| {
        let kind = *kind;
        documents(&case["policies"], member).unwrap_or_default().into_iter().map(move |document| (document, kind))
    };
    LAYERS.iter().flat_map(of).collect()
}

/// Those that take part in the case's request: others tell nothing of what its keys may hold.
pub(crate) fn taking_part(case: &Value) -> Vec<(&Value, Kind)> {
    let request = Request::read(case);
    let (member, service_linked) = (!request.principal_is("inManagementAccount"), request.principal_is("serviceLinkedRole"));
    let takes_part = |kind: Kind| match kind {
        Kind::Scp => member && !service_linked,
        Kind::Rcp => rcp_applies(&request),
        _ => true,
    };
    all_documents(case).into_iter().filter(|(_, kind)| takes_part(*kind)).collect()
}

/// 4.3: RCPs bind resources of member accounts, for the services on the list.
fn rcp_applies(request: &Request) -> bool {
    let action = request.action.to_ascii_lowercase();
    let service = action.split(':').next().unwrap_or_default();
    let own_resource = request.resource_account == request.principal("account");
    let exempt = request.principal_is("serviceLinkedRole") || request.principal_is("inManagementAccount") && own_resource;
    RCP_SERVICES.contains(&service) && action != "kms:retiregrant" && !exempt
}

/// The decision of a fully known case; keys in neither `context` nor anywhere else are absent.
pub(crate) fn decide(case: &Value) -> Decision {
    if all_documents(case).iter().any(|(document, kind)| is_refused(document, *kind)) {
        return Decision::PolicyError;
    }
    let request = Request::read(case);
    let action = request.action.to_ascii_lowercase();
    // 4.5: calls outside authorization.
    if action == "sts:getcalleridentity" || action == "sts:getsessiontoken" {
        return Decision::Allowed;
    }

    // 4.2: which layer applies to whom.
    let policies = &case["policies"];
    let caller = request.principal("type");
    let root = caller == "Root";
    let member_account = !request.principal_is("inManagementAccount");
    let service_linked = request.principal_is("serviceLinkedRole");
    let same_account = request.resource_account == request.principal("account");
    let service = action.split(':').next().unwrap_or_default();
    let layer = |member: &str, kind: Kind, applicable: bool| {
        documents(policies, member).filter(|_| applicable).map(|list| ask(list, kind, &request))
    };
    let levels = |member: &str, kind: Kind, applicable: bool| -> Vec<Says> {
        let list = policies[member].as_array().filter(|_| applicable).into_iter().flatten();
        list.map(|level| ask(level.as_array().into_iter().flatten(), kind, &request)).collect()
    };
    let identity = layer("identity", Kind::Identity, !root);
    let boundary = layer("boundary", Kind::Boundary, !root && !service_linked);
    let session = layer("session", Kind::Session, true);
    let endpoint = layer("endpoint", Kind::Endpoint, true);
    let resource = layer("resource", Kind::Resource, true);
    // 4.3: SCPs bind the principals of member accounts, except service-linked roles.
    let scps = levels("scps", Kind::Scp, member_account && !service_linked);
    let rcps = levels("rcps", Kind::Rcp, rcp_applies(&request));

    // 4.1: a Deny in any applicable document of any type.
    let single = [identity, boundary, session, endpoint, resource];
    if single.iter().flatten().chain(&scps).chain(&rcps).any(|says| says.deny) {
        return Decision::ExplicitlyDenied;
    }

    // 4.1, 4.3: every level of the guards must allow, and so must the endpoint policy.
    let allows = |says: &Says| says.allow.is_some();
    if !scps.iter().chain(&rcps).chain(endpoint.iter()).all(allows) {
        return Decision::ImplicitlyDenied;
    }

    // 4.2: core = identity AND boundary AND session. Root, and a federated user of root, may do everything;
    // a federated user without a session policy nothing.
    let everything = root || caller == "FederatedUser" && request.principal("userArn").ends_with(":root");
    let identity = everything || identity.is_some_and(|says| allows(&says));
    let limits = boundary.is_none_or(|says| allows(&says)) && session.map_or(caller != "FederatedUser", |says| allows(&says));
    let core = identity && limits;

    // 4.4: the resource's side.
    let grant = resource.and_then(|says| says.allow);
    let granted = match grant {
        Some(Grant::Direct) => true,
        Some(Grant::Limited) => limits,
        Some(Grant::Delegated) | None => false,
    };
    let needs_resource_side = service == "kms" || action == "sts:assumerole";
    let allowed = if same_account && !needs_resource_side {
        core || granted
    } else if same_account {
        granted || core && grant.is_some()
    } else {
        core && grant.is_some()
    };
    if allowed { Decision::Allowed } else { Decision::ImplicitlyDenied }
}
