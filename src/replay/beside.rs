//! What policy files tell beside the policies: where accounts stand, tags of resources, the VPCs of endpoints. Shared by all
//! policy sets but for the places of accounts, which a candidate may change.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::account::side_data::{Endpoint, Tags};
use crate::account::{Place, PolicySet, SideData};

/// What is known beside log and policies.
#[derive(Debug, Default)]
pub(super) struct Beside {
    places: BTreeMap<String, Place>,
    /// By policy set, counted from 1: the places of the candidates that say something else than the baseline.
    of_sets: BTreeMap<usize, BTreeMap<String, Place>>,
    side_data: Arc<SideData>,
}

impl Beside {
    pub(super) fn new(baseline: &PolicySet, candidates: &[(String, PolicySet)]) -> Self {
        let places = baseline.places();
        let of_sets = candidates.iter().zip(1..).map(|((_, set), index)| (index, set.places()));
        let of_sets = of_sets.filter(|(_, of_set)| *of_set != places).collect();
        Self { of_sets, side_data: Arc::clone(&baseline.side_data), places }
    }

    /// Whether accounts stand elsewhere in a policy set than in the baseline.
    pub(super) fn has_places_of(&self, set: usize) -> bool {
        self.of_sets.contains_key(&set)
    }

    /// Where an account stands; `None` if that is not known.
    pub(super) fn place(&self, set: usize, account: &str) -> Option<&Place> {
        self.of_sets.get(&set).unwrap_or(&self.places).get(account)
    }

    /// All tags of a resource; `None` if they are not known.
    pub(super) fn resource_tags(&self, arn: &str) -> Option<&Tags> {
        self.side_data.resource_tags(arn)
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
