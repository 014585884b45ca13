//! The names of files and tables in words that a person reads.

use crate::replay::explain::ExplainedChange;

/// The headline of an answer, and its colour: as in the summary of a replay.
pub(super) fn headline(change: &ExplainedChange, alone: bool) -> (String, &'static str) {
    let name = &change.candidate;
    if alone {
        return match change.contradiction {
            Some(_) => ("the baseline cannot explain what the log says".to_owned(), "1;35"),
            None => (format!("the baseline: {}", decision(change.baseline_decision)), "1"),
        };
    }
    match change.change {
        "lost" => (format!("lost under `{name}`"), "1;31"),
        "gained" => (format!("gained under `{name}`"), "1;32"),
        "potentially_lost" => (format!("may be lost under `{name}`: the log does not tell enough"), "1;33"),
        "potentially_gained" => (format!("may be gained under `{name}`: the log does not tell enough"), "1;33"),
        "undetermined" => (format!("may be lost or gained under `{name}`: the log does not tell enough"), "1;33"),
        "unchanged_allowed" => (format!("still allowed under `{name}`"), "1"),
        "unchanged_denied" => (format!("still denied under `{name}`"), "1"),
        "baseline_contradicted" => (format!("`{name}` cannot be judged: the baseline does not explain what the log says"), "1;35"),
        _ => (format!("the same under `{name}`, allowed or not: the log does not tell which"), "1"),
    }
}

/// A change as the outcome of a case: `lost if ...`.
pub(super) fn change(name: &str) -> &'static str {
    match name {
        "lost" => "lost",
        "gained" => "gained",
        "potentially_lost" => "may be lost",
        "potentially_gained" => "may be gained",
        "undetermined" => "may be lost or gained",
        "unchanged_allowed" => "still allowed",
        "unchanged_denied" => "still denied",
        "unchanged_unknown" => "the same on both sides",
        "baseline_contradicted" => "not explained",
        _ => "open",
    }
}

/// A decision in words.
pub(super) fn decision(name: &str) -> &'static str {
    match name {
        "allowed" => "allowed",
        "explicit_deny" => "denied",
        "implicit_deny" => "not allowed",
        "denied" => "denied",
        _ => "open",
    }
}

/// A decision with its reason; an open one with the condition that leaves it open.
pub(super) fn decided(name: &str, reason: &str) -> String {
    let reason = reason.strip_prefix("not determined").map_or(reason, |rest| rest.trim_start_matches([':', ';', ' ']));
    format!("{}: {reason}", decision(name))
}

/// What is missing: a context key, layers, the action or the resource.
pub(super) fn missing(name: &str) -> String {
    let layers: Vec<&str> = name.split(" and ").filter_map(|part| part.strip_prefix("layer:")).map(layer).collect();
    match (layers.is_empty(), name) {
        (false, _) => format!("the {}, which were not supplied", layers.join(" and ")),
        (_, "action" | "resource") => format!("the {name}, which the log does not tell in full"),
        _ => format!("{name}, which the log does not tell"),
    }
}

/// A layer in the plural.
pub(super) fn layer(name: &str) -> &'static str {
    match name {
        "scp" => "service control policies",
        "rcp" => "resource control policies",
        "endpoint" => "VPC endpoint policies",
        "resource" => "resource-based policies",
        "boundary" => "permissions boundary",
        "session" => "session policies",
        _ => "identity-based policies",
    }
}

/// Why an event is not replayed, and what could make it replayable.
pub(super) fn not_replayed(reason: &str) -> (&'static str, &'static str) {
    const NEVER: &str = "no policy file changes that";
    match reason {
        "service_event" => ("AWS made this event itself: nobody called anything, so no permission was asked for", NEVER),
        "not_an_api_call" => (
            "what was done is no API call, as some pages of the console and services in between record it: which permission it asks for \
             is not documented",
            NEVER,
        ),
        "sign_in" => ("signing in asks for no permission of an IAM policy", NEVER),
        "unauthenticated" => ("the caller was not authenticated, so no IAM identity asked for a permission", NEVER),
        "service_linked_role" => (
            "a service-linked role made the call: its permissions are those that the service has set, and no policy of yours limits them",
            NEVER,
        ),
        "no_identity" => (
            "the record does not say who made the call",
            "a complete record of the trail may say it: a CSV download and other poor copies do not",
        ),
        "no_permission_needed" => ("this call succeeds for anyone: it asks for no permission", NEVER),
        "network_activity" => {
            ("a network activity event repeats what the VPC endpoint did: the call has its own event", "explain that one")
        }
        "service_principal" => (
            "an AWS service made the call as itself: identity-based policies and service control policies do not apply to it",
            "a resource control policy, resource-based policy or endpoint policy for the action would make it replayable",
        ),
        "foreign_principal" => (
            "the caller's account is in no snapshot: nothing is known of its policies",
            "an account snapshot of that account under --baseline makes it replayable",
        ),
        "anonymous" => (
            "the caller is anonymous: no identity-based policy applies",
            "a resource control policy, resource-based policy or endpoint policy for the action would make it replayable",
        ),
        _ => ("no policy set that was loaded can decide it", NEVER),
    }
}
