//! Who has which policy: policy sets as people keep them.
//!
//! A [`PolicySet`] holds users, roles, groups and managed policies of any number of accounts, and the [organizations](organization)
//! that these belong to. It is read from account snapshots ([`snapshot`]), organization files, bare policy documents, and
//! [change sets](changeset), [Terraform plans](terraform) and [CloudFormation templates](cloudformation) on top of another set. [`side_data`] is what none of these tells;
//! [`history`] says how a set came to be what it is.

mod bundle;
pub mod changeset;
pub mod cloudformation;
mod deployment;
mod edits;
pub mod history;
pub mod load;
mod names;
pub mod organization;
mod policy_set;
mod reading;
pub mod side_data;
mod snapshot;
pub mod terraform;

pub use bundle::{AccountRcps, Bundle, Layer, Levels, Policy};
pub use cloudformation::Template;
pub use deployment::{Applied, Listed, Note};
pub use load::{CandidateType, Deployment, Loaded, PolicyFile, Touched, load, load_as, load_context};
pub use organization::{ControlType, Organization, OrganizationEdit, Organizations, Place};
pub use policy_set::{Boundary, Entity, EntityKind, Group, InSnapshot, Override, PolicySet, PrincipalKey, Versions};
pub use side_data::SideData;
pub use terraform::TerraformPlan;

/// The first part of the policy variables that stand for what a template does not tell: no request has a value for them.
pub(crate) const UNKNOWN_VARIABLE: &str = "template:";
