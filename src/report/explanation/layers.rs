//! Layer by layer: what each says on either side, and with which statements.

use std::fmt::Write as _;

use serde_json::Value;

use super::event::who;
use super::{BASELINE_ALONE, IN_FORCE, words};
use crate::replay::explain::{ExplainedCheck, LayerReasons, Reasons, StatementReasons};
use crate::report::page::{painted, wrapped};
use crate::report::{Style, visible};

/// A statement that is longer is cut to what matches.
const SHORT: usize = 200;
/// Nothing of a statement that is longer than this is shown.
const LONGEST: usize = 600;
/// How many statements are shown in a layer.
const SHOWN: usize = 8;
/// How many policies are named that say nothing of the action.
const NAMED: usize = 4;

/// The layers of one check; those without a say in one line.
pub(super) fn render(out: &mut String, candidate: &str, check: &ExplainedCheck, style: Style) {
    let mut names: Vec<&'static str> = Vec::new();
    for layer in check.baseline.layers.iter().chain(&check.candidate.layers) {
        if !names.contains(&layer.layer) {
            names.push(layer.layer);
        }
    }
    let of = |reasons: &Reasons, name: &str| reasons.layers.iter().filter(|layer| layer.layer == name).cloned().collect::<Vec<_>>();
    let mut absent = Vec::new();
    for name in names {
        let (baseline, other) = (of(&check.baseline, name), of(&check.candidate, name));
        let then = check.in_force.as_ref().map(|in_force| of(in_force, name)).filter(|then| *then != baseline).unwrap_or_default();
        if baseline.iter().chain(&other).chain(&then).all(|layer| layer.state == "absent") {
            absent.push(words::layer(name));
        } else if baseline == other || candidate == BASELINE_ALONE {
            baseline.iter().for_each(|layer| one(out, &place(layer, ""), layer, &[], style));
        } else {
            let known: Vec<&StatementReasons> = baseline.iter().flat_map(|layer| &layer.statements).collect();
            baseline.iter().for_each(|layer| one(out, &place(layer, "baseline"), layer, &[], style));
            other.iter().for_each(|layer| one(out, &place(layer, candidate), layer, &known, style));
        }
        let known: Vec<&StatementReasons> = baseline.iter().chain(&other).flat_map(|layer| &layer.statements).collect();
        then.iter().for_each(|layer| one(out, &place(layer, IN_FORCE), layer, &known, style));
    }
    if !absent.is_empty() {
        wrapped(out, &format!("not involved: {}", absent.join(", ")), "  ", "    ", style);
    }
}

/// `identity-based policies, baseline`; `service control policies, level 1 from the root`.
fn place(layer: &LayerReasons, side: &str) -> String {
    let level = layer.level.map(|level| format!(", level {level} from the root")).unwrap_or_default();
    let side = if side.is_empty() { String::new() } else { format!(", {side}") };
    format!("{}{level}{side}", words::layer(layer.layer))
}

fn one(out: &mut String, place: &str, layer: &LayerReasons, known: &[&StatementReasons], style: Style) {
    let head = format!("{place}: {}", says(layer));
    painted(out, color(layer), &visible(&head), "  ", "    ", style);
    for (index, statement) in layer.statements.iter().enumerate() {
        if index == SHOWN {
            let _ = writeln!(out, "      and {} more (--format json has them all)", layer.statements.len() - SHOWN);
            break;
        }
        self::statement(out, statement, known.contains(&statement), style);
    }
}

fn color(layer: &LayerReasons) -> &'static str {
    match layer.answer {
        Some("denies" | "does_not_allow") => "31",
        Some("may_deny" | "may_allow") => "33",
        Some("allows") => "32",
        _ => "39",
    }
}

/// What the layer says, in words.
fn says(layer: &LayerReasons) -> String {
    let one = layer.layer == "boundary";
    let (they, permit, allow, deny) = if one { ("it", "permits", "allows", "denies") } else { ("they", "permit", "allow", "deny") };
    let own = layer.statements.iter().any(|statement| statement.applies == "yes" && statement.effect == "Allow");
    let open = "depending on what the log does not tell";
    match (layer.state, layer.answer) {
        ("missing", _) => "none, and a call to another account needs one that allows it".to_owned(),
        ("unlimited", Some("denies")) => "do not limit root, but a Deny statement does".to_owned(),
        ("unlimited", _) => "do not limit root".to_owned(),
        ("opaque", Some("allows")) => format!("not supplied; the outcome shows that {they} {permit} it"),
        ("opaque", Some("does_not_allow")) => format!("not supplied; the outcome shows that {they} {deny} it"),
        ("opaque", Some("grants_nothing")) => "not supplied; the outcome shows that none denies it or allows it by itself".to_owned(),
        ("opaque", Some("may_allow")) if layer.layer == "resource" => "not supplied: whether one allows it by itself is open".to_owned(),
        ("opaque", _) => format!("not supplied: whether {they} {permit} it is open"),
        ("partly_opaque", Some("does_not_allow")) if is_control(layer) && own => {
            "not all supplied; the outcome shows that one denies it".to_owned()
        }
        ("partly_opaque", Some("does_not_allow")) if is_control(layer) => allows_nothing(layer),
        ("partly_opaque", Some("may_allow")) if is_control(layer) && own => format!("not all supplied: whether {they} {permit} it is open"),
        ("partly_opaque", Some("allows")) if own => "allow it (not all were supplied)".to_owned(),
        ("partly_opaque", Some("allows")) => "not all supplied; the outcome shows that one allows it".to_owned(),
        ("partly_opaque", Some("does_not_allow")) => "not all supplied; the outcome shows that none allows it".to_owned(),
        ("partly_opaque", Some("may_allow")) => "not all supplied: whether one allows it is open".to_owned(),
        (_, Some("allows")) => format!("{allow} it"),
        (_, Some("denies")) => format!("{deny} it"),
        (_, Some("may_deny")) => format!("may deny it, {open}"),
        (_, Some("may_allow")) => format!("may allow it, {open}"),
        (_, Some("does_not_allow")) => allows_nothing(layer),
        _ => "say nothing of it".to_owned(),
    }
}

/// Whether the layer is a level of an organization.
fn is_control(layer: &LayerReasons) -> bool {
    matches!(layer.layer, "scp" | "rcp")
}

fn allows_nothing(layer: &LayerReasons) -> String {
    let names: Vec<String> = layer.policies.iter().take(NAMED).map(|name| format!("`{}`", short(name))).collect();
    match (names.as_slice(), layer.policies.len()) {
        ([], _) => "none, so nothing allows it".to_owned(),
        ([name], _) => format!("{name} does not allow it"),
        (names, all) if all > NAMED => format!("none of {} and {} more allows it", names.join(", "), all - NAMED),
        (names, _) => format!("none of {} allows it", names.join(", ")),
    }
}

/// A policy's own name, without the ARN of its account or principal.
fn short(policy: &str) -> &str {
    policy.rsplit('/').next().unwrap_or(policy)
}

fn statement(out: &mut String, statement: &StatementReasons, known: bool, style: Style) {
    let (mark, verb) = match (statement.applies, statement.effect) {
        ("yes", "Deny") => ("-", "denies it"),
        ("yes", _) => ("+", "allows it"),
        ("depends", "Deny") => ("?", "may deny it"),
        ("depends", _) => ("?", "may allow it"),
        ("no", "Deny") => (" ", "would deny it, but does not apply"),
        ("no", _) => (" ", "would allow it, but does not apply"),
        (_, "Deny") => (" ", "denies the action on other resources"),
        _ => (" ", "allows the action on other resources"),
    };
    let name =
        statement.sid.as_ref().map_or_else(|| format!("statement {}", statement.statement_index), |sid| format!("statement `{sid}`"));
    let as_before = if known { ", as in the baseline" } else { "" };
    let line = format!("{name} of {} {verb}{as_before}", policy(statement));
    wrapped(out, &visible(&line), &format!("    {mark} "), "        ", style);
    if known {
        return;
    }
    for condition in &statement.conditions {
        wrapped(out, &visible(&condition.words), "        ", "          ", style);
    }
    for open in &statement.open {
        let pattern = if *open == "resource" { &statement.matched_resource } else { &statement.matched_action };
        let wanted = pattern.as_ref().map(|pattern| format!(" must match {pattern} and")).unwrap_or_default();
        wrapped(out, &visible(&format!("the {open}{wanted} is not known in full")), "        ", "          ", style);
    }
    if matches!(statement.applies, "yes" | "depends") {
        wrapped(out, &visible(&shortened(statement)), "        ", "          ", style);
    }
    if let Some(file) = &statement.file {
        painted(out, "2", &visible(&format!("{file}:{}", statement.line)), "        ", "          ", style);
    }
}

/// `` `WorkMailViewers` (attached to group MailViewers) ``.
fn policy(statement: &StatementReasons) -> String {
    let holder = statement.attached_to.as_deref().map(|arn| who(arn, None));
    let name = short(&statement.policy);
    match (statement.policy_type, holder) {
        ("aws_managed", Some(holder)) => format!("the AWS managed `{name}` (attached to {holder})"),
        ("inline" | "group_inline", Some(holder)) => format!("`{name}` (inline policy of {holder})"),
        (_, Some(holder)) => format!("`{name}` (attached to {holder})"),
        ("aws_managed", None) => format!("the AWS managed `{name}`"),
        _ => format!("`{name}`"),
    }
}

/// The statement as written on one line; a long one cut to the elements that match.
fn shortened(statement: &StatementReasons) -> String {
    let whole = statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
    if whole.chars().count() <= SHORT {
        return whole;
    }
    let Ok(Value::Object(members)) = serde_json::from_str::<Value>(&statement.text) else { return cut(&whole) };
    let elements = ["Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    let element = |name: &&str| {
        let matched = match *name {
            "Action" => statement.matched_action.as_deref(),
            "Resource" => statement.matched_resource.as_deref(),
            _ => None,
        };
        Some(format!("\"{name}\": {}", element_text(members.get(*name)?, matched)))
    };
    cut(&format!("{{ {} }}", elements.iter().filter_map(element).collect::<Vec<_>>().join(", ")))
}

/// A list of many patterns as the one that matches and the number of the others.
fn element_text(value: &Value, matched: Option<&str>) -> String {
    match (value, matched) {
        (Value::Array(all), Some(matched)) if all.len() > 2 => format!("[\"{matched}\", ... {} more]", all.len() - 1),
        (Value::Array(all), None) if all.len() > 4 => {
            let first: Vec<String> = all.iter().take(2).map(Value::to_string).collect();
            format!("[{}, ... {} more]", first.join(", "), all.len() - 2)
        }
        _ => value.to_string(),
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST { text.to_owned() } else { text.chars().take(LONGEST).chain(" ...".chars()).collect() }
}
