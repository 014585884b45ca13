//! What is beside the logs: snapshots, the organization, the candidate, the description.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::super::Options;
use super::super::estate::{DAYS, FIRST_DAY, ORGANIZATION_TRAIL, PRODUCTION};
use super::super::principals::Kind;
use super::super::values::{date, time_text};
use super::changes::{Edit, Holder};
use super::documents::{Document, OPERATIONS, Set};
use super::model::{Model, Purpose};
use super::plan::Plan;
use super::snapshot::snapshot;
use super::traffic::Count;

/// Writes `policies/`.
pub(super) fn policies(out: &Path, plan: &Plan, rng: &mut ChaCha8Rng) -> io::Result<()> {
    let folder = out.join("policies");
    for (name, day, model) in [("oldest", FIRST_DAY, &plan.start), ("newest", FIRST_DAY + DAYS, &plan.end)] {
        let folder = folder.join(name).join(stamp(day));
        fs::create_dir_all(&folder)?;
        write_json(&folder.join("account.json"), &snapshot(model))?;
    }
    write_json(&folder.join("organization.json"), &organization())?;
    candidate(&folder.join("candidate"), plan, rng)
}

/// The name of a folder for a snapshot of the begin of a day.
fn stamp(day: u64) -> String {
    let (year, month, day) = date(day);
    format!("{year}-{month:02}-{day:02}T000000Z")
}

fn write_json(path: &Path, value: &Value) -> io::Result<()> {
    fs::write(path, format!("{value:#}\n"))
}

/// An organization that the account manages: no control policy reaches it.
fn organization() -> Value {
    let full = |id: &str, name: &str| json!([{"id": id, "name": name}]);
    let (scps, rcps) = (full("p-FullAWSAccess", "FullAWSAccess"), full("p-RCPFullAWSAccess", "RCPFullAWSAccess"));
    let account = json!({"id": PRODUCTION, "name": "mail", "scps": scps, "rcps": rcps});
    let root = json!({"id": "r-ex4m", "name": "Root", "scps": scps, "rcps": rcps, "accounts": [account]});
    json!({"id": ORGANIZATION_TRAIL, "management_account": PRODUCTION, "root": root})
}

/// A change set on top of the last state: a policy is replaced and another detached, of principals who lost something before.
fn candidate(folder: &Path, plan: &Plan, rng: &mut ChaCha8Rng) -> io::Result<()> {
    let mut text = String::from("# One policy allows less, and one user or role loses another, on top of `newest`.\n");
    let mut taken = None;
    if let Some((name, document, after)) = replacement(plan, rng) {
        fs::create_dir_all(folder)?;
        let file = format!("{name}-narrower.json");
        write_json(&folder.join(&file), &document.json())?;
        let _ = write!(text, "\n[[change]]\nreplace = \"{}\"\nwith    = \"{file}\"\n", plan.end.policy_arn(&name));
        taken = Some((name, after));
    }
    let (taken, model) = taken.unwrap_or_else(|| (String::new(), plan.end.clone()));
    if let Some((name, policy)) = detachment(plan, &model, &taken) {
        let (policy, arn) = (plan.end.policy_arn(&policy), plan.end.arn(&name));
        let _ = write!(text, "\n[[change]]\ndetach = \"{policy}\"\nfrom   = [\"{arn}\"]\n");
    }
    fs::create_dir_all(folder)?;
    fs::write(folder.join("changes.toml"), text)
}

/// Who may do less in one account than in another: of those who lost something before, and of all.
fn losers(plan: &Plan, before: &Model, after: &Model) -> (usize, usize) {
    let after = after.everyone();
    let loses = |name: &str, was: Set| !(was - after.get(name).copied().unwrap_or_default()).is_empty();
    let losers: Vec<&str> = before.everyone().into_iter().filter(|(name, was)| loses(name, *was)).map(|(name, _)| name).collect();
    (losers.iter().filter(|name| plan.losers.contains(**name)).count(), losers.len())
}

/// The policy whose narrowing meets most of those who lost something before.
fn replacement(plan: &Plan, rng: &mut ChaCha8Rng) -> Option<(String, Document, Model)> {
    let plain = plan.end.policies.iter().filter(|(_, policy)| policy.purpose == Purpose::Plain);
    let narrowed = plain.filter_map(|(name, policy)| {
        let document = policy.document()?.narrower(rng)?;
        let mut after = plan.end.clone();
        Edit::CreateVersion { policy: name.clone(), document: document.clone() }.apply(&mut after, 0);
        Some((name.clone(), document, after))
    });
    narrowed.max_by_key(|(_, _, after)| losers(plan, &plan.end, after))
}

/// A user or a role, and a policy other than one, without which it may do less.
fn detachment(plan: &Plan, model: &Model, other: &str) -> Option<(String, String)> {
    let holders = model.identities.iter();
    let pairs = holders.flat_map(|(name, identity)| identity.attached.iter().map(move |policy| (name, identity.kind, policy)));
    let weighed = pairs.filter(|(_, _, policy)| *policy != other).map(|(name, kind, policy)| {
        let of = Holder::of(kind);
        let mut after = model.clone();
        Edit::Detach { of, name: name.clone(), policy: policy.clone() }.apply(&mut after, 0);
        (losers(plan, model, &after), kind == Kind::User, name.clone(), policy.clone())
    });
    weighed.max_by_key(|(losers, is_user, ..)| (*losers, *is_user)).map(|(_, _, name, policy)| (name, policy))
}

/// Writes the description.
pub(super) fn readme(out: &Path, options: &Options, plan: &Plan, count: Count, duplicates: u64) -> io::Result<()> {
    let mut model = plan.start.clone();
    let mut changes = String::new();
    for change in &plan.changes {
        change.apply(&mut model);
        let edits: Vec<String> = change.edits.iter().map(|edit| edit.words(&model)).collect();
        let witness = &change.witness;
        let verb = if witness.gains { "may now" } else { "may no longer" };
        let operation = OPERATIONS.get(witness.operation).copied().unwrap_or_default();
        let others = if witness.touched > 1 { format!(" ({} principals may do something else)", witness.touched) } else { String::new() };
        let _ = writeln!(
            changes,
            "- {}: {}: `{}` {verb} call `workmail:{operation}`{others}.",
            time_text(change.time),
            edits.join(", "),
            model.arn(&witness.name)
        );
    }
    let kind = |kind: Kind| plan.end.identities.values().filter(|identity| identity.kind == kind).count().to_string();
    let text = include_str!("history.md")
        .replace("{events}", &options.events.to_string())
        .replace("{seed}", &options.seed.to_string())
        .replace("{count}", &plan.changes.len().to_string())
        .replace("{calls}", &count.calls.to_string())
        .replace("{refused}", &count.refused.to_string())
        .replace("{duplicates}", &duplicates.to_string())
        .replace("{users}", &kind(Kind::User))
        .replace("{roles}", &kind(Kind::Role))
        .replace("{groups}", &plan.end.groups.len().to_string())
        .replace("{policies}", &plan.end.policies.len().to_string())
        .replace("{changes}", if changes.is_empty() { "- none." } else { changes.trim_end() });
    fs::write(out.join("README.md"), text)
}
