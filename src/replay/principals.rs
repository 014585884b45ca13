//! The principals of a log, joined with the policy sets: who has which bundle in each of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};

use super::beside::Beside;
use super::codes::is_held;
use crate::account::side_data::Tags;
use crate::account::{Bundle, InSnapshot, Layer, PolicySet, PrincipalKey};
use crate::error::{Error, Result};
use crate::evaluate::{BundleId, Compiler, KeyId, LayerKind, Layers, Program, Scope};
use crate::frame::{Distinct, Texts};
use crate::iam::arn::permission_set;

/// The columns that tell principals apart.
pub(super) const COLUMNS: [&str; 5] = ["principal_arn", "principal_id", "principal_account_id", "identity_type", "session_issuer_arn"];

/// A principal as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Seen {
    pub(super) key: PrincipalKey,
    pub(super) identity_type: String,
    /// Whether the record says who issued the session: else the role's path is unknown.
    pub(super) has_issuer: bool,
}

/// A principal with its policies.
#[derive(Debug)]
pub(crate) struct Principal {
    /// ARN of the IAM identity; `None` for services and callers of whom only the account is known.
    pub(crate) arn: Option<String>,
    /// Whether the ARN is exact: with the path of a role.
    pub(super) arn_is_sure: bool,
    /// Account, or empty.
    pub(crate) account: String,
    /// `User`, `Role`, `Root`, `FederatedUser`, `AWSService`, `AWSAccount` or what the log says.
    pub(crate) principal_type: String,
    pub(crate) permission_set: Option<String>,
    pub(super) in_snapshot: InSnapshot,
    /// As the log has it.
    pub(super) key: PrincipalKey,
    /// Tags of the newest baseline; `None` if they are not known.
    pub(super) tags: Option<Tags>,
    /// By policy set, counted from 1: the tags in candidates that say something else.
    pub(super) tags_of_sets: BTreeMap<usize, Option<Tags>>,
    /// Whether some policy set says something of it.
    pub(super) decidable: bool,
    pub(super) baseline: BundleId,
    pub(super) candidates: Vec<BundleId>,
    /// What is known beside log and policies: the same for all.
    pub(super) beside: Arc<Beside>,
    /// The context keys that some of its policies look at, sorted.
    pub(super) keys: Vec<KeyId>,
    /// Whether each candidate's policies for it differ from the baseline's.
    pub(super) changed: Vec<bool>,
}

/// All principals of a log, by how the log has them.
#[derive(Debug, Default)]
pub(super) struct Principals {
    pub(super) all: Vec<Principal>,
    index: HashMap<Seen, usize>,
}

impl Principals {
    pub(super) fn find(&self, seen: &Seen) -> Option<usize> {
        self.index.get(seen).copied()
    }

    /// Compiles the policies of every principal of `seen` into one program.
    pub(super) fn compile(
        seen: BTreeSet<Seen>,
        baseline: &PolicySet,
        candidates: &[(String, PolicySet)],
        assume_absent: Layers,
    ) -> (Self, Program) {
        let mut compiler = Compiler::new();
        let mut principals = Self::default();
        let sets = Sets { baseline, candidates, beside: Arc::new(Beside::new(baseline, candidates)), assume_absent };
        for seen in seen {
            let principal = Principal::new(&seen, &sets, &mut compiler);
            principals.index.insert(seen, principals.all.len());
            principals.all.push(principal);
        }
        let program = compiler.finish();
        for principal in &mut principals.all {
            let bundles = std::iter::once(&principal.baseline).chain(&principal.candidates);
            let keys: BTreeSet<KeyId> = bundles.flat_map(|bundle| program.bundle_keys(*bundle)).copied().collect();
            principal.keys = keys.into_iter().collect();
        }
        (principals, program)
    }
}

/// The policy sets that a principal is looked up in.
struct Sets<'s> {
    baseline: &'s PolicySet,
    candidates: &'s [(String, PolicySet)],
    beside: Arc<Beside>,
    assume_absent: Layers,
}

impl Principal {
    /// The tags that a policy set says it has; `None` if they are not known.
    pub(super) fn tags_in(&self, set: usize) -> Option<&Tags> {
        self.tags_of_sets.get(&set).unwrap_or(&self.tags).as_ref()
    }

    /// Whether it is a federated user: one principal for each name of its sessions.
    pub(super) fn is_federated_user(&self) -> bool {
        self.principal_type == "FederatedUser"
    }

    fn new(seen: &Seen, sets: &Sets<'_>, compiler: &mut Compiler) -> Self {
        let key = &seen.key;
        let Sets { baseline, candidates, ref beside, assume_absent } = *sets;
        let entity = baseline.find(key).ok();
        let arn = entity.map(|entity| entity.arn.clone()).or_else(|| Some(key.arn.clone()).filter(|arn| !arn.is_empty()));
        let tags = baseline.tags_of(key);
        let complete = |set: &PolicySet| complete(set.bundle(key), assume_absent);
        let baseline_bundle = complete(baseline);
        let baseline_id = compiler.bundle(&baseline_bundle);
        let (mut ids, mut changed, mut tags_of_sets) = (Vec::new(), Vec::new(), BTreeMap::new());
        for ((_, set), index) in candidates.iter().zip(1..) {
            let own_tags = set.tags_of(key);
            let scope = Scope { set: index, tags: own_tags != tags, places: beside.has_places_of(index) };
            let mut bundle = complete(set);
            let moves = beside.place(0, &key.account) != beside.place(index, &key.account)
                || set.organizations.may_have_changed(&baseline.organizations, &key.account);
            bundle.scps_own =
                bundle.scps_opaque && baseline_bundle.scps_opaque && (moves || !bundle.shares_missing_scps_of(&baseline_bundle));
            bundle.identity_own = matches!((&bundle.identity_opaque, &baseline_bundle.identity_opaque), (Some(a), Some(b)) if a != b);
            bundle.boundary_own = matches!((&bundle.boundary, &baseline_bundle.boundary), (Layer::Opaque(a), Layer::Opaque(b)) if a != b);
            let id = compiler.bundle_in(&bundle, scope);
            let asks_of_what_differs = (scope.tags || scope.places) && id != baseline_id;
            changed.push(asks_of_what_differs || bundle.differs_from(&baseline_bundle, &key.account));
            ids.push(id);
            if scope.tags {
                tags_of_sets.insert(index, own_tags.cloned());
            }
        }
        let all = std::iter::once(baseline).chain(candidates.iter().map(|(_, set)| set));
        let decidable = all.into_iter().any(|set| set.speaks_of(key));
        Self {
            arn_is_sure: entity.is_some() || seen.has_issuer || seen.identity_type != "AssumedRole",
            permission_set: arn.as_deref().and_then(permission_set).map(str::to_owned),
            account: key.account.clone(),
            principal_type: principal_type(&seen.identity_type).to_owned(),
            in_snapshot: baseline.in_snapshot(key),
            key: key.clone(),
            tags: tags.cloned(),
            tags_of_sets,
            beside: Arc::clone(beside),
            decidable,
            changed,
            baseline: baseline_id,
            candidates: ids,
            keys: Vec::new(),
            arn,
        }
    }
}

/// Takes away the layers that were not supplied and are assumed absent.
fn complete(mut bundle: Bundle, assume_absent: Layers) -> Bundle {
    if assume_absent.contains(LayerKind::Scp) {
        bundle.scps_opaque = false;
    }
    if assume_absent.contains(LayerKind::Boundary) && matches!(bundle.boundary, Layer::Opaque(_)) {
        bundle.boundary = Layer::Absent;
    }
    bundle
}

/// The kind of principal in reports, from the identity type of the record.
pub(super) fn principal_type(identity_type: &str) -> &str {
    match identity_type {
        "IAMUser" => "User",
        "AssumedRole" => "Role",
        "" => "Unknown",
        other => other,
    }
}

/// Who is in a log, batch by batch.
#[derive(Default)]
pub(super) struct Scan {
    /// All texts of a column, numbered, and the numbers of the values that were numbered last.
    columns: [Column; COLUMNS.len()],
    /// The numbers of those who were seen, 0 for no text.
    known: hashbrown::HashSet<[u32; COLUMNS.len()], foldhash::fast::FixedState>,
    seen: BTreeSet<Seen>,
}

#[derive(Default)]
struct Column {
    distinct: Distinct,
    held: Option<StringArray>,
    numbers: Vec<u32>,
}

impl Column {
    /// The number of a row's text.
    fn number(&mut self, texts: &Texts, row: usize) -> Result<u32> {
        match texts {
            Texts::Plain(_) => texts.get(row).map_or(Ok(0), |text| Ok(1 + self.distinct.number(text)?.0)),
            Texts::Coded(..) => Ok(texts.code(row).and_then(|code| self.numbers.get(code as usize)).copied().unwrap_or_default()),
        }
    }

    /// Numbers the values of a batch.
    fn hold(&mut self, texts: &Texts) -> Result<()> {
        let Texts::Coded(_, values) = texts else { return Ok(()) };
        if !is_held(self.held.as_ref(), values) {
            self.numbers.clear();
            for value in values {
                self.numbers.push(value.map_or(Ok(0), |text| Ok::<_, Error>(1 + self.distinct.number(text)?.0))?);
            }
            self.held = Some(values.clone());
        }
        Ok(())
    }
}

impl Scan {
    /// Adds the principals of a batch.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let texts = COLUMNS.map(|name| Texts::of(batch, name)).into_iter().collect::<Result<Vec<Texts>>>()?;
        self.columns.iter_mut().zip(&texts).try_for_each(|(column, texts)| column.hold(texts))?;
        let mut last = None;
        for row in 0..batch.num_rows() {
            let mut numbers = [0; COLUMNS.len()];
            for ((number, column), texts) in numbers.iter_mut().zip(&mut self.columns).zip(&texts) {
                *number = column.number(texts, row)?;
            }
            if last != Some(numbers) && self.known.insert(numbers) {
                let mut values = [None; COLUMNS.len()];
                values.iter_mut().zip(&texts).for_each(|(value, texts)| *value = texts.get(row));
                self.seen.insert(Seen::of(values));
            }
            last = Some(numbers);
        }
        Ok(())
    }

    /// Those who were seen.
    pub(super) fn seen(self) -> BTreeSet<Seen> {
        self.seen
    }
}

impl Seen {
    pub(super) fn of([arn, id, account, identity_type, issuer]: [Option<&str>; 5]) -> Self {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let key = PrincipalKey { arn: text(arn), id: text(id), account: text(account) };
        Self { key, identity_type: text(identity_type), has_issuer: issuer.is_some() }
    }
}
