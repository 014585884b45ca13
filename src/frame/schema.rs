//! The columns of every table, in order: the single source of truth.
//!
//! Types are the ones that DuckDB, polars, pandas, Spark and Athena all read: UTF-8, `timestamp[us, UTC]`, `int64`,
//! booleans, lists of strings.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// Version of the schemas, written as `retrial.schema` into every file.
pub const SCHEMA_VERSION: &str = "3";

/// A table: its name and columns.
#[derive(Debug)]
pub struct Table {
    /// Name, also the file stem in the report folder.
    pub name: &'static str,
    /// Columns.
    pub schema: SchemaRef,
}

/// `timestamp[us, UTC]`.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

/// List of strings.
pub fn text_list() -> DataType {
    DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)))
}

/// The struct of `more_checks`.
pub fn check_fields() -> Fields {
    Fields::from(vec![text("action"), text("resource"), text("source")])
}

/// The type of `request_context`: a map of text to list of text.
pub fn context_map() -> DataType {
    let entries = Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", text_list(), true)]);
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}
fn texts(name: &str) -> Field {
    Field::new(name, text_list(), true)
}
fn count(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}
fn time(name: &str) -> Field {
    Field::new(name, timestamp(), true)
}
fn flag(name: &str) -> Field {
    Field::new(name, DataType::Boolean, true)
}

fn table(name: &'static str, fields: Vec<Field>) -> Table {
    Table { name, schema: Arc::new(Schema::new(fields)) }
}

/// The events dataset: one row an event.
pub static EVENTS: LazyLock<Table> = LazyLock::new(|| {
    let checks = DataType::List(Arc::new(Field::new("item", DataType::Struct(check_fields()), true)));
    let fields = vec![
        text("event_id"),
        text("request_id"),
        text("shared_event_id"),
        text("addendum_of"),
        time("event_time"),
        text("event_version"),
        text("event_type"),
        text("event_category"),
        text("event_source"),
        text("event_name"),
        text("region"),
        text("account_id"),
        text("principal_account_id"),
        flag("read_only"),
        text("identity_type"),
        text("principal_arn"),
        text("principal_id"),
        text("session_name"),
        text("source_identity"),
        text("session_issuer_arn"),
        text("federated_provider"),
        flag("assumed_root"),
        flag("console_session"),
        text("access_key_id"),
        text("issued_access_key_id"),
        time("session_created"),
        flag("mfa"),
        text("invoked_by"),
        text("source_ip"),
        text("vpc_endpoint_id"),
        text("vpc_endpoint_account_id"),
        text("user_agent"),
        text("tls"),
        text("outcome"),
        text("error_code"),
        text("error_message"),
        text("denied_by"),
        text("action"),
        text("resource"),
        Field::new("more_checks", checks, true),
        text("mapping_source"),
        text("resource_source"),
        Field::new("request_context", context_map(), true),
        flag("request_context_complete"),
        text("not_replayable"),
        text("request_parameters"),
        text("access_change"),
        text("source_file"),
        count("source_index"),
        count("caller_number"),
        count("call_number"),
    ];
    table("events", fields)
});

/// The columns of [`EVENTS`] that a row has before it has its place in a file: all but the numbers of [`super::Grain`].
pub static MAPPED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let is_number = |field: &Field| super::Grain::NUMBERS.iter().any(|(_, name)| name == field.name());
    let fields = EVENTS.schema.fields().iter().filter(|field| !is_number(field)).cloned();
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
});

/// One row for each candidate and distinct request.
pub static CHANGES: LazyLock<Table> = LazyLock::new(|| {
    let fields = vec![
        text("change_id"),
        text("candidate"),
        text("change"),
        text("change_from_log"),
        text("contradiction"),
        text("baseline_decision"),
        text("candidate_decision"),
        text("observed"),
        text("principal_arn"),
        text("principal_type"),
        text("permission_set"),
        text("account_id"),
        text("resource_account_id"),
        text("action"),
        text("resource"),
        text("region"),
        texts("checks"),
        text("deciding_action"),
        text("deciding_resource"),
        texts("context"),
        count("events"),
        count("sessions"),
        count("days_seen"),
        time("first_seen"),
        time("last_seen"),
        texts("session_names"),
        texts("sample_event_ids"),
        text("baseline_reason"),
        text("candidate_reason"),
        text("baseline_layer"),
        text("baseline_policy"),
        count("baseline_statement"),
        text("baseline_sid"),
        text("candidate_layer"),
        text("candidate_policy"),
        count("candidate_statement"),
        text("candidate_sid"),
        texts("candidate_deciding"),
        texts("missing_keys"),
        text("residual"),
        texts("assumptions"),
        text("mapping_source"),
        text("resource_source"),
    ];
    table("changes", fields)
});

/// The columns of the changes that are the same for every candidate that says the same: all but the id and the candidate.
pub(crate) static SAID: LazyLock<Table> = LazyLock::new(|| {
    let own = ["change_id", "candidate"];
    let common = CHANGES.schema.fields().iter().filter(|field| !own.contains(&field.name().as_str()));
    table("changes", common.map(|field| field.as_ref().clone()).collect())
});

/// The mergeable form of the changes: what describes a row, and its measures as sets.
pub static TALLY: LazyLock<Table> = LazyLock::new(|| {
    let finished = ["change_id", "sessions", "days_seen", "session_names", "sample_event_ids"];
    let mut fields: Vec<Field> = CHANGES.schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.retain(|field| !finished.contains(&field.name().as_str()));
    fields.extend([texts("days"), texts("session_hashes"), texts("session_names"), texts("samples")]);
    table("tally", fields)
});

/// The changes, as names of count columns, in order.
pub const CHANGE_COLUMNS: [&str; 9] = [
    "lost",
    "gained",
    "potentially_lost",
    "potentially_gained",
    "unchanged_allowed",
    "unchanged_denied",
    "unchanged_unknown",
    "undetermined",
    "baseline_contradicted",
];

/// One row for each candidate and principal.
pub static PRINCIPALS: LazyLock<Table> = LazyLock::new(|| {
    let mut fields = vec![
        text("candidate"),
        text("principal_arn"),
        text("principal_type"),
        text("permission_set"),
        text("account_id"),
        text("in_snapshot"),
        flag("changed_by_candidate"),
        count("events"),
    ];
    fields.extend(CHANGE_COLUMNS.iter().map(|name| count(name)));
    fields.extend([
        texts("actions_used"),
        texts("actions_lost"),
        texts("actions_gained"),
        count("granted_unused"),
        count("not_observable"),
        texts("session_names"),
        count("agree"),
        count("contradict"),
        time("first_seen"),
        time("last_seen"),
    ]);
    table("principals", fields)
});

/// Every statement that a row names.
pub static STATEMENTS: LazyLock<Table> = LazyLock::new(|| {
    let fields = vec![
        text("side"),
        text("layer"),
        text("policy"),
        count("statement"),
        text("sid"),
        text("file"),
        count("line"),
        count("end_line"),
        text("text"),
    ];
    table("statements", fields)
});

/// One row for each candidate, principal and action that the candidate grants it or that it used.
pub static ACTIONS: LazyLock<Table> = LazyLock::new(|| {
    let fields = vec![
        text("candidate"),
        text("principal_arn"),
        text("action"),
        flag("granted"),
        flag("used"),
        flag("observable"),
        count("events"),
        count("days_seen"),
        time("first_seen"),
        time("last_seen"),
        flag("rare"),
    ];
    table("actions", fields)
});

/// One row for each account, region and day; gaps are rows with zero.
pub static COVERAGE: LazyLock<Table> = LazyLock::new(|| {
    let fields = vec![
        text("account_id"),
        text("region"),
        Field::new("day", DataType::Date32, true),
        count("files"),
        count("events"),
        count("replayed"),
        count("skipped"),
        count("management"),
        count("data"),
    ];
    table("coverage", fields)
});

/// One row for each candidate and event that the filters let through, in the order of the dataset; events that were not
/// replayed have a reason in place of a change.
pub static DECISIONS: LazyLock<Table> = LazyLock::new(|| {
    let fields = vec![
        text("event_id"),
        time("event_time"),
        text("account_id"),
        text("candidate"),
        text("change"),
        text("change_id"),
        text("baseline_decision"),
        text("candidate_decision"),
        text("not_replayed"),
        text("source_file"),
        count("source_index"),
    ];
    table("decisions", fields)
});

/// One row for each record that was not kept.
pub static SKIPPED: LazyLock<Table> = LazyLock::new(|| {
    let fields = vec![
        text("file"),
        count("index"),
        text("reason"),
        text("detail"),
        count("length"),
        text("sha256"),
        time("event_time"),
        text("raw"),
    ];
    table("skipped", fields)
});
