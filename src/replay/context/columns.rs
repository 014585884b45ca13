//! Which columns of an event tell which context keys.

use std::collections::BTreeSet;

use super::is_resource_tag;
use crate::evaluate::unscoped;

/// Keys of calls that a service makes for the caller.
pub(super) const SERVICE_KEYS: [&str; 8] = [
    "aws:viaawsservice",
    "aws:calledvia",
    "aws:calledviafirst",
    "aws:calledvialast",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
];

/// Keys of the network path.
pub(super) const NETWORK_KEYS: [&str; 8] = [
    "aws:sourceip",
    "aws:vpcsourceip",
    "aws:sourcevpce",
    "aws:sourcevpc",
    "aws:sourcevpcarn",
    "aws:vpceaccount",
    "aws:vpceorgid",
    "aws:vpceorgpaths",
];

/// The columns that a replay reads whatever the policies are.
const ALWAYS: [&str; 25] = [
    "event_id",
    "event_time",
    "event_category",
    "region",
    "account_id",
    "principal_account_id",
    "identity_type",
    "principal_arn",
    "principal_id",
    "session_name",
    "session_issuer_arn",
    "session_created",
    "access_key_id",
    "assumed_root",
    "source_ip",
    "vpc_endpoint_id",
    "outcome",
    "denied_by",
    "action",
    "resource",
    "more_checks",
    "mapping_source",
    "resource_source",
    "not_replayable",
    "source_file",
];

/// The columns that a replay reads where policies look at some keys, given in lower case.
pub(in crate::replay) fn columns<'k>(keys: impl IntoIterator<Item = &'k str>) -> Vec<&'static str> {
    let mut columns: BTreeSet<&str> = ALWAYS.into_iter().collect();
    keys.into_iter().for_each(|key| columns.extend(columns_of(key)));
    columns.into_iter().collect()
}

/// The columns of what the request itself says; they also list keys that a table has no column for.
const REQUEST: [&str; 2] = ["request_context", "request_context_complete"];

/// The columns beside [`ALWAYS`] that tell a key's state.
fn columns_of(key: &str) -> &'static [&'static str] {
    match unscoped(key).0 {
        "aws:vpceorgid" => &["vpc_endpoint_account_id"],
        "aws:principalorgid" | "aws:principalorgpaths" | "aws:resourceorgid" | "aws:resourceorgpaths" => &[],
        "aws:currenttime" | "aws:epochtime" | "aws:requestedregion" | "aws:resourceaccount" => &[],
        "aws:principalarn" | "aws:principalaccount" | "aws:principaltype" | "aws:userid" | "aws:username" => &[],
        "aws:useragent" => &["user_agent", "invoked_by", "console_session", "tls", REQUEST[0], REQUEST[1]],
        "aws:securetransport" => &["user_agent", "invoked_by", "console_session", "tls"],
        "aws:referer" => &["user_agent", "console_session", REQUEST[0], REQUEST[1]],
        "aws:multifactorauthpresent" | "aws:multifactorauthage" | "aws:tokenissuetime" => {
            &["mfa", "invoked_by", "federated_provider", REQUEST[0], REQUEST[1]]
        }
        "aws:sourceidentity" => &["source_identity", "event_version", REQUEST[0], REQUEST[1]],
        key if NETWORK_KEYS.contains(&key) => &[],
        key if SERVICE_KEYS.contains(&key) => &["invoked_by", REQUEST[0], REQUEST[1]],
        key if key.starts_with("aws:principaltag/") || is_resource_tag(key) => &[],
        key if key.starts_with("aws:requesttag/") || key == "aws:tagkeys" || !key.starts_with("aws:") => &REQUEST,
        _ => &[
            "user_agent",
            "invoked_by",
            "console_session",
            "tls",
            "mfa",
            "federated_provider",
            "source_identity",
            "event_version",
            REQUEST[0],
            REQUEST[1],
        ],
    }
}
