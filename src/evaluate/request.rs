//! A request as far as a log tells it: what is asked, by whom, and what is known of the request context.

use crate::iam::condition::numeric::Decimal;
use crate::iam::principal::Caller;

/// What is known of one context key: a set of possible states, absence being one of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ContextState {
    /// The key is not in the request.
    Absent,
    /// The key is in the request with exactly these values (sorted and distinct where there are several).
    Known(Vec<String>),
    /// The key is in the request, its value was not logged.
    PresentUnknown(Option<Bounds>),
    /// Neither presence nor value is known.
    Unknown,
    /// One of a few states; `None` is absence.
    OneOf(Vec<Option<Vec<String>>>),
}

impl ContextState {
    /// A known single value.
    pub fn value(text: impl Into<String>) -> Self {
        Self::Known(vec![text.into()])
    }

    /// Whether exactly one state is possible.
    pub fn is_known(&self) -> bool {
        matches!(self, Self::Absent | Self::Known(_))
    }

    /// The value, if the key is known to have exactly one: what a policy variable takes.
    pub fn single(&self) -> Option<&str> {
        match self {
            Self::Known(values) => match values.as_slice() {
                [value] if !value.is_empty() => Some(value),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Limits within which an unknown value lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Bounds {
    /// An instant between two others, both possible, in microseconds since 1970.
    Time {
        /// Earliest.
        from: i64,
        /// Latest.
        to: i64,
    },
    /// A number that is at least this.
    AtLeast(Decimal),
}

/// What the request acts on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ResourceState {
    /// The action has no resource-level permission: only `Resource` patterns of stars match.
    None,
    /// An ARN, with [`crate::iam::pattern::UNKNOWN_PART`] for each part that the record does not tell.
    Arn(String),
    /// Wholly unknown.
    Unknown,
}

impl ResourceState {
    /// From the text form of the events dataset: `*`, an ARN, or null.
    pub fn from_text(text: Option<&str>) -> Self {
        match text {
            None => Self::Unknown,
            Some("*") => Self::None,
            Some(arn) => Self::Arn(arn.to_owned()),
        }
    }
}

/// What is asked for. Equal to another of its name.
#[derive(Debug, Clone)]
pub struct ActionState {
    /// `prefix:Name` as the service writes it.
    pub display: String,
    /// `prefix:Name` in lower case.
    pub name: String,
    /// Whether only the prefix is sure: the name is a guess by the general rule.
    pub guessed: bool,
}

impl PartialEq for ActionState {
    fn eq(&self, other: &Self) -> bool {
        self.guessed == other.guessed && self.name == other.name
    }
}

impl Eq for ActionState {}

impl std::hash::Hash for ActionState {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        self.name.hash(hasher);
    }
}

impl ActionState {
    /// A known action.
    pub fn known(name: &str) -> Self {
        Self { display: name.to_owned(), name: name.to_ascii_lowercase(), guessed: false }
    }
}

/// Whose policies it is that are not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Owner {
    /// The same on all sides that do not know them.
    #[default]
    Shared,
    /// A candidate's own: what is not known of them is not what is not known of the baseline's.
    Candidate,
    /// Those in force at the event alone.
    InForce,
}

/// Layers that exist for this request but whose policies were not supplied. A bit set over [`LayerKind`], with a bit for each
/// [`Owner`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Layers(u32);

/// The kinds of policy that take part in a decision, in the order in which a denial is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LayerKind {
    /// Service control policies.
    Scp,
    /// Resource control policies.
    Rcp,
    /// VPC endpoint policy.
    Endpoint,
    /// Resource-based policy.
    Resource,
    /// Permissions boundary.
    Boundary,
    /// Session policies.
    Session,
    /// Identity-based policies.
    Identity,
}

impl LayerKind {
    /// All layers.
    pub const ALL: [LayerKind; 7] = [Self::Scp, Self::Rcp, Self::Endpoint, Self::Resource, Self::Boundary, Self::Session, Self::Identity];

    /// The name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scp => "scp",
            Self::Rcp => "rcp",
            Self::Endpoint => "endpoint",
            Self::Resource => "resource",
            Self::Boundary => "boundary",
            Self::Session => "session",
            Self::Identity => "identity",
        }
    }

    /// The layer of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layer| layer.name() == name)
    }

    /// The name in sentences, in the plural.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Scp => "service control policies",
            Self::Rcp => "resource control policies",
            Self::Endpoint => "VPC endpoint policies",
            Self::Resource => "resource-based policies",
            Self::Boundary => "permissions boundaries",
            Self::Session => "session policies",
            Self::Identity => "identity-based policies",
        }
    }

    /// The name in sentences.
    pub fn words(self) -> &'static str {
        match self {
            Self::Scp => "service control policy",
            Self::Rcp => "resource control policy",
            Self::Endpoint => "VPC endpoint policy",
            Self::Resource => "resource-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Identity => "identity-based policy",
        }
    }
}

impl Layers {
    /// No layer.
    pub const NONE: Self = Self(0);
    const OWN: u32 = 1 << 8;
    const IN_FORCE: u32 = 1 << 16;
    const ANY: u32 = 1 | Self::OWN | Self::IN_FORCE;

    /// With one layer more.
    #[must_use]
    pub fn with(self, layer: LayerKind) -> Self {
        Self(self.0 | (1 << layer as u16))
    }

    /// With one layer more, of which a candidate does not know other policies than the baseline.
    #[must_use]
    pub fn with_own(self, layer: LayerKind) -> Self {
        Self(self.0 | (Self::OWN << layer as u16))
    }

    /// The layers of the policies in force at an event: what a candidate would know otherwise than the baseline, they do.
    #[must_use]
    pub(super) fn in_force(self) -> Self {
        let own = self.0 & (0xff * Self::OWN);
        Self((self.0 & !own) | (own << 8))
    }

    /// Each layer apart, by its owner.
    pub(super) fn each(self) -> impl Iterator<Item = Self> {
        (0..u32::BITS).map(|bit| Self(1 << bit)).filter(move |one| self.meets(*one))
    }

    /// With the layers of both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without the layers of the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it holds the layer, whoever owns it.
    pub fn contains(self, layer: LayerKind) -> bool {
        self.0 & (Self::ANY << layer as u16) != 0
    }

    /// What it holds of one layer.
    #[must_use]
    pub fn only(self, layer: LayerKind) -> Self {
        Self(self.0 & (Self::ANY << layer as u16))
    }

    /// Whether the two have something in common.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Three bits for each layer.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether it holds none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The layers in order.
    pub fn iter(self) -> impl Iterator<Item = LayerKind> {
        LayerKind::ALL.into_iter().filter(move |layer| self.contains(*layer))
    }
}

/// What a decision needs beside the policies and the context.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The caller, for `Principal` elements.
    pub caller: Caller,
    /// The account of the resource; `None` if unknown.
    pub resource_account: Option<String>,
    /// Layers of this event that exist but were not supplied, beyond those of the bundle. Of resource control policies only
    /// where the bundle does not know those of the resource's account.
    pub opaque: Layers,
    /// Whether resource control policies act on the action.
    pub rcps_act: bool,
    /// Whether the call succeeds without any permission (`sts:GetCallerIdentity`).
    pub no_permission: bool,
    /// Whether it is open that the call asks for this at all: with parameters that the log does not show, it may do without.
    pub optional: bool,
}
