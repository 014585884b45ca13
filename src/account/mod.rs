//! Who has which policy: policy sets as people keep them.
//!
//! A [`PolicySet`] holds users, roles, groups and managed policies of any number of accounts. It is read from account
//! snapshots ([`snapshot`]), bare policy documents, and [change sets](changeset) on top of another set.

mod bundle;
pub mod changeset;
pub mod load;
mod policy_set;
mod snapshot;

pub use bundle::{Bundle, Layer, Policy};
pub use load::{CandidateType, Loaded, PolicyFile, load};
pub use policy_set::{Entity, EntityKind, Group, InSnapshot, Override, PolicySet, PrincipalKey};
