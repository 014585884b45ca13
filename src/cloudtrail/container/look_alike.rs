//! What looks like CloudTrail and is none, by its name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{Record, SkipReason, is_named, shorten};

/// Members that tell what an object is, most telling first.
const OBJECTS: [(&str, SkipReason, &str); 22] = [
    ("digestS3Object", SkipReason::Digest, "a digest file"),
    ("digestPublicKeyFingerprint", SkipReason::Digest, "a digest file"),
    ("insightDetails", SkipReason::Insight, "an Insights record"),
    ("configSnapshotId", SkipReason::NotCloudtrail, "a snapshot of AWS Config"),
    ("configurationItems", SkipReason::NotCloudtrail, "a history of AWS Config"),
    ("configurationItem", SkipReason::NotCloudtrail, "an item of AWS Config"),
    ("s3ObjectKey", SkipReason::NotCloudtrail, "a delivery notification: read the log file that it names"),
    ("awslogs", SkipReason::NotCloudtrail, "data of CloudWatch Logs that is not base64 of gzip"),
    ("kinesis", SkipReason::NotCloudtrail, "data of Kinesis that is neither gzip nor JSON in base64"),
    ("dynamodb", SkipReason::NotCloudtrail, "a notification of DynamoDB"),
    ("codecommit", SkipReason::NotCloudtrail, "a notification of CodeCommit"),
    ("Sns", SkipReason::NotCloudtrail, "a notification of SNS"),
    ("class_uid", SkipReason::NotCloudtrail, "an OCSF event in JSON, which is read from Parquet only"),
    ("UserDetailList", SkipReason::NotCloudtrail, "an account snapshot: give it as policies"),
    ("RoleDetailList", SkipReason::NotCloudtrail, "an account snapshot: give it as policies"),
    ("Statement", SkipReason::NotCloudtrail, "a policy document: give it as policies"),
    ("detail-type", SkipReason::NotCloudtrail, "an EventBridge event that holds no record, of the type:"),
    ("message", SkipReason::NotCloudtrail, "a log message that holds no record:"),
    ("@message", SkipReason::NotCloudtrail, "a log message that holds no record:"),
    ("_raw", SkipReason::NotCloudtrail, "a log message that holds no record:"),
    ("CloudTrailEvent", SkipReason::NotARecord, "`CloudTrailEvent` holds no record:"),
    ("EventId", SkipReason::NotARecord, "an event of `lookup-events` without `CloudTrailEvent`: keep that member, it is the record"),
];

/// What a text as a whole is, if it is known and no log of CloudTrail.
pub(super) fn of_text(text: &str) -> Option<&'static str> {
    if text.starts_with("PK\u{3}\u{4}") {
        return Some("a zip archive: unpack it first");
    }
    if text.starts_with("version https://git-lfs.github.com/spec/") {
        return Some("a pointer of Git LFS: `git lfs pull` fetches the file that it stands for");
    }
    let head = text.get(..text.floor_char_boundary(256)).unwrap_or("");
    let mut words = head.lines().next().unwrap_or("").split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some("version"), Some("account-id"), _) => Some("a VPC flow log"),
        (Some(version), Some(_), Some(interface)) if interface.starts_with("eni-") && version.parse::<u8>().is_ok() => {
            Some("a VPC flow log")
        }
        _ => None,
    }
}

/// Why an object is no record of an API call; `None` if it is one.
pub(super) fn of_record(record: &Record<'_>, text: &str) -> Option<(SkipReason, String)> {
    if !is_named(record) {
        return Some(of_object(record, text));
    }
    let name = record.event_name.get().unwrap_or_default();
    let source = record.event_source.get().unwrap_or_default();
    if record.event_type.get() == Some("AwsCloudTrailInsight") {
        return Some((SkipReason::Insight, format!("an Insights record of `{name}`")));
    }
    if source.starts_with("aws:") {
        let detail = format!("a notification of a service (`eventSource` is `{}`)", shorten(source));
        return Some((SkipReason::NotCloudtrail, detail));
    }
    // Alibaba's records have the same names, but `eventId`.
    if record.event_id.get().is_none() && source.ends_with(".aliyuncs.com") {
        return Some((SkipReason::NotCloudtrail, "a record of Alibaba Cloud ActionTrail".to_owned()));
    }
    None
}

fn of_object(record: &Record<'_>, text: &str) -> (SkipReason, String) {
    if record.event_type.get() == Some("AwsAggregatedEvent") || record.event_category.get() == Some("Aggregated") {
        return (SkipReason::NotCloudtrail, "an aggregated event, which counts calls and does not show them".to_owned());
    }
    if record.event_source.get().is_some_and(|source| source.starts_with("aws:")) {
        return (SkipReason::NotCloudtrail, "a notification of a service".to_owned());
    }
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).unwrap_or_default();
    for (name, reason, detail) in OBJECTS {
        if let Some(value) = members.get(name) {
            let value = if detail.ends_with(':') { format!(" `{}`", shorten(value.get().trim_matches('"'))) } else { String::new() };
            return (reason, format!("{detail}{value}"));
        }
    }
    match (record.event_source.get(), record.event_name.get()) {
        (Some(_), None) => return (SkipReason::NotARecord, "no `eventName`".to_owned()),
        (None, Some(_)) => return (SkipReason::NotARecord, "no `eventSource`".to_owned()),
        _ => {}
    }
    let names: Vec<&str> = members.iter().filter(|(_, raw)| raw.get() != "null").map(|(name, _)| name.as_ref()).take(8).collect();
    let names = if names.is_empty() { "none that says anything".to_owned() } else { format!("`{}`", shorten(&names.join(", "))) };
    (SkipReason::NotARecord, format!("no `eventSource` and no `eventName`; its members: {names}"))
}
