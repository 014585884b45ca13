//! The policy language of AWS IAM: documents, patterns, variables, principals and conditions.
//!
//! Pure: no file, no clock, no columns. A document is parsed once into a [`PolicyDocument`]; everything that a
//! request is matched against ([`Pattern`], [`condition::Matcher`]) is compiled from it.

pub mod action;
pub mod arn;
pub mod condition;
pub mod document;
pub mod json;
mod matcher;
pub mod parse;
pub mod pattern;
pub mod principal;
pub mod variable;

pub use action::ActionPattern;
pub use arn::Arn;
pub use condition::{Base, Operator, SetOperator};
pub use document::{Condition, Effect, Element, PolicyDocument, PolicyType, Statement, Version};
pub use pattern::{Matching, Pattern};
