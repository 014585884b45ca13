//! Whether two bundles of policies say the same of a request. Candidates that were edited here and there mostly do: then what
//! was made of the request with one of them holds for the others.

use std::sync::Arc;

use super::evaluator::{Evaluator, MOST_REMEMBERED};
use super::explain::DecidingStatement;
use super::program::{BundleId, CompiledBundle, CompiledPolicy, Program};
use super::request::ActionState;
use super::statement::Request;

/// The documents in which one bundle has others than another bundle, in pairs.
pub type Counterparts = Arc<[(usize, usize)]>;

impl Evaluator<'_> {
    /// The documents in which two bundles differ, where that makes no difference to the checks of an event: every statement
    /// that may cover one of their actions is the same in both, and stands in the same place of a policy of the same name. An
    /// evaluation, its explanation and the words for its context are then those of the other, but for the policies that it
    /// names: [`Program::counterpart`] has these. `None` where it may make a difference.
    pub fn alike(&mut self, checks: &[Request], bundle: BundleId, other: BundleId) -> Option<Counterparts> {
        let program = self.program;
        if self.counterparts.len() >= MOST_REMEMBERED {
            self.counterparts.clear();
        }
        let counterparts = self.counterparts.entry((bundle, other)).or_insert_with(|| {
            let (bundle, other) = (program.bundles.get(bundle)?, program.bundles.get(other)?);
            bundle.counterparts(other, program).map(Into::into)
        });
        let counterparts = counterparts.clone()?;
        let same = counterparts.is_empty() || checks.iter().all(|check| self.are_alike(&counterparts, &check.action));
        same.then_some(counterparts)
    }

    /// Whether documents and their counterparts say the same of an action.
    fn are_alike(&mut self, counterparts: &[(usize, usize)], asked: &ActionState) -> bool {
        let action = self.action(asked);
        counterparts.iter().all(|(document, other)| {
            if self.alike.len() >= MOST_REMEMBERED {
                self.alike.clear();
            }
            // What is worked out of an action is kept: its address stays its own.
            let key = (*document, *other, Arc::as_ptr(&action).addr());
            *self.alike.entry(key).or_insert_with(|| {
                let documents = self.program.documents.get(*document).zip(self.program.documents.get(*other));
                documents.is_some_and(|(one, two)| one.says_the_same(two, |element| action.may_cover(element)))
            })
        })
    }
}

impl CompiledPolicy {
    /// Whether the statements whose action elements are asked for are the same, in the same places, of a policy of the same name.
    fn says_the_same(&self, other: &Self, is_asked: impl Fn(usize) -> bool) -> bool {
        let sid = |policy: &Self, at: usize| policy.policy.document.statements.get(at).map(|statement| statement.sid.clone());
        let most = self.statements.len().max(other.statements.len());
        self.policy.name == other.policy.name
            && (0..most).all(|at| match (self.statements.get(at), other.statements.get(at)) {
                (Some(one), Some(two)) if one == two => !is_asked(one.action) || sid(self, at) == sid(other, at),
                (one, two) => ![one, two].into_iter().flatten().any(|statement| is_asked(statement.action)),
            })
    }
}

impl CompiledBundle {
    /// The documents in which another bundle differs, each with the one that stands in its place there; `None` where the bundles
    /// differ by more.
    fn counterparts(&self, other: &Self, program: &Program) -> Option<Vec<(usize, usize)>> {
        let Self { identity, boundary, session, endpoint, resource, scps, rcps, .. } = self;
        let same = self.identity_opaque == other.identity_opaque
            && self.identity_own == other.identity_own
            && self.unlimited == other.unlimited
            && self.rcps_by_account == other.rcps_by_account
            && self.opaque == other.opaque;
        let mut lists = vec![(identity, &other.identity)];
        let layers = [(boundary, &other.boundary), (session, &other.session), (endpoint, &other.endpoint), (resource, &other.resource)];
        for layer in layers {
            match layer {
                (None, None) => {}
                (Some(one), Some(two)) => lists.push((one, two)),
                _ => return None,
            }
        }
        for layer in [(scps, &other.scps), (rcps, &other.rcps)] {
            match layer {
                (None, None) => {}
                (Some(one), Some(two)) if one.len() == two.len() => lists.extend(one.iter().zip(two)),
                _ => return None,
            }
        }
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for (one, two) in lists {
            if one.len() != two.len() {
                return None;
            }
            pairs.extend(one.iter().copied().zip(two.iter().copied()));
        }
        pairs.sort_unstable();
        pairs.dedup();
        // A policy may stand in several layers. One that has two counterparts has none that its statements could be named by.
        let policy = |id: usize| program.documents.get(id).map(|document| Arc::as_ptr(&document.policy).addr());
        let mut policies: Vec<_> = pairs.iter().map(|(one, two)| (policy(*one), policy(*two))).collect();
        policies.sort_unstable();
        policies.dedup();
        let is_clear = policies.windows(2).all(|pair| matches!(pair, [(one, _), (two, _)] if one != two));
        pairs.retain(|(one, two)| one != two);
        (same && is_clear).then_some(pairs)
    }
}

impl Program {
    /// The statement that stands in the place of one of a bundle, in a bundle that is [`Evaluator::alike`].
    pub fn counterpart(&self, statement: &DecidingStatement, counterparts: &[(usize, usize)]) -> DecidingStatement {
        let is_of = |id: usize| self.documents.get(id).is_some_and(|document| Arc::ptr_eq(&document.policy, &statement.policy));
        let other = counterparts.iter().find(|(one, _)| is_of(*one)).and_then(|(_, other)| self.documents.get(*other));
        match other {
            Some(other) => DecidingStatement { policy: Arc::clone(&other.policy), ..statement.clone() },
            None => statement.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::{Layers, ResourceState, Subject};
    use super::super::{Compiler, LayerKind};
    use super::*;
    use crate::account::{Bundle, Layer, Policy};
    use crate::iam::principal::Caller;
    use crate::iam::{PolicyType, parse};

    const READ: &str = r#"{"Sid": "Read", "Effect": "Allow", "Action": "workmail:Get*", "Resource": "*"}"#;
    const WRITE: &str = r#"{"Effect": "Allow", "Action": "workmail:Update*", "Resource": "*"}"#;

    fn policy(name: &str, statements: &[&str]) -> Arc<Policy> {
        let text = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(", "));
        Arc::new(Policy { name: name.to_owned(), file: None, document: parse::document(&text, PolicyType::Identity).unwrap() })
    }

    fn check(action: &str) -> Request {
        let subject = Subject {
            caller: Caller::default(),
            resource_account: None,
            opaque: Layers::NONE,
            rcps_act: false,
            no_permission: false,
            optional: false,
        };
        Request {
            action: ActionState::known(action),
            resource: ResourceState::from_text(Some("*")),
            subject: Arc::new(subject),
            context: Vec::new(),
        }
    }

    /// Whether bundles of such policies are alike for a call of `workmail:GetUser`.
    fn are_alike(one: &[Arc<Policy>], two: &[Arc<Policy>]) -> bool {
        let mut compiler = Compiler::new();
        let [one, two] = [one, two].map(|policies| compiler.bundle(&Bundle { identity: policies.to_vec(), ..Bundle::default() }));
        let program = compiler.finish();
        let mut evaluator = Evaluator::new(&program);
        assert!(evaluator.alike(&[check("workmail:GetUser")], one, one).is_some_and(|pairs| pairs.is_empty()));
        evaluator.alike(&[check("workmail:GetUser")], one, two).is_some()
    }

    #[test]
    fn bundles_are_alike_where_what_covers_the_action_is_the_same() {
        let own = policy("a", &[READ, WRITE]);
        let other = |name: &str, statements: &[&str]| {
            let other = [policy(name, statements)];
            let alike = are_alike(&[Arc::clone(&own)], &other);
            assert_eq!(alike, are_alike(&other, &[Arc::clone(&own)]));
            alike
        };
        assert!(other("a", &[READ, WRITE]));
        assert!(other("a", &[READ, &WRITE.replace("Update", "Delete")]) && other("a", &[READ]) && other("a", &[READ, WRITE, WRITE]));
        assert!(other("a", &[READ, &WRITE.replace("\"Effect\"", "\"Sid\": \"Write\", \"Effect\"")]));
        // Another name, place, Sid or content would stand in the reason, or make another one.
        assert!(!other("b", &[READ, WRITE]) && !other("a", &[WRITE, READ]) && !other("a", &[WRITE]));
        assert!(!other("a", &[&READ.replace("\"Read\"", "\"See\""), WRITE]));
        assert!(!other("a", &[READ, &WRITE.replace("workmail:Update*", "*")]) && !other("a", &[&READ.replace("Allow", "Deny"), WRITE]));
        assert!(!other("a", &[&READ.replace(r#""Resource": "*""#, r#""Resource": "arn:aws:workmail:*:*:organization/m-1""#), WRITE]));
        assert!(
            !are_alike(std::slice::from_ref(&own), &[]) && !are_alike(std::slice::from_ref(&own), &[Arc::clone(&own), Arc::clone(&own)])
        );
        // One document in two places, and two of its name on the other side: which of them a reason names is not told.
        assert!(!are_alike(&[Arc::clone(&own), Arc::clone(&own)], &[policy("a", &[READ]), policy("a", &[READ, WRITE])]));
    }

    #[test]
    fn bundles_that_differ_by_more_than_documents_are_not_alike() {
        let mut compiler = Compiler::new();
        let own = policy("a", &[READ]);
        let bundle = Bundle { identity: vec![Arc::clone(&own)], ..Bundle::default() };
        let differing = [
            Bundle { identity_own: true, ..bundle.clone() },
            Bundle { identity_opaque: Some("b".to_owned()), ..bundle.clone() },
            Bundle { scps_opaque: true, ..bundle.clone() },
            Bundle { scps: Some(vec![vec![own]]), ..bundle.clone() },
        ];
        let one = compiler.bundle(&bundle);
        let others = differing.map(|other| compiler.bundle(&other));
        let program = compiler.finish();
        let mut evaluator = Evaluator::new(&program);
        for other in others {
            assert!(
                other == one || evaluator.alike(&[check("workmail:GetUser")], one, other).is_none(),
                "{:?}",
                program.bundles.get(other)
            );
        }
    }

    #[test]
    fn a_policy_that_stays_in_one_layer_and_is_another_in_the_next_has_no_counterpart() {
        let (own, other) = (policy("a", &[READ, WRITE]), policy("a", &[READ]));
        let mut compiler = Compiler::new();
        let bundle = |identity: &Arc<Policy>, boundary: &Arc<Policy>| Bundle {
            identity: vec![Arc::clone(identity)],
            boundary: Layer::Policies(vec![Arc::clone(boundary)]),
            ..Bundle::default()
        };
        let [one, both, identity] =
            [bundle(&own, &own), bundle(&other, &other), bundle(&other, &own)].map(|bundle| compiler.bundle(&bundle));
        let program = compiler.finish();
        let mut evaluator = Evaluator::new(&program);
        assert!(evaluator.alike(&[check("workmail:GetUser")], one, both).is_some());
        assert!(evaluator.alike(&[check("workmail:GetUser")], one, identity).is_none());
    }

    #[test]
    fn the_counterpart_of_a_statement_is_one_of_the_other_document() {
        let (own, other) = (policy("a", &[READ, WRITE]), policy("a", &[READ]));
        let mut compiler = Compiler::new();
        let [one, two] = [&own, &other].map(|policy| compiler.bundle(&Bundle { identity: vec![Arc::clone(policy)], ..Bundle::default() }));
        let program = compiler.finish();
        let counterparts = Evaluator::new(&program).alike(&[check("workmail:GetUser")], one, two).unwrap();
        let statement = DecidingStatement { layer: LayerKind::Identity, policy: own, statement: 0 };
        assert!(Arc::ptr_eq(&program.counterpart(&statement, &counterparts).policy, &other));
        assert!(Arc::ptr_eq(&program.counterpart(&statement, &[]).policy, &statement.policy));
    }
}
