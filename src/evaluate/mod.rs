//! The evaluator: does a policy set allow a request, as far as the request is known.
//!
//! Policy sets are compiled once into a [`Program`]. A [`Request`] says what is known of each context key the program
//! looks at; [`Program::evaluate`] decides it for two bundles of policies together, in every situation that what is
//! unknown leaves possible. Nothing here fails, and nothing guesses: what cannot be decided is [`Decision::Undetermined`]
//! with the keys that would settle it.

mod alike;
mod asks;
mod assume;
mod authorize;
mod automaton;
mod bounds;
mod cell;
mod compile;
mod decision;
mod domain;
mod entry;
mod evaluator;
mod explain;
mod program;
mod reasons;
mod record;
mod request;
mod scope;
mod settle;
mod split;
mod statement;
mod words;

pub use alike::Counterparts;
pub use assume::{ASSUMPTIONS, CAVEATS, code_words};
pub use authorize::{Verdict, Verdicts};
pub use bounds::Addresses;
pub use cell::Cell;
pub use compile::Compiler;
pub use decision::{Decision, Observation, Which};
pub use domain::{KeyShape, Vector};
pub use entry::{ConditionReasons, RequestState};
pub use evaluator::Evaluator;
pub use explain::{DecidingStatement, Explanation, statement_name};
pub use program::{BundleId, KeyId, Program};
pub use record::{FailedLayer, LayerReasons, PolicyNote, Reasons, SettledCell, Settling, StatementReasons};
pub use request::{ActionState, Bounds, ContextState, LayerKind, Layers, ResourceState, Subject};
pub use scope::{Scope, unscoped};
pub use split::{Case, Evaluation};
pub use statement::{KnownKey, Request};
