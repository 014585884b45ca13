//! What policy files tell beside the policies: where accounts stand, tags of resources, the VPCs of endpoints. Shared by all
//! policy sets but for the places of accounts, which a candidate may change.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::account::history::Value;
use crate::account::side_data::{Endpoint, Tags};
use crate::account::{Place, PolicySet, SideData};

use super::sessions::Session;
use super::timeline::Timeline;

/// What is known beside log and policies.
#[derive(Debug, Default)]
pub(super) struct Beside {
    places: BTreeMap<String, Place>,
    /// By policy set, counted from 1: the places of the candidates that say something else than the baseline.
    of_sets: BTreeMap<usize, BTreeMap<String, Place>>,
    side_data: Arc<SideData>,
    /// Where accounts stood at other times is not known; from this policy set on.
    unplaced_from: Option<usize>,
    timeline: Arc<Timeline>,
}

impl Beside {
    pub(super) fn new(baseline: &PolicySet, candidates: &[(String, PolicySet)], timeline: &Arc<Timeline>, moves: bool) -> Self {
        let places = baseline.places();
        let of_sets = candidates.iter().zip(1..).map(|((_, set), index)| (index, set.places()));
        let of_sets = of_sets.filter(|(_, of_set)| *of_set != places).collect();
        let unplaced_from = moves.then_some(candidates.len() + 1);
        Self { of_sets, side_data: Arc::clone(&baseline.side_data), places, unplaced_from, timeline: Arc::clone(timeline) }
    }

    /// Whether accounts stand elsewhere in a policy set than in the baseline.
    pub(super) fn has_places_of(&self, set: usize) -> bool {
        self.of_sets.contains_key(&set) || self.unplaced_from.is_some_and(|from| set >= from)
    }

    /// Where an account stands; `None` if that is not known.
    pub(super) fn place(&self, set: usize, account: &str) -> Option<&Place> {
        if self.unplaced_from.is_some_and(|from| set >= from) {
            return None;
        }
        self.of_sets.get(&set).unwrap_or(&self.places).get(account)
    }

    /// A tag of a resource at a time, its name in lower case; [`Value::Unknown`] where it is not known.
    pub(super) fn resource_tag(&self, arn: &str, name: &str, time: impl FnOnce() -> i64) -> Value {
        let changed = self.timeline.tags.has(arn);
        if let Some(value) = changed.then(time).and_then(|time| self.timeline.tags.tag(arn, name, time)) {
            return value;
        }
        match self.side_data.resource_tags(arn).and_then(|tags| tag(tags, name)) {
            Some(Some(value)) => Value::Text(value.to_owned()),
            Some(None) => Value::Absent,
            None => Value::Unknown,
        }
    }

    /// What is known of a session, by its number.
    pub(super) fn session(&self, number: u32) -> Option<&Session> {
        self.timeline.sessions.get(number)
    }

    /// A VPC endpoint.
    pub(super) fn endpoint(&self, id: &str) -> Option<&Endpoint> {
        self.side_data.endpoints.get(id)
    }
}

/// The value of a tag whose name is given in lower case, `Some(None)` if there is none; `None` if two tags differ by letter
/// case only, so that it is not known which is meant.
pub(super) fn tag<'t>(tags: &'t Tags, name: &str) -> Option<Option<&'t str>> {
    let mut values = tags.iter().filter(|(known, _)| known.to_lowercase() == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (_, Some(_)) => None,
        (value, None) => Some(value),
    }
}
