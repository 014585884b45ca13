//! The kinds of changes, and how one is drawn.

use std::collections::BTreeSet;

use rand::Rng as _;
use rand::seq::IteratorRandom as _;
use rand_chacha::ChaCha8Rng;

use super::super::principals::Kind;
use super::changes::{Edit, Holder};
use super::documents::Document;
use super::model::{Identity, Inline, Model, Purpose, is_staff};

/// What IAM allows: versions of a policy; policies and groups of one identity.
const VERSIONS: usize = 5;
const ATTACHED: usize = 10;

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plot {
    Narrow,
    Widen,
    Back,
    Forward,
    Leave,
    Join,
    Tag(&'static str),
    Untag,
    Bound(Option<Kind>),
    Unbound(Option<Kind>),
    Detach(Holder),
    Attach(Holder),
    Version,
    Delete,
    Put(Holder),
    Create,
}

/// The kinds in their order, and what comes in their place every second time round.
pub(super) const CYCLE: [[Plot; 2]; 16] = [
    [Plot::Narrow, Plot::Widen],
    [Plot::Back, Plot::Forward],
    [Plot::Leave, Plot::Join],
    [Plot::Tag("sales"), Plot::Tag("mail")],
    [Plot::Bound(None), Plot::Unbound(None)],
    [Plot::Detach(Holder::Role), Plot::Attach(Holder::Role)],
    [Plot::Attach(Holder::User), Plot::Detach(Holder::User)],
    [Plot::Version, Plot::Version],
    [Plot::Delete, Plot::Put(Holder::User)],
    [Plot::Put(Holder::Group), Plot::Put(Holder::Group)],
    [Plot::Join, Plot::Leave],
    [Plot::Unbound(Some(Kind::Role)), Plot::Bound(Some(Kind::Role))],
    [Plot::Untag, Plot::Tag("mail")],
    [Plot::Detach(Holder::Group), Plot::Attach(Holder::Group)],
    [Plot::Create, Plot::Create],
    [Plot::Unbound(Some(Kind::User)), Plot::Bound(Some(Kind::User))],
];

/// A change of a kind, if there is anything to change.
pub(super) fn draw(model: &Model, plot: Plot, created: usize, rng: &mut ChaCha8Rng) -> Option<Vec<Edit>> {
    let edit = match plot {
        Plot::Narrow | Plot::Widen => {
            let (name, role) = someone(model, Some(Kind::Role), rng)?;
            let (policy, document) = role.inline.iter().choose(rng)?;
            let document = if plot == Plot::Narrow { document.narrower(rng)? } else { document.wider(rng)? };
            Edit::PutInline { of: Holder::Role, name, policy: policy.clone(), document }
        }
        Plot::Back | Plot::Forward => {
            let (name, policy) = model.policies.iter().choose(rng)?;
            let fits = |version: &u32| if plot == Plot::Back { *version < policy.default } else { *version > policy.default };
            Edit::SetDefault { policy: name.clone(), version: policy.versions.keys().copied().filter(fits).choose(rng)? }
        }
        Plot::Version => {
            let (name, policy) = model.policies.iter().choose(rng)?;
            let may = policy.purpose != Purpose::Session && policy.versions.len() < VERSIONS;
            let document = policy.document().filter(|_| may)?.varied(rng)?;
            Edit::CreateVersion { policy: name.clone(), document }
        }
        Plot::Create => {
            let (name, path) = (format!("MailTask{:03}", created + 1), if created.is_multiple_of(2) { "/ops/" } else { "/" });
            let document = Document::drawn(rng.random_range(3..=5), rng);
            let put = Edit::PutInline { of: Holder::Role, name: name.clone(), policy: "duties".to_owned(), document };
            return Some(vec![Edit::CreateRole { name, path }, put]);
        }
        Plot::Attach(_) | Plot::Detach(_) | Plot::Delete | Plot::Put(_) => draw_policy(model, plot, rng)?,
        _ => draw_identity(model, plot, rng)?,
    };
    Some(vec![edit])
}

/// A change of what a user or a role is: its groups, its tag, its boundary.
fn draw_identity(model: &Model, plot: Plot, rng: &mut ChaCha8Rng) -> Option<Edit> {
    Some(match plot {
        Plot::Leave | Plot::Join => {
            let (user, identity) = someone(model, Some(Kind::User), rng)?;
            let group = model.groups.keys().choose(rng)?.clone();
            match (identity.groups.contains(&group), plot) {
                (true, Plot::Leave) => Edit::Leave { user, group },
                (false, Plot::Join) if identity.groups.len() < ATTACHED => Edit::Join { user, group },
                _ => return None,
            }
        }
        Plot::Tag(team) => {
            let (user, identity) = someone(model, Some(Kind::User), rng)?;
            let fits = if team == "mail" { identity.team != Some(team) } else { identity.team == Some("mail") };
            fits.then_some(Edit::Tag { user, team })?
        }
        Plot::Untag => {
            let (user, identity) = someone(model, Some(Kind::User), rng)?;
            identity.team.map(|_| Edit::Untag { user })?
        }
        Plot::Bound(kind) | Plot::Unbound(kind) => {
            let (name, identity) = someone(model, kind, rng)?;
            let of = identity.kind;
            let bounds = model.policies.iter().filter(|(_, policy)| policy.purpose == Purpose::Boundary);
            match (&identity.boundary, plot) {
                (None, Plot::Bound(_)) => Edit::PutBoundary { of, name, policy: bounds.choose(rng)?.0.clone() },
                (Some(_), Plot::Unbound(_)) => Edit::DeleteBoundary { of, name },
                _ => return None,
            }
        }
        _ => return None,
    })
}

/// A change of what a user, a group or a role holds.
fn draw_policy(model: &Model, plot: Plot, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let of = match plot {
        Plot::Attach(of) | Plot::Detach(of) | Plot::Put(of) => of,
        _ => Holder::User,
    };
    let (name, inline, attached): (String, &Inline, &BTreeSet<String>) = if of == Holder::Group {
        let (name, group) = model.groups.iter().choose(rng)?;
        (name.clone(), &group.inline, &group.attached)
    } else {
        let (name, identity) = someone(model, Some(if of == Holder::User { Kind::User } else { Kind::Role }), rng)?;
        (name, &identity.inline, &identity.attached)
    };
    Some(match plot {
        Plot::Detach(_) => Edit::Detach { of, name, policy: attached.iter().choose(rng)?.clone() },
        Plot::Attach(_) => {
            let fits = |purpose| purpose == Purpose::Plain || purpose == Purpose::Team && of != Holder::Role;
            let (policy, _) = model.policies.iter().filter(|(_, policy)| fits(policy.purpose)).choose(rng)?;
            let may = attached.len() < ATTACHED && !attached.contains(policy);
            may.then(|| Edit::Attach { of, name, policy: policy.clone() })?
        }
        Plot::Delete => Edit::DeleteInline { of, name, policy: inline.keys().choose(rng)?.clone() },
        _ => match inline.iter().choose(rng).filter(|_| rng.random_bool(0.7)) {
            Some((policy, document)) => Edit::PutInline { of, name, policy: policy.clone(), document: document.varied(rng)? },
            None => {
                let policy = if of == Holder::Group { "group-duties" } else { "own-tasks" };
                Edit::PutInline { of, name, policy: policy.to_owned(), document: Document::drawn(2, rng) }
            }
        },
    })
}

/// A user or a role of those who may change.
fn someone<'m>(model: &'m Model, kind: Option<Kind>, rng: &mut ChaCha8Rng) -> Option<(String, &'m Identity)> {
    let fits = |identity: &Identity| kind.is_none_or(|kind| identity.kind == kind);
    let all = model.identities.iter().filter(|(name, identity)| fits(identity) && !is_staff(name));
    all.choose(rng).map(|(name, identity)| (name.clone(), identity))
}
