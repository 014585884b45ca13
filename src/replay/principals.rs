//! The principals of a log, joined with the policy sets: who has which bundle in each of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};

use super::beside::Beside;
use super::codes::is_held;
use super::manifest::Followed;
use super::past::{Past, PastOf};
use super::timeline::Timeline;
use super::variants::Variants;
use super::view::AskedBy;
use crate::account::history::History;
use crate::account::side_data::Tags;
use crate::account::{Bundle, InSnapshot, Layer, PolicySet, PrincipalKey};
use crate::error::{Error, Result};
use crate::evaluate::{Compiler, KeyId, LayerKind, Layers, Program, unscoped};
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
    /// Tags of the newest baseline.
    pub(super) tags: KnownTags,
    /// By policy set, counted from 1: the tags that are others in candidates, and behind them those of other times.
    tags_of_sets: BTreeMap<usize, KnownTags>,
    /// Whether some policy set says something of it.
    pub(super) decidable: bool,
    /// Its policies: those that are not limited by a session policy that is known, at no special time, first.
    pub(super) variants: Variants,
    /// What is known beside log and policies: the same for all.
    pub(super) beside: Arc<Beside>,
    /// The context keys that some of its policies look at, sorted.
    pub(super) keys: Vec<KeyId>,
    /// Whether some of them are tags of resources.
    looks_at_tags: bool,
    /// Whether each candidate's policies for it differ from the baseline's.
    pub(super) changed: Vec<bool>,
}

/// All principals of a log, by how the log has them.
#[derive(Debug, Default)]
pub(super) struct Principals {
    pub(super) all: Vec<Principal>,
    /// Whether some principal has several variants.
    pub(super) has_variants: bool,
    /// The changes of policies that were followed; `None` if there were none.
    pub(super) followed: Option<Followed>,
    /// What to say of those that were not.
    pub(super) not_followed: Vec<String>,
    pub(super) timeline: Arc<Timeline>,
    index: HashMap<Seen, usize>,
}

impl Principals {
    /// Which of the policies of who asks count at a time.
    #[inline]
    pub(super) fn variant(&self, by: AskedBy, time: i64) -> u32 {
        if !self.has_variants {
            return 0;
        }
        let policies = self.timeline.sessions.get(by.session).map(|session| session.policies).unwrap_or_default();
        self.all.get(by.principal as usize).map(|principal| principal.variants.number(policies, time)).unwrap_or_default()
    }

    /// Whether the policies of who asks look at tags of resources.
    pub(super) fn looks_at_tags(&self, by: AskedBy) -> bool {
        self.all.get(by.principal as usize).is_some_and(|principal| principal.looks_at_tags)
    }

    pub(super) fn find(&self, seen: &Seen) -> Option<usize> {
        self.index.get(seen).copied()
    }

    /// Compiles the policies of every principal of `seen` into one program.
    pub(super) fn compile(
        seen: BTreeSet<Seen>,
        baseline: &PolicySet,
        candidates: &[(String, PolicySet)],
        assume_absent: Layers,
        mut timeline: Timeline,
    ) -> (Self, Program) {
        let mut compiler = Compiler::new();
        let mut principals = Self::default();
        let history = timeline.history.take();
        principals.followed = history.as_ref().map(|history| Followed {
            changes: history.times() as u64,
            calls: history.calls as u64,
            not_followed: history.not_followed.len() as u64,
        });
        principals.not_followed = history.as_ref().map(History::warnings).unwrap_or_default();
        let moves = history.as_ref().is_some_and(History::moves_accounts);
        let timeline = Arc::new(timeline);
        let sets = Sets { baseline, candidates, beside: Arc::new(Beside::new(baseline, candidates, &timeline, moves)), assume_absent };
        let past = Past::new(&seen, &sets, &timeline, history);
        for seen in seen {
            let past = past.of(&seen.key);
            let principal = Principal::new(&seen, &sets, &timeline, past, &mut compiler);
            principals.has_variants |= !principal.variants.is_only_one();
            principals.index.insert(seen, principals.all.len());
            principals.all.push(principal);
        }
        let program = compiler.finish();
        principals.timeline = timeline;
        for principal in &mut principals.all {
            let bundles = principal.variants.bundles();
            let keys: BTreeSet<KeyId> = bundles.flat_map(|bundle| program.bundle_keys(*bundle)).copied().collect();
            principal.looks_at_tags = keys.iter().any(|key| unscoped(program.key_name(*key)).0.starts_with("aws:resourcetag/"));
            principal.keys = keys.into_iter().collect();
        }
        (principals, program)
    }
}

/// The policy sets that a principal is looked up in.
pub(super) struct Sets<'s> {
    pub(super) baseline: &'s PolicySet,
    pub(super) candidates: &'s [(String, PolicySet)],
    pub(super) beside: Arc<Beside>,
    pub(super) assume_absent: Layers,
}

/// What is known of the tags of a principal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KnownTags {
    /// `None` if they are not known.
    pub(super) all: Option<Tags>,
    /// Of which it is not known what they are, while the others are known.
    pub(super) unknown: BTreeSet<String>,
}

impl KnownTags {
    pub(super) fn of(key: &PrincipalKey, set: &PolicySet) -> Self {
        Self { all: set.tags_of(key).cloned(), unknown: set.unknown_tags_of(key) }
    }
}

impl Principal {
    /// The tags that a policy set says it has, and which of them are not known; `None` if none is known.
    pub(super) fn tags_in(&self, set: usize) -> Option<(&Tags, &BTreeSet<String>)> {
        let known = self.tags_of_sets.get(&set).unwrap_or(&self.tags);
        known.all.as_ref().map(|tags| (tags, &known.unknown))
    }

    /// Whether the newest policies do not have it, and say nothing of it by themselves.
    pub(super) fn is_gone(&self) -> bool {
        self.in_snapshot != InSnapshot::Yes
    }

    /// Whether it is a federated user: one principal for each name of its sessions.
    pub(super) fn is_federated_user(&self) -> bool {
        self.principal_type == "FederatedUser"
    }

    fn new(seen: &Seen, sets: &Sets<'_>, timeline: &Timeline, past: Option<&PastOf>, compiler: &mut Compiler) -> Self {
        let key = &seen.key;
        let Sets { baseline, candidates, ref beside, .. } = *sets;
        let entity = baseline.find(key).ok();
        let arn = entity.map(|entity| entity.arn.clone()).or_else(|| Some(key.arn.clone()).filter(|arn| !arn.is_empty()));
        let tags = KnownTags::of(key, baseline);
        let own = candidates.iter().zip(1..).map(|((_, set), index)| (index, KnownTags::of(key, set)));
        let tags_of_sets: BTreeMap<usize, KnownTags> = own.filter(|(_, own)| *own != tags).collect();
        let all = std::iter::once(baseline).chain(candidates.iter().map(|(_, set)| set));
        let decidable = all.into_iter().any(|set| set.speaks_of(key));
        let mut principal = Self {
            arn_is_sure: entity.is_some() || seen.has_issuer || seen.identity_type != "AssumedRole",
            permission_set: arn.as_deref().and_then(permission_set).map(str::to_owned),
            account: key.account.clone(),
            principal_type: principal_type(&seen.identity_type).to_owned(),
            in_snapshot: baseline.in_snapshot(key),
            key: key.clone(),
            tags,
            tags_of_sets,
            beside: Arc::clone(beside),
            decidable,
            changed: Vec::new(),
            variants: Variants::default(),
            keys: Vec::new(),
            looks_at_tags: false,
            arn,
        };
        (principal.variants, principal.changed) = Variants::new(&mut principal, sets, timeline, past, compiler);
        principal
    }

    /// The number of the policy set that says a principal has these tags: one that is known, or a new one for another time.
    pub(super) fn set_of_tags(&mut self, tags: &KnownTags, sets: usize) -> Option<usize> {
        if *tags == self.tags {
            return None;
        }
        let of_times = self.tags_of_sets.range(sets + 1..);
        let known = of_times.clone().find(|(_, known)| *known == tags).map(|(set, _)| *set);
        let next = of_times.last().map_or(sets + 1, |(set, _)| set + 1);
        let set = known.unwrap_or(next);
        self.tags_of_sets.entry(set).or_insert_with(|| tags.clone());
        Some(set)
    }

    /// Whether its tags are others in a candidate than in the baseline.
    pub(super) fn has_tags_of(&self, set: usize) -> bool {
        self.tags_of_sets.contains_key(&set)
    }
}

/// Takes away the layers that were not supplied and are assumed absent.
pub(super) fn complete(mut bundle: Bundle, assume_absent: Layers) -> Bundle {
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
