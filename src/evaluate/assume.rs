//! What a decision rests on beyond documented semantics: the codes of the assumption register, and of what a reader
//! should know of the patterns and of the request. Only what takes part in the decision at hand counts.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::decision::Decision;
use super::reasons::Possible;
use super::record::{LayerReasons, StatementReasons};
use super::request::{LayerKind, ResourceState};
use super::statement::Request;
use crate::account::Policy;
use crate::catalog::Catalog;
use crate::iam::Pattern;
use crate::iam::document::Statement;
use crate::iam::pattern::UNKNOWN_PART;
use crate::iam::variable::Template;

/// The codes that a decision rests on, sorted.
pub(super) struct Rests {
    pub(super) assumptions: Vec<&'static str>,
    pub(super) caveats: Vec<&'static str>,
}

/// Every assumption that the evaluator makes where AWS leaves a question open, with a sentence for it.
pub const ASSUMPTIONS: [(&str, &str); 17] = [
    ("A-BOOLVAR", "policy variables in the values of `Bool` are replaced"),
    ("A-CAP", "there were too many situations to try together: baseline and candidate were compared more coarsely"),
    ("A-EMPTY", "an empty text counts as no value for `Null` and the set operators, and only there"),
    ("A-EMPTYLIST", "an empty list of policy values matches nothing"),
    ("A-EPOCH", "a date of digits only is seconds since 1970"),
    ("A-LOG", "without a baseline the log is right, also against what was assumed to be absent"),
    ("A-MULTI", "a key with several values, or of a list type, satisfies no operator without a set operator"),
    ("A-NOTRESVAR", "a variable without a value in `NotResource` excludes nothing, so that the statement applies"),
    ("A-OPCASE", "the letter case of a condition operator's name does not matter"),
    ("A-SHORTARN", "a `Resource` with fewer than six parts is filled up with `*` where the type of policy allows that"),
    ("A-TAGCASE", "of tags that differ by letter case only, the value is taken to be unknown"),
    ("A-TYPE", "a value that does not parse for its operator matches nothing, and negated operators hold on it"),
    ("A-TZ", "a date without a zone is UTC"),
    ("A-V4MAP", "an IPv4 address written as IPv6 stays IPv6"),
    ("A-V6PREFIX", "an IPv6 address without a prefix length is that one address"),
    ("A-VARPOS", "a variable before the fifth colon of a `Resource` is plain text"),
    ("A-VENDORSTAR", "a `*` in the service prefix of an action covers every service that fits"),
];

/// What a reader should know of the request and of the patterns, with a sentence for each code.
pub const CAVEATS: [(&str, &str); 8] = [
    ("arn-span", "a `*` in `Resource` decides differently here than a `*` that stays inside its part, or runs over everything, would"),
    ("case", "a `Resource` would match if letter case did not matter, and it does"),
    ("inferred-check", "the log does not show this check: it is inferred from what the call does"),
    ("partial-resource", "the record does not tell the whole resource: `<?>` stands for what is missing"),
    ("rule-mapped-action", "the catalogue does not know this event: its action is a guess from the event's name"),
    ("short-arn", "a `Resource` has fewer than six parts: write the whole ARN"),
    ("unknown-action", "the catalogue has all actions of this service, and not this one"),
    ("unknown-resource", "the record does not tell the resource"),
];

impl Rests {
    pub(super) fn of(possible: &Possible<'_>, decision: Decision, capped: bool, layers: &[LayerReasons]) -> Self {
        let (mut assumptions, mut caveats) = (BTreeSet::new(), request_caveats(possible.request));
        for layer in layers {
            let fails = layer.answer == Some("does_not_allow");
            for reasons in layer.statements.iter().filter(|reasons| takes_part(reasons, decision, fails)) {
                assumptions.extend(reasons.conditions.iter().flat_map(|condition| condition.assumptions.iter().copied()));
                if let Some(statement) = possible.program.statement_at(reasons.reference) {
                    statement_codes(possible, reasons, statement, &mut assumptions, &mut caveats);
                }
            }
        }
        if capped {
            assumptions.insert("A-CAP");
        }
        Self { assumptions: assumptions.into_iter().collect(), caveats: caveats.into_iter().collect() }
    }
}

/// Whether a decision rests on a statement: on every Deny that applies, on every Allow that does where it is allowed,
/// on every Allow that does not in a layer that fails, and on everything where it is open.
fn takes_part(reasons: &StatementReasons, decision: Decision, layer_fails: bool) -> bool {
    let (applies, deny) = (reasons.applies == "yes", reasons.effect == "Deny");
    match decision {
        Decision::ExplicitDeny => applies && deny,
        Decision::Allowed => applies != deny,
        Decision::ImplicitDeny => layer_fails && !deny && !applies,
        Decision::Denied | Decision::Undetermined => true,
    }
}

fn request_caveats(request: &Request) -> BTreeSet<&'static str> {
    let unknown_action = match request.action.name.split_once(':') {
        Some((prefix, _)) if !request.action.guessed => {
            let catalog = Catalog::builtin();
            catalog.service(prefix).is_some_and(|service| service.complete) && catalog.action(&request.action.name).is_none()
        }
        _ => false,
    };
    let codes = [
        ("rule-mapped-action", request.action.guessed),
        ("unknown-action", unknown_action),
        ("unknown-resource", request.resource == ResourceState::Unknown),
        ("partial-resource", matches!(&request.resource, ResourceState::Arn(arn) if arn.contains(UNKNOWN_PART))),
    ];
    codes.into_iter().filter(|(_, holds)| *holds).map(|(code, _)| code).collect()
}

fn statement_codes(
    possible: &Possible<'_>,
    reasons: &StatementReasons,
    (policy, statement): (&Policy, &Statement),
    assumptions: &mut BTreeSet<&'static str>,
    caveats: &mut BTreeSet<&'static str>,
) {
    let (program, request) = (possible.program, possible.request);
    let other_resource = reasons.applies == "other_resource";
    let is_stars = |text: &str| !text.is_empty() && text.bytes().all(|b| b == b'*');
    let vendor_star = |pattern: &String| pattern.split_once(':').is_some_and(|(prefix, _)| prefix.contains(['*', '?']));
    if reasons.matched_action.as_ref().is_some_and(vendor_star) {
        assumptions.insert("A-VENDORSTAR");
    }
    for condition in &statement.conditions {
        if !other_resource && !statement.text.contains(&condition.operator.to_string()) && statement.text.contains("Condition") {
            assumptions.insert("A-OPCASE");
        }
    }
    let Some(element) = &statement.resource else { return };
    let arn = match &request.resource {
        ResourceState::Arn(arn) if !arn.contains(UNKNOWN_PART) => Some(arn.as_str()),
        _ => None,
    };
    // Of a statement that covers the resource, the pattern that covers it; of any other, all of them.
    let counts = |pattern: &&String| element.negated || other_resource || reasons.matched_resource.as_ref() == Some(*pattern);
    for pattern in element.patterns.iter().filter(counts).filter(|pattern| !is_stars(pattern)) {
        if pattern.matches(':').count() < 5 {
            assumptions.insert("A-SHORTARN");
            caveats.insert("short-arn");
        }
        if pattern.splitn(6, ':').take(5).any(|part| part.contains("${")) {
            assumptions.insert("A-VARPOS");
        }
        let variables = policy.document.version == crate::iam::document::Version::V2012;
        if element.negated && variables && program.template_is_unresolved(request, &Template::parse(pattern)) {
            assumptions.insert("A-NOTRESVAR");
        }
        let Some(arn) = arn.filter(|_| !pattern.contains("${")) else { continue };
        if strict(pattern, arn).is_some_and(|strict| strict != Pattern::glob(pattern).matches(arn)) {
            caveats.insert("arn-span");
        }
        let matches = |pattern: &str, arn: &str| Pattern::glob(pattern).matches(arn);
        if other_resource && !matches(pattern, arn) && matches(&pattern.to_lowercase(), &arn.to_lowercase()) {
            caveats.insert("case");
        }
    }
}

/// The reading in which no wildcard leaves its part of the ARN; `None` for a text of fewer parts.
fn strict(pattern: &str, arn: &str) -> Option<bool> {
    let parts: Vec<&str> = pattern.splitn(6, ':').collect();
    let of_arn: Vec<&str> = arn.splitn(6, ':').collect();
    let fits = || parts.iter().zip(&of_arn).all(|(pattern, text)| Pattern::glob(pattern).matches(text));
    (parts.len() == 6).then(|| of_arn.len() == 6 && fits())
}

/// The sentence for a code of [`ASSUMPTIONS`] or [`CAVEATS`], and for `layer:NAME`; empty for another.
pub fn code_words(code: &str) -> Cow<'static, str> {
    match code.strip_prefix("layer:").and_then(LayerKind::parse) {
        Some(layer) => Cow::Owned(format!("{} that were not supplied take part, and nothing tells what they say", layer.plural())),
        None => {
            let found = ASSUMPTIONS.iter().chain(&CAVEATS).find(|(known, _)| *known == code);
            Cow::Borrowed(found.map_or("", |(_, words)| *words))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_that_leaves_its_part_is_told() {
        let (pattern, arn) = ("arn:aws:lambda:*:function:prod", "arn:aws:lambda:us-east-1:111122223333:function:prod");
        assert_eq!((strict(pattern, arn), Pattern::glob(pattern).matches(arn)), (Some(false), true));
        assert_eq!(strict("arn:aws:lambda:*:*:function:*", arn), Some(true));
        assert_eq!(strict("arn:aws:lambda:*", arn), None);
    }

    #[test]
    fn every_code_has_one_sentence_and_stands_in_order() {
        for codes in [ASSUMPTIONS.map(|(code, _)| code).as_slice(), CAVEATS.map(|(code, _)| code).as_slice()] {
            assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
        }
        assert!(code_words("layer:scp").starts_with("service control policies") && code_words("A-NOTHING").is_empty());
    }
}
