//! The event, and the row of a report that it belongs to.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::count;
use crate::iam::arn::Arn;
use crate::replay::explain::ExplainedEvent;
use crate::report::page::{paragraph, wrapped};
use crate::report::{Style, visible};

fn text<'v>(row: &'v Map<String, Value>, column: &str) -> &'v str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

/// The row that `--change` names.
pub(super) fn row(out: &mut String, row: &Map<String, Value>, style: Style) {
    let name = text(row, "change_id");
    let title = format!("change {name}");
    let _ = writeln!(out, "{}", style.paint("1", &title));
    let resource = row.get("resource").and_then(Value::as_str).unwrap_or("an unknown resource");
    let what = format!("{} calls {} on {resource}", who(text(row, "principal_arn"), None), text(row, "action"));
    paragraph(out, &visible(&what), "  ", style);
    let day = |column| text(row, column).split('T').next().unwrap_or_default().to_owned();
    let when = format!(
        "{} in {} on {}, {} to {}",
        count(row, "events", "event"),
        count(row, "sessions", "session"),
        count(row, "days_seen", "day"),
        day("first_seen"),
        day("last_seen")
    );
    paragraph(out, &when, "  ", style);
    let context: Vec<&str> = row.get("context").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if !context.is_empty() {
        paragraph(out, &visible(&format!("with {}", context.join(", "))), "  ", style);
    }
    let _ = writeln!(out, "\nits first event\n");
}

/// Everything of the event that a decision can depend on.
pub(super) fn event(out: &mut String, explained: &ExplainedEvent, style: Style) {
    let event = &explained.event;
    let _ = writeln!(out, "{}", style.paint("1", "the event"));
    for (name, value) in lines(explained, event) {
        if !value.is_empty() {
            wrapped(out, &visible(&value), &format!("  {name:9}"), "           ", style);
        }
    }
}

fn lines(explained: &ExplainedEvent, event: &Map<String, Value>) -> Vec<(&'static str, String)> {
    let text = |column| text(event, column);
    let session = Some(text("session_name")).filter(|name| !name.is_empty());
    let arn = explained.principal.as_ref().and_then(|principal| principal.arn.as_deref()).unwrap_or(text("principal_arn"));
    let mut call = match text("action") {
        "" => text("event_name").to_owned(),
        action => action.to_owned(),
    };
    let _ = write!(call, " ({} of {})", text("event_name"), text("event_source"));
    let mut lines = vec![
        ("id", text("event_id").to_owned()),
        ("time", text("event_time").to_owned()),
        ("who", format!("{}{}", who(arn, session), if arn.is_empty() { String::new() } else { format!(", {arn}") })),
        ("", in_snapshot(explained)),
        ("call", call),
        ("on", resource(event)),
        ("from", from(event)),
        ("outcome", outcome(event)),
        ("mapping", mapping(event)),
    ];
    for check in event.get("more_checks").and_then(Value::as_array).into_iter().flatten() {
        let part = |name| check.get(name).and_then(Value::as_str);
        let inferred = if part("source") == Some("inferred") { " (not in the log: inferred from what the call does)" } else { "" };
        lines.push((
            "also",
            format!("{} on {}{inferred}", part("action").unwrap_or_default(), part("resource").unwrap_or("an unknown resource")),
        ));
    }
    let place = [text("source_file").to_owned(), event.get("source_index").map(|index| format!(", record {index}")).unwrap_or_default()];
    lines.push(("in", place.concat()));
    lines
}

/// Where the snapshot does not have the principal, which case it is.
fn in_snapshot(explained: &ExplainedEvent) -> String {
    let text = match explained.principal.as_ref().map(|principal| principal.in_snapshot) {
        Some("principal_missing") => "not in the snapshot of its account: deleted since, or not there yet",
        Some("id_differs") => "the snapshot has this ARN with another unique id: it was deleted and made again",
        _ => "",
    };
    text.to_owned()
}

/// `user alice`, `role Ops (session bob)`, `permission set MailAdmin (session priya)`.
pub(super) fn who(arn: &str, session: Option<&str>) -> String {
    let session = session.map(|name| format!(" (session {name})")).unwrap_or_default();
    let Some(parsed) = Arn::parse(arn) else {
        return if arn.is_empty() { format!("unknown{session}") } else { format!("{arn}{session}") };
    };
    let kind = parsed.resource.split('/').next().unwrap_or_default();
    match crate::iam::arn::permission_set(arn) {
        Some(set) => format!("permission set {set}{session}"),
        None if kind == "root" => format!("root of account {}", parsed.account),
        None => format!("{kind} {}{session}", parsed.name()),
    }
}

fn resource(event: &Map<String, Value>) -> String {
    match event.get("resource").and_then(Value::as_str) {
        _ if text(event, "action").is_empty() => String::new(),
        None => "an unknown resource: the record does not tell it".to_owned(),
        Some("*") => "no single resource (the action has no resource-level permission)".to_owned(),
        Some(arn) => arn.to_owned(),
    }
}

fn from(event: &Map<String, Value>) -> String {
    let endpoint = Some(text(event, "vpc_endpoint_id")).filter(|id| !id.is_empty()).map(|id| format!("through {id}"));
    let by = Some(text(event, "invoked_by")).filter(|by| !by.is_empty()).map(|by| format!("by {by}"));
    let mfa =
        event.get("mfa").and_then(Value::as_bool).map(|mfa| if mfa { "a session with MFA" } else { "a session without MFA" }.to_owned());
    let parts = [
        Some(text(event, "source_ip").to_owned()),
        Some(text(event, "region").to_owned()),
        endpoint,
        by,
        mfa,
        Some(text(event, "user_agent").to_owned()),
    ];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn outcome(event: &Map<String, Value>) -> String {
    let words = match text(event, "outcome") {
        "success" => "it succeeded",
        "access_denied" => "it was denied",
        _ => "it failed for another reason, which proves nothing either way",
    };
    let code = text(event, "error_code");
    let message = text(event, "error_message");
    let code = if code.is_empty() { String::new() } else { format!(" ({code})") };
    let message = if message.is_empty() { String::new() } else { format!(": {message}") };
    format!("{words}{code}{message}")
}

fn mapping(event: &Map<String, Value>) -> String {
    let action = match text(event, "mapping_source") {
        "exact" => "the event has the name of the action",
        "catalog" => "the catalogue says which action the event means",
        "error_message" => "the error message names the action",
        "rule" => "the action is a guess from the event's name",
        _ => return String::new(),
    };
    let resource = match text(event, "resource_source") {
        "parameters" => "; the resource is made of the request's parameters",
        "catalog" => "",
        "record" => "; the record names the resource",
        "error_message" => "; the error message names the resource",
        "partial" => "; the record tells a part of the resource",
        _ => "; the resource is not known",
    };
    format!("{action}{resource}")
}
