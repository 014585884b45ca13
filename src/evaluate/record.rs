//! The explanation record: everything that one side's decision on one check rests on, layer by layer, as it is written
//! to JSON.

use serde::Serialize;

use super::authorize::StatementRef;
use super::entry::ConditionReasons;

/// What a reader calls a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyNote {
    /// Its name in reports.
    pub name: String,
    /// `aws_managed`, `customer_managed`, `inline`, `group_inline`, `service_control_policy`, `resource_control_policy` or
    /// `document`.
    pub policy_type: &'static str,
    /// The principal or group that has it, or where in the organization it is attached, where the policy set says so.
    pub attached_to: Option<String>,
}

/// Why one side decides one check as it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reasons {
    /// `Allowed`, `Denied` or `Undetermined`.
    pub decision: &'static str,
    /// `explicit`, `implicit` or `unknown`; null where it is not denied.
    pub kind: Option<&'static str>,
    /// The decisions that are possible: `Allowed`, `ExplicitlyDenied`, `ImplicitlyDenied`, and `Denied` by a layer that
    /// was not supplied.
    pub possible: Vec<&'static str>,
    /// The first of the statements that decide.
    pub decided_by: Option<StatementReasons>,
    /// All Deny statements that apply in every situation that is possible.
    pub denied_by: Vec<StatementReasons>,
    /// All Allow statements that apply in every situation that is possible, of every layer.
    pub allowed_by: Vec<StatementReasons>,
    /// The layers that must allow and do not.
    pub failed_layers: Vec<FailedLayer>,
    /// Statements that cover action and resource and have a condition that is false or unknown.
    pub near_misses: Vec<StatementReasons>,
    /// What would settle it, if it is open.
    pub settled_by: Vec<Settling>,
    /// Codes of the assumptions that the decision rests on.
    pub assumptions: Vec<&'static str>,
    /// Codes of what a reader should know of the request and of the patterns.
    pub caveats: Vec<&'static str>,
    /// Every layer, in the order in which a denial is reported.
    pub layers: Vec<LayerReasons>,
}

/// One layer (of the organization's policies: one level).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerReasons {
    /// `scp`, `rcp`, `endpoint`, `resource`, `boundary`, `session` or `identity`.
    pub layer: &'static str,
    /// Level from the root, for service and resource control policies.
    pub level: Option<usize>,
    /// `absent`, `present`, `opaque` (exists, not supplied), `partly_opaque`, `missing` (a call to another account needs
    /// one) or `unlimited` (root).
    pub state: &'static str,
    /// The names of its policies that are known.
    pub policies: Vec<String>,
    /// `allows`, `may_allow`, `does_not_allow`, `denies`, `may_deny`; null where the layer has no say.
    pub answer: Option<&'static str>,
    /// The statements that cover the action, those that matter first.
    pub statements: Vec<StatementReasons>,
}

/// A layer that must allow and does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedLayer {
    /// The layer.
    pub layer: &'static str,
    /// Level from the root.
    pub level: Option<usize>,
    /// Its statements that came near.
    pub near_misses: Vec<StatementReasons>,
}

/// One statement that covers the action.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatementReasons {
    /// The layer.
    pub layer: &'static str,
    /// Level from the root.
    pub level: Option<usize>,
    /// The policy's name in reports.
    pub policy: String,
    /// As [`PolicyNote::policy_type`].
    pub policy_type: &'static str,
    /// As [`PolicyNote::attached_to`].
    pub attached_to: Option<String>,
    /// Position in the document, from 0.
    pub statement_index: usize,
    /// `Sid`.
    pub sid: Option<String>,
    /// `Allow` or `Deny`.
    pub effect: &'static str,
    /// The file.
    pub file: Option<String>,
    /// Its first line there, from 1.
    pub line: usize,
    /// Its last line.
    pub end_line: usize,
    /// As its author wrote it.
    pub text: String,
    /// The `Action` pattern that covers the action; null for `NotAction`.
    pub matched_action: Option<String>,
    /// The `Resource` pattern that covers the resource; null for `NotResource` and for other resources.
    pub matched_resource: Option<String>,
    /// Whether it applies: `yes`, `no` (a condition), `depends` or `other_resource`.
    pub applies: &'static str,
    /// What else than conditions its applying depends on: `action`, `resource`.
    pub open: Vec<&'static str>,
    /// Its conditions; of those that do not apply, or may not, only the ones that are false or unknown.
    pub conditions: Vec<ConditionReasons>,
    #[serde(skip)]
    pub(super) reference: StatementRef,
}

impl PartialEq for StatementReasons {
    /// What a reader sees is compared: the same statement, read twice, is the same.
    fn eq(&self, other: &Self) -> bool {
        let place = |s: &Self| (s.layer, s.level, s.policy.clone(), s.policy_type, s.attached_to.clone(), s.statement_index);
        let text = |s: &Self| (s.sid.clone(), s.effect, s.file.clone(), s.line, s.end_line, s.text.clone());
        let says = |s: &Self| (s.matched_action.clone(), s.matched_resource.clone(), s.applies, s.open.clone());
        place(self) == place(other) && text(self) == text(other) && says(self) == says(other) && self.conditions == other.conditions
    }
}

impl Eq for StatementReasons {}

/// Something unknown that would settle a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settling {
    /// A context key, `layer:NAME`, `action` or `resource`.
    pub key: String,
    /// What each of its states comes to, everything else left open.
    pub cells: Vec<SettledCell>,
}

/// Some states of something unknown that come to the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettledCell {
    /// The states, in words.
    pub when: String,
    /// What it is then.
    pub decision: String,
}
