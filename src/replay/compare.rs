//! Baseline, candidate and what the log says: the class of a change.
//!
//! Each situation that is possible gives a pair of answers. Those that contradict the observation are dropped; the class
//! is what remains.

use crate::evaluate::{Case, Evaluation, Observation};

/// What a candidate changes for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Allowed by the baseline, denied by the candidate.
    Lost,
    /// Denied by the baseline, allowed by the candidate.
    Gained,
    /// Lost in some situation that is possible, gained in none.
    PotentiallyLost,
    /// Gained in some situation that is possible, lost in none.
    PotentiallyGained,
    /// Allowed by both.
    UnchangedAllowed,
    /// Denied by both.
    UnchangedDenied,
    /// The outcome is not known, and is the same on both sides.
    UnchangedUnknown,
    /// Lost in some situation, gained in another.
    Undetermined,
    /// The baseline cannot explain what the log says.
    BaselineContradicted,
}

impl Change {
    /// All, in the order of reports.
    pub const ALL: [Self; 9] = [
        Self::Lost,
        Self::Gained,
        Self::PotentiallyLost,
        Self::PotentiallyGained,
        Self::UnchangedAllowed,
        Self::UnchangedDenied,
        Self::UnchangedUnknown,
        Self::Undetermined,
        Self::BaselineContradicted,
    ];

    /// Whether access is another, or may be.
    pub fn is_change(self) -> bool {
        matches!(self, Self::Lost | Self::Gained | Self::PotentiallyLost | Self::PotentiallyGained | Self::Undetermined)
    }

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Gained => "gained",
            Self::PotentiallyLost => "potentially_lost",
            Self::PotentiallyGained => "potentially_gained",
            Self::UnchangedAllowed => "unchanged_allowed",
            Self::UnchangedDenied => "unchanged_denied",
            Self::UnchangedUnknown => "unchanged_unknown",
            Self::Undetermined => "undetermined",
            Self::BaselineContradicted => "baseline_contradicted",
        }
    }

    /// The change of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.name() == name)
    }

    /// The class of the (baseline allows, candidate allows) pairs that remain; none remain where the baseline
    /// contradicts the log.
    ///
    /// ```
    /// use retrial::replay::Change;
    /// assert_eq!(Change::of_pairs([(true, false)]), Change::Lost);
    /// assert_eq!(Change::of_pairs([(true, true), (false, false)]), Change::UnchangedUnknown);
    /// assert_eq!(Change::of_pairs([]), Change::BaselineContradicted);
    /// ```
    pub fn of_pairs(pairs: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let (mut lost, mut gained, mut allowed, mut denied) = (false, false, false, false);
        for pair in pairs {
            match pair {
                (true, false) => lost = true,
                (false, true) => gained = true,
                (true, true) => allowed = true,
                (false, false) => denied = true,
            }
        }
        match (lost, gained, allowed, denied) {
            (false, false, false, false) => Self::BaselineContradicted,
            (true, true, ..) => Self::Undetermined,
            (true, false, false, false) => Self::Lost,
            (true, false, ..) => Self::PotentiallyLost,
            (false, true, false, false) => Self::Gained,
            (false, true, ..) => Self::PotentiallyGained,
            (false, false, true, false) => Self::UnchangedAllowed,
            (false, false, false, true) => Self::UnchangedDenied,
            (false, false, true, true) => Self::UnchangedUnknown,
        }
    }
}

/// How the baseline contradicts the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contradiction {
    /// The call succeeded and a Deny statement of the baseline applies.
    SuccessButExplicitDeny,
    /// The call succeeded and nothing in the baseline allows it.
    SuccessButImplicitDeny,
    /// The call was denied and the baseline allows it.
    DeniedButAllowed,
}

impl Contradiction {
    /// All.
    pub const ALL: [Self; 3] = [Self::SuccessButExplicitDeny, Self::SuccessButImplicitDeny, Self::DeniedButAllowed];

    /// The contradiction of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contradiction| contradiction.name() == name)
    }

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::SuccessButExplicitDeny => "success_but_explicit_deny",
            Self::SuccessButImplicitDeny => "success_but_implicit_deny",
            Self::DeniedButAllowed => "denied_but_allowed",
        }
    }
}

impl Contradiction {
    /// What it most likely comes from, so that someone can look there first.
    pub fn likely_cause(self) -> &'static str {
        match self {
            Self::SuccessButExplicitDeny => {
                "the policy was another version then, or the principal or the action of the event is not the one that it was taken for"
            }
            Self::SuccessButImplicitDeny => {
                "an attachment is missing in the snapshot (group, inline or managed policy, permission set), or a resource-based policy grants it"
            }
            Self::DeniedButAllowed => {
                "a policy is missing (SCP, RCP, boundary, session, endpoint or resource-based policy), or the service refused for a reason of its own"
            }
        }
    }
}

crate::ordered_by_name!(Change, Contradiction);

/// One request, compared.
#[derive(Debug)]
pub(super) struct Compared<'e> {
    pub(super) change: Change,
    pub(super) change_from_log: Change,
    pub(super) contradiction: Option<Contradiction>,
    /// The situations that agree with the log; all of them where none does.
    pub(super) cases: Vec<&'e Case>,
}

/// Compares. Of a principal that `is_gone` from the newest policies these say nothing by themselves: what the log says holds
/// for them too, where they can explain it.
pub(super) fn compare<'e>(evaluation: &'e Evaluation, observation: Observation, logged: bool, is_gone: bool) -> Compared<'e> {
    let mut consistent = evaluation.consistent(observation, logged);
    if is_gone && observation != Observation::Open {
        let allowed = observation == Observation::Success;
        let also: Vec<&Case> = consistent.iter().copied().filter(|case| case.pair().0 == allowed).collect();
        consistent = if also.is_empty() { consistent } else { also };
    }
    let change = Change::of_pairs(consistent.iter().map(|case| case.pair()));
    let contradiction = (change == Change::BaselineContradicted).then(|| match observation {
        Observation::Success if evaluation.cases.iter().all(|case| case.in_force.are_explicit()) => Contradiction::SuccessButExplicitDeny,
        Observation::Success => Contradiction::SuccessButImplicitDeny,
        _ => Contradiction::DeniedButAllowed,
    });
    let cases = if consistent.is_empty() { evaluation.cases.iter().collect() } else { consistent };
    Compared { change, change_from_log: from_log(evaluation, observation, logged, change), contradiction, cases }
}

/// What the log alone as baseline would say: a success means that the layers which the candidate leaves permit, a denial
/// that the baseline denies.
fn from_log(evaluation: &Evaluation, observation: Observation, logged: bool, change: Change) -> Change {
    if logged {
        return change;
    }
    let candidate = |permitted: bool| {
        evaluation.cases.iter().filter(move |case| !permitted || evaluation.opaque_layers_permit(case)).map(|case| case.pair().1)
    };
    match observation {
        Observation::Success => Change::of_pairs(candidate(true).map(|c| (true, c))),
        Observation::AccessDenied(_) => {
            let all: Vec<bool> = candidate(false).collect();
            // The denial may have come from a layer that the candidate does not replace.
            if all.contains(&true) { Change::PotentiallyGained } else { Change::UnchangedDenied }
        }
        Observation::Open => Change::of_pairs(candidate(false).flat_map(|c| [(true, c), (false, c)])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_ordered_as_the_columns() {
        let names: Vec<&str> = Change::ALL.iter().map(|change| change.name()).collect();
        assert_eq!(names, crate::frame::schema::CHANGE_COLUMNS);
    }
}
