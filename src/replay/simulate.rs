//! Hypothetical requests: one JSON case in, one JSON answer out.
//!
//! A case says what is asked, by whom, what is known of the context, and the policies by layer; an absent list means
//! that the layer does not exist. A case that cannot be read is answered too, with an error.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::compare::compare;
use crate::account::{Bundle, Layer, Policy};
use crate::catalog::Catalog;
use crate::error::PolicyError;
use crate::evaluate::{
    ActionState, Case, Compiler, ContextState, Decision, Evaluation, KnownKey, Layers, Observation, Program, Request, ResourceState,
    Subject, Which,
};
use crate::iam::json::{Kind, Node, Source};
use crate::iam::principal::Caller;
use crate::iam::{PolicyType, parse};

/// What a case asks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    action: String,
    #[serde(default)]
    resource: Option<String>,
    #[serde(default)]
    resource_account: Option<String>,
    #[serde(default)]
    principal: AskedPrincipal,
    #[serde(default)]
    context: BTreeMap<String, Vec<Scalar>>,
    #[serde(default)]
    multivalued_keys: Vec<String>,
    #[serde(default)]
    unknown_keys: Vec<String>,
    #[serde(default)]
    present_unknown_keys: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AskedPrincipal {
    #[serde(rename = "type")]
    kind: String,
    arn: String,
    account: String,
    role_arn: Option<String>,
    user_arn: Option<String>,
    in_management_account: bool,
    service_linked_role: bool,
}

/// A context value: text, or a number or boolean taken as text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Flag(bool),
    Number(serde_json::Number),
}

impl Scalar {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// A case, ready to be decided.
struct Prepared {
    program: Program,
    request: Request,
    bundle: usize,
    baseline: Option<usize>,
    observation: Observation,
}

/// Answers one line.
pub fn answer(line: &str) -> Value {
    let id = serde_json::from_str::<Value>(line).ok().and_then(|case| case.get("id").cloned()).unwrap_or(Value::Null);
    match prepare(line) {
        Ok(prepared) => decided(id, &prepared),
        Err(error) => json!({
            "id": id, "decision": "PolicyError", "settledBy": [], "decidedBy": null, "blockedBy": [], "assumptions": [],
            "error": error.to_string(),
        }),
    }
}

fn prepare(line: &str) -> Result<Prepared, PolicyError> {
    let source = Source::new(line);
    let root = source.root()?;
    let members = root.members(&source)?;
    let find = |name: &str| members.iter().find(|(member, _)| member == name).map(|(_, node)| node);
    let Some(request) = find("request") else {
        return Err(source.error(&root, "`request` is missing", Some("a case is {\"request\": {...}, \"policies\": {...}}")));
    };
    let asked: Asked =
        serde_json::from_str(request.text()).map_err(|error| source.error(request, format!("`request` cannot be read: {error}"), None))?;
    let lists = asked.multivalued_keys.iter().map(|key| key.to_lowercase()).collect();
    let mut compiler = Compiler::with_lists(lists);
    let candidate = compiler.bundle(&bundle(&source, find("policies"), &asked)?);
    let baseline = match find("baselinePolicies") {
        Some(node) => Some(compiler.bundle(&bundle(&source, Some(node), &asked)?)),
        None => None,
    };
    let observed = find("observed").filter(|node| node.kind() == Kind::String).map(|node| node.string(&source)).transpose()?;
    let observation = match observed.as_deref() {
        None | Some("other_error" | "none") => Observation::Open,
        Some("success") => Observation::Success,
        Some("access_denied") => Observation::AccessDenied(None),
        Some(other) => {
            return Err(source.error(
                find("observed").unwrap_or(&root),
                format!("unknown `observed` `{other}`"),
                Some("success, access_denied or other_error"),
            ));
        }
    };
    let program = compiler.finish();
    let request = asked.into_request(&program);
    Ok(Prepared { program, request, bundle: candidate, baseline, observation })
}

/// The policies of a case by layer; a case without any is decided by who asks alone.
fn bundle(source: &Source<'_>, node: Option<&Node<'_>>, asked: &Asked) -> Result<Bundle, PolicyError> {
    let principal = &asked.principal;
    let federated = principal.kind == "FederatedUser";
    let of_root = federated && principal.user_arn.as_deref().is_some_and(|arn| arn.ends_with(":root"));
    let mut bundle = Bundle { unlimited: principal.kind == "Root" || of_root, ..Bundle::default() };
    if federated {
        bundle.session = Layer::Policies(Vec::new());
    }
    let layers = node.map(|node| node.members(source)).transpose()?.unwrap_or_default();
    for (name, list) in layers {
        if list.kind() == Kind::Null {
            continue;
        }
        match name.as_ref() {
            "identity" => bundle.identity = policies(source, &list, PolicyType::Identity, "identity")?,
            "boundary" => bundle.boundary = Layer::Policies(policies(source, &list, PolicyType::Boundary, "boundary")?),
            "session" => bundle.session = Layer::Policies(policies(source, &list, PolicyType::Session, "session")?),
            "endpoint" => bundle.endpoint = Layer::Policies(policies(source, &list, PolicyType::Endpoint, "endpoint")?),
            "resource" => bundle.resource = Layer::Policies(policies(source, &list, PolicyType::Resource, "resource")?),
            "scps" => bundle.scps = levels(source, &list, PolicyType::Scp, "scp")?,
            "rcps" => bundle.rcps = levels(source, &list, PolicyType::Rcp, "rcp")?,
            other => {
                return Err(source.error(
                    &list,
                    format!("unknown layer `{other}`"),
                    Some("identity, boundary, session, scps, rcps, endpoint or resource"),
                ));
            }
        }
    }
    let prefix = asked.action.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let exempt = principal.in_management_account || principal.service_linked_role;
    if exempt {
        bundle.scps = None;
    }
    let own_resource = asked.resource_account.as_ref().is_none_or(|account| *account == principal.account);
    let rcp_exempt = principal.service_linked_role || (principal.in_management_account && own_resource);
    if rcp_exempt || !Catalog::builtin().rcp_applies(&prefix) || asked.action.eq_ignore_ascii_case("kms:RetireGrant") {
        bundle.rcps = None;
    }
    Ok(bundle)
}

/// One level after another; an empty list means that the account is in no organization.
fn levels(source: &Source<'_>, list: &Node<'_>, policy_type: PolicyType, name: &str) -> Result<Option<Vec<Vec<Arc<Policy>>>>, PolicyError> {
    let levels = list.elements(source)?;
    let level = |(index, level): (usize, &Node<'_>)| policies(source, level, policy_type, &format!("{name}/{index}"));
    let levels = levels.iter().enumerate().map(level).collect::<Result<Vec<_>, _>>()?;
    Ok((!levels.is_empty()).then_some(levels))
}

fn policies(source: &Source<'_>, list: &Node<'_>, policy_type: PolicyType, name: &str) -> Result<Vec<Arc<Policy>>, PolicyError> {
    let nodes = if list.kind() == Kind::Array { list.elements(source)? } else { vec![list.clone()] };
    let policy = |(index, node): (usize, &Node<'_>)| {
        let document = parse::embedded(source, node, policy_type)?;
        Ok(Arc::new(Policy { name: format!("{name}[{index}]"), file: None, document }))
    };
    nodes.iter().enumerate().map(policy).collect()
}

impl Asked {
    fn into_request(self, program: &Program) -> Request {
        let no_permission = Catalog::builtin().action(&self.action).is_some_and(|(_, operation)| operation.no_permission);
        let mut states: BTreeMap<String, ContextState> = BTreeMap::new();
        for (key, values) in self.context {
            let values = ContextState::Known(values.into_iter().map(Scalar::into_text).collect());
            // Two tags that differ by case only have no one value (assumption A-TAGCASE).
            states.entry(key.to_lowercase()).and_modify(|state| *state = ContextState::Unknown).or_insert(values);
        }
        states.extend(self.unknown_keys.iter().map(|key| (key.to_lowercase(), ContextState::Unknown)));
        states.extend(self.present_unknown_keys.iter().map(|key| (key.to_lowercase(), ContextState::PresentUnknown(None))));
        let known = |key: usize| {
            let state = states.get(program.key_name(key)).cloned().unwrap_or(ContextState::Absent);
            KnownKey { cell: Arc::new(program.classify(key, &state)), state: Arc::new(state) }
        };
        let principal = self.principal;
        let caller = Caller {
            arn: principal.arn,
            role_arn: principal.role_arn,
            user_arn: principal.user_arn,
            account: principal.account,
            ..Caller::default()
        };
        Request {
            action: ActionState::known(&self.action),
            resource: ResourceState::from_text(self.resource.as_deref()),
            subject: Arc::new(Subject {
                caller,
                resource_account: self.resource_account,
                opaque: Layers::NONE,
                rcps_act: false,
                no_permission,
                optional: false,
            }),
            context: (0..program.key_count()).map(known).collect(),
        }
    }
}

fn decided(id: Value, prepared: &Prepared) -> Value {
    let checks = std::slice::from_ref(&prepared.request);
    let baseline = prepared.baseline.unwrap_or(prepared.bundle);
    let evaluation = prepared.program.evaluate(checks, baseline, prepared.bundle);
    let cases: Vec<&Case> = evaluation.cases.iter().collect();
    let decision = Decision::of(cases.iter().map(|case| case.candidate));
    let settled_by = match decision {
        Decision::Undetermined => evaluation.settled_by(&prepared.program, &cases, |case| case.pair().1),
        _ => Vec::new(),
    };
    let mut answer = json!({
        "id": id,
        "decision": name(decision),
        "settledBy": settled_by,
        "decidedBy": decided_by(prepared, checks, &evaluation, decision),
        "blockedBy": blocked_by(&evaluation, decision),
        "assumptions": if evaluation.capped { vec!["A-CAP"] } else { Vec::new() },
        "error": null,
    });
    if let (Some(_), Some(members)) = (prepared.baseline, answer.as_object_mut()) {
        members.insert("baselineDecision".to_owned(), json!(name(Decision::of(cases.iter().map(|case| case.baseline)))));
        members.insert("change".to_owned(), json!(compare(&evaluation, prepared.observation, false, false).change.name()));
    }
    answer
}

fn decided_by(prepared: &Prepared, checks: &[Request], evaluation: &Evaluation, decision: Decision) -> Value {
    let case = evaluation.cases.first().filter(|_| decision != Decision::Undetermined);
    let Some(case) = case else { return Value::Null };
    let (_, explanation) = prepared.program.explain(checks, evaluation, case, Which::Candidate);
    let Some(statement) = explanation.statements.first() else {
        return explanation
            .layer
            .map_or(Value::Null, |layer| json!({"layer": layer.name(), "policy": null, "statement": null, "sid": null}));
    };
    let sid = statement.policy.document.statements.get(statement.statement).and_then(|s| s.sid.clone());
    json!({"layer": statement.layer.name(), "policy": statement.policy.name, "statement": statement.statement, "sid": sid})
}

fn blocked_by(evaluation: &Evaluation, decision: Decision) -> Vec<Cow<'static, str>> {
    if matches!(decision, Decision::Allowed | Decision::Undetermined) {
        return Vec::new();
    }
    let Some(case) = evaluation.cases.first() else { return Vec::new() };
    evaluation.blocking_layers(case, Which::Candidate).into_iter().map(|layer| Cow::Borrowed(layer.name())).collect()
}

fn name(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed => "Allowed",
        Decision::ExplicitDeny => "ExplicitlyDenied",
        Decision::ImplicitDeny => "ImplicitlyDenied",
        Decision::Denied => "Denied",
        Decision::Undetermined => "Undetermined",
    }
}
