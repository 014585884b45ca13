//! Who made a call, and whether a policy set can decide it.

use std::hash::{BuildHasher as _, Hasher as _};

use super::codes::Codes;
use super::kernel::Shared;
use super::principals::Seen;
use super::view::{EventColumns, EventView};
use crate::frame::{Grain, Text};

/// Reasons that a dataset's `not_replayable` may hold.
const REASONS: [&str; 8] = [
    "service_event",
    "not_an_api_call",
    "sign_in",
    "unauthenticated",
    "service_linked_role",
    "no_identity",
    "no_permission_needed",
    "network_activity",
];

/// Who made a call, and why it is not replayed if it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) principal: Option<u32>,
    pub(super) reason: Option<&'static str>,
    pub(super) is_of_shard: bool,
}

impl Caller {
    pub(super) fn of(event: EventView<'_>, shared: &Shared<'_>) -> Self {
        let seen = Seen::of(
            [Text::PrincipalArn, Text::PrincipalId, Text::PrincipalAccountId, Text::IdentityType, Text::SessionIssuerArn]
                .map(|column| event.text(column)),
        );
        let principal = shared.principals.find(&seen);
        // The ARN of the snapshot: sessions name roles without their path.
        let arn = match principal.and_then(|index| shared.principals.all.get(index)) {
            Some(joined) => joined.arn.as_deref(),
            None => event.text(Text::PrincipalArn),
        };
        Self {
            principal: principal.and_then(|index| u32::try_from(index).ok()),
            reason: not_replayed(event, principal, shared),
            is_of_shard: shared.shard.is_none_or(|shard| shard.takes(arn)),
        }
    }
}

/// Why an event is not replayed; `None` if it is.
fn not_replayed(event: EventView<'_>, principal: Option<usize>, shared: &Shared<'_>) -> Option<&'static str> {
    if let Some(reason) = event.text(Text::NotReplayable) {
        return Some(REASONS.iter().find(|known| **known == reason).copied().unwrap_or("no_identity"));
    }
    match event.text(Text::IdentityType) {
        Some("AWSService") => return Some("service_principal"),
        Some("AWSAccount") if event.text(Text::PrincipalId).is_some_and(|id| id.contains("ANONYMOUS")) => return Some("anonymous"),
        _ => {}
    }
    let decidable = principal.and_then(|index| shared.principals.all.get(index)).is_some_and(|principal| principal.decidable);
    (!decidable).then_some("foreign_principal")
}

/// Tells the sessions of a principal apart: the credentials and the session's name. Never 0.
pub(super) fn session(columns: &EventColumns<'_>, event: EventView<'_>, codes: &mut Codes) -> Option<u64> {
    let parts = [Text::PrincipalId, Text::SessionName, Text::AccessKeyId]
        .map(|column| columns.texts(column).map_or(0, |texts| codes.hash(column, texts, event.place(Grain::of_text(column)))));
    if parts == [0; 3] {
        return None;
    }
    let mut hasher = foldhash::quality::FixedState::with_seed(0x7365_7373).build_hasher();
    parts.into_iter().for_each(|part| hasher.write_u64(part));
    hasher.write_i64(event.created().unwrap_or(i64::MIN));
    Some(hasher.finish().max(1))
}
