//! Policy documents to a [`Program`]: statements with their patterns compiled, condition entries interned by key.
//!
//! One program holds every bundle of the baseline and of all candidates, so that an entry that stands in both is one
//! question with one answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::domain::{KeyShape, Question};
use super::program::{
    ActionElement, Atom, AtomId, AtomKind, BundleId, CompiledBundle, CompiledLevels, CompiledPolicy, CompiledRcps, CompiledStatement, Key,
    KeyId, Program, ResourcePattern,
};
use super::request::{LayerKind, Layers};
use super::scope::{Scope, unscoped};
use crate::account::{AccountRcps, Bundle, Layer, Levels, Policy};
use crate::catalog;
use crate::iam::action::ActionPattern;
use crate::iam::condition::{Base, Matcher, Operator, Piece, Test};
use crate::iam::document::{Condition, Element, PolicyType, Statement, Version};
use crate::iam::pattern::{Pattern, Token, arn_tokens, glob_tokens, short_arn_tokens};
use crate::iam::variable::{Part, Template};

/// Builds a [`Program`].
#[derive(Debug, Default)]
pub struct Compiler {
    program: Program,
    action_ids: HashMap<ActionElement, usize>,
    /// The last is the policy set of whose keys the values take the value.
    atom_ids: HashMap<(Operator, KeyId, Vec<String>, Version, usize), AtomId>,
    document_ids: HashMap<(usize, PolicyType, Scope), usize>,
    bundle_ids: HashMap<BundleKey, BundleId>,
    /// The tables of resource control policies, in the order of the program's, with the scopes that they were compiled in.
    tables: Vec<(Arc<AccountRcps>, Scope)>,
    declared_lists: Option<Vec<String>>,
    /// Of the bundle at hand.
    scope: Scope,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct BundleKey {
    layers: Vec<Option<Vec<Vec<usize>>>>,
    rcps_by_account: Option<usize>,
    opaque: Layers,
    identity_opaque: bool,
    identity_own: bool,
    unlimited: bool,
}

impl Compiler {
    /// An empty one, for a log: a key that AWS does not document may be a list where policies use set operators.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one, with all keys that are lists named (in lower case) beyond those that AWS documents.
    pub fn with_lists(lists: Vec<String>) -> Self {
        Self { declared_lists: Some(lists), ..Self::default() }
    }

    /// Adds a bundle; equal bundles get the same id.
    pub fn bundle(&mut self, bundle: &Bundle) -> BundleId {
        self.bundle_in(bundle, Scope::default())
    }

    /// Adds a bundle that asks of some keys as keys of its own policy set.
    pub fn bundle_in(&mut self, bundle: &Bundle, scope: Scope) -> BundleId {
        self.scope = scope;
        self.add(bundle)
    }

    fn add(&mut self, bundle: &Bundle) -> BundleId {
        let mut opaque = Layers::NONE;
        let mut layer = |this: &mut Self, layer: &Layer, kind: LayerKind, policy_type: PolicyType| match layer {
            Layer::Absent => None,
            Layer::Opaque(_) => {
                opaque = if kind == LayerKind::Boundary && bundle.boundary_own { opaque.with_own(kind) } else { opaque.with(kind) };
                None
            }
            Layer::Policies(policies) => Some(this.policies(policies, policy_type)),
        };
        let boundary = layer(self, &bundle.boundary, LayerKind::Boundary, PolicyType::Boundary);
        let session = layer(self, &bundle.session, LayerKind::Session, PolicyType::Session);
        let endpoint = layer(self, &bundle.endpoint, LayerKind::Endpoint, PolicyType::Endpoint);
        let resource = layer(self, &bundle.resource, LayerKind::Resource, PolicyType::Resource);
        if bundle.scps_opaque {
            opaque = if bundle.scps_own { opaque.with_own(LayerKind::Scp) } else { opaque.with(LayerKind::Scp) };
        }
        let scps = bundle.scps.as_ref().map(|levels| self.levels(levels, PolicyType::Scp));
        let rcps = bundle.rcps.as_ref().map(|levels| self.levels(levels, PolicyType::Rcp));
        let rcps_by_account = bundle.rcps_by_account.as_ref().map(|table| self.table(table));
        let identity = self.policies(&bundle.identity, PolicyType::Identity);
        let one = |documents: &Option<Vec<usize>>| documents.as_ref().map(|d| vec![d.clone()]);
        let key = BundleKey {
            layers: vec![
                Some(vec![identity.clone()]),
                one(&boundary),
                one(&session),
                one(&endpoint),
                one(&resource),
                scps.clone(),
                rcps.clone(),
            ],
            rcps_by_account,
            opaque,
            identity_opaque: bundle.identity_opaque.is_some(),
            identity_own: bundle.identity_own,
            unlimited: bundle.unlimited,
        };
        if let Some(id) = self.bundle_ids.get(&key) {
            return *id;
        }
        let of_table = rcps_by_account.and_then(|table| self.program.rcp_tables.get(table)).into_iter().flat_map(|table| &table.documents);
        let keys = self.keys_of(key.layers.iter().flatten().flatten().flatten().chain(of_table).copied());
        let compiled = CompiledBundle {
            identity,
            identity_opaque: bundle.identity_opaque.is_some(),
            identity_own: bundle.identity_own,
            unlimited: bundle.unlimited,
            boundary,
            session,
            endpoint,
            resource,
            scps,
            rcps,
            rcps_by_account,
            opaque,
            keys,
        };
        let id = self.program.bundles.len();
        self.program.bundles.push(compiled);
        *self.bundle_ids.entry(key).or_insert(id)
    }

    /// The finished program.
    pub fn finish(self) -> Program {
        self.program
    }

    /// The index of a table of resource control policies; equal ones get the same.
    fn table(&mut self, table: &Arc<AccountRcps>) -> usize {
        let scope = self.scope;
        let same = self.tables.iter().position(|(known, of)| *of == scope && Arc::ptr_eq(known, table));
        if let Some(at) = same.or_else(|| self.tables.iter().position(|(known, of)| *of == scope && known == table)) {
            return at;
        }
        let mut compile =
            |levels: &Levels| CompiledLevels { levels: self.levels(&levels.policies, PolicyType::Rcp), opaque: levels.opaque };
        let accounts: BTreeMap<_, _> = table.accounts.iter().map(|(account, levels)| (account.clone(), compile(levels))).collect();
        let otherwise = compile(&table.otherwise);
        let documents: BTreeSet<usize> =
            accounts.values().chain([&otherwise]).flat_map(|levels| &levels.levels).flatten().copied().collect();
        self.program.rcp_tables.push(CompiledRcps { accounts, otherwise, documents: documents.into_iter().collect() });
        self.tables.push((Arc::clone(table), scope));
        self.tables.len() - 1
    }

    fn levels(&mut self, levels: &[Vec<Arc<Policy>>], policy_type: PolicyType) -> Vec<Vec<usize>> {
        levels.iter().map(|level| self.policies(level, policy_type)).collect()
    }

    fn policies(&mut self, policies: &[Arc<Policy>], policy_type: PolicyType) -> Vec<usize> {
        policies.iter().map(|policy| self.policy(policy, policy_type)).collect()
    }

    fn policy(&mut self, policy: &Arc<Policy>, policy_type: PolicyType) -> usize {
        let scope = self.scope.of(policy);
        let identity = (Arc::as_ptr(policy) as usize, policy_type, scope);
        if let Some(id) = self.document_ids.get(&identity) {
            return *id;
        }
        let version = policy.document.version;
        let outer = std::mem::replace(&mut self.scope, scope);
        let statements: Vec<_> = policy.document.statements.iter().map(|s| self.statement(s, version, policy_type)).collect();
        self.scope = outer;
        let actions = statements.iter().map(|statement| statement.action).collect();
        let id = self.program.documents.len();
        self.program.documents.push(CompiledPolicy { policy: Arc::clone(policy), statements, actions });
        self.document_ids.insert(identity, id);
        id
    }

    fn statement(&mut self, statement: &Statement, version: Version, policy_type: PolicyType) -> CompiledStatement {
        let scope = self.scope;
        let pattern = |text: &String| match ResourcePattern::new(text, version, policy_type) {
            ResourcePattern::Template { head, tail } => ResourcePattern::Template { head, tail: scope.template(tail) },
            other => other,
        };
        let resource = |element: &Element| element.patterns.iter().map(pattern).collect();
        let resources: Option<Vec<ResourcePattern>> = statement.resource.as_ref().map(resource);
        for pattern in resources.iter().flatten() {
            if let ResourcePattern::Template { tail, .. } = pattern {
                self.by_value(tail);
            }
        }
        CompiledStatement {
            effect: statement.effect,
            principal: statement.principal.clone(),
            action: self.action_element(&statement.action),
            not_resource: statement.resource.as_ref().is_some_and(|element| element.negated),
            resources,
            atoms: statement.conditions.iter().map(|condition| self.atom(condition, version)).collect(),
        }
    }

    fn action_element(&mut self, element: &Element) -> usize {
        let patterns = element.patterns.iter().map(|text| ActionPattern::new(text)).collect();
        let element = ActionElement { negated: element.negated, patterns };
        if let Some(id) = self.action_ids.get(&element) {
            return *id;
        }
        let id = self.program.actions.len();
        self.program.actions.push(element.clone());
        self.action_ids.insert(element, id);
        id
    }

    fn atom(&mut self, condition: &Condition, version: Version) -> AtomId {
        let scope = self.scope;
        let key = self.key(&scope.name(&condition.key), &condition.written_key);
        let base = condition.operator.base;
        let variables = version == Version::V2012 && base.takes_variables();
        let template = |value: &String| if variables { scope.template(Template::parse(value)) } else { Template::literal(value) };
        let templates: Vec<Template> = condition.values.iter().map(template).collect();
        let of_set = templates.iter().flat_map(Template::keys).map(|name| unscoped(name).1).max().unwrap_or_default();
        let identity = (condition.operator, key, condition.values.clone(), version, of_set);
        if let Some(id) = self.atom_ids.get(&identity) {
            return *id;
        }
        let id = self.program.atoms.len();
        let kind = if templates.iter().any(Template::has_variables) {
            templates.iter().for_each(|template| self.by_value(template));
            self.mark_by_value(key);
            AtomKind::Templates(templates)
        } else {
            let matchers = templates.iter().map(|template| Matcher::new(base, &fixed_pieces(template, base))).collect();
            let question = Question::Test(Test { operator: condition.operator, matchers });
            let slot = self.program.keys.get(key).map_or(0, |key| key.tests.len());
            if let Some(key) = self.program.keys.get_mut(key) {
                key.tests.push(id);
            }
            AtomKind::Fixed { slot, question }
        };
        self.program.atoms.push(Atom { key, operator: condition.operator, written: condition.values.clone(), kind });
        self.atom_ids.insert(identity, id);
        id
    }

    fn by_value(&mut self, template: &Template) {
        for name in template.keys() {
            let key = self.key(name, unscoped(name).0);
            self.mark_by_value(key);
        }
    }

    fn mark_by_value(&mut self, key: KeyId) {
        if let Some(key) = self.program.keys.get_mut(key) {
            key.by_value = true;
        }
    }

    fn key(&mut self, name: &str, written: &str) -> KeyId {
        if let Some(id) = self.program.key_id(name) {
            return id;
        }
        let (documented, _) = unscoped(name);
        let known = catalog::key(documented);
        let listed = self.declared_lists.iter().flatten().any(|list| list == documented);
        let shape = KeyShape {
            multivalued: known.as_ref().is_some_and(|key| key.multivalued) || listed,
            may_be_empty: known.as_ref().is_some_and(|key| key.tag),
            undeclared: known.is_none() && self.declared_lists.is_none(),
        };
        let id = self.program.keys.len();
        let display = known.map_or_else(|| written.to_owned(), |key| key.display(written));
        self.program.keys.push(Key { name: name.to_owned(), display, shape, tests: Vec::new(), by_value: false });
        self.program.key_ids.insert(name.to_owned(), id);
        id
    }

    fn keys_of(&self, documents: impl Iterator<Item = usize>) -> Vec<KeyId> {
        let mut keys = Vec::new();
        for statement in documents.filter_map(|id| self.program.documents.get(id)).flat_map(|document| &document.statements) {
            for atom in statement.atoms.iter().filter_map(|atom| self.program.atoms.get(*atom)) {
                keys.push(atom.key);
                if let AtomKind::Templates(templates) = &atom.kind {
                    keys.extend(templates.iter().flat_map(Template::keys).filter_map(|name| self.program.key_id(name)));
                }
            }
            for pattern in statement.resources.iter().flatten() {
                if let ResourcePattern::Template { tail, .. } = pattern {
                    keys.extend(tail.keys().filter_map(|name| self.program.key_id(name)));
                }
            }
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

fn fixed_pieces(template: &Template, base: Base) -> Vec<Piece> {
    let piece = |part: &Part| match part {
        Part::Text(text) => Piece { text: text.clone(), literal: !base.takes_wildcards() },
        Part::Literal(character) => Piece { text: character.to_string(), literal: true },
        Part::Variable { .. } => Piece { text: String::new(), literal: true },
    };
    template.parts.iter().map(piece).collect()
}

impl ResourcePattern {
    /// Compiles a `Resource` text: stars, an ARN, or a short ARN, which is padded by policy type (`A-SHORTARN`).
    fn new(text: &str, version: Version, policy_type: PolicyType) -> Self {
        if !text.is_empty() && text.bytes().all(|b| b == b'*') {
            return Self::Everything;
        }
        let missing = 5usize.saturating_sub(text.matches(':').count());
        let padded = match policy_type {
            PolicyType::Identity | PolicyType::Boundary | PolicyType::Session => true,
            PolicyType::Resource | PolicyType::Endpoint => text.contains('*'),
            PolicyType::Scp => text.ends_with('*'),
            PolicyType::Rcp => false,
        };
        let text = if padded { text.to_owned() + &":*".repeat(missing) } else { text.to_owned() };
        let Some((head, tail)) = arn_tokens(&text) else {
            return Self::Fixed(Arc::new(Pattern::from_tokens(short_arn_tokens(&text))));
        };
        let template = if version == Version::V2012 { Template::parse(tail) } else { Template::literal(tail) };
        if template.has_variables() {
            return Self::Template { head, tail: template };
        }
        let mut tokens = head;
        for part in &template.parts {
            match part {
                Part::Text(text) => tokens.extend(glob_tokens(text, true)),
                Part::Literal(character) => tokens.push(Token::Char(*character)),
                Part::Variable { .. } => {}
            }
        }
        Self::Fixed(Arc::new(Pattern::from_tokens(tokens)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, policy_type: PolicyType, arn: &str) -> bool {
        match ResourcePattern::new(pattern, Version::V2012, policy_type) {
            ResourcePattern::Everything => true,
            ResourcePattern::Fixed(pattern) => pattern.matches(arn),
            _ => false,
        }
    }

    #[test]
    fn segments_keep_their_wildcards_except_at_the_end() {
        let lambda = "arn:aws:lambda:us-east-1:111122223333:function:prod";
        assert!(matches("arn:aws:lambda:*:function:prod", PolicyType::Identity, lambda));
        assert!(!matches("arn:aws:sqs:us-*-1:q", PolicyType::Identity, "arn:aws:sqs:us-east-1:111122223333:q"));
        assert!(matches("arn:aws:workmail:*", PolicyType::Identity, "arn:aws:workmail:eu-west-1:1:organization/m-1"));
        assert!(matches("arn:aws:ec2:us-east-1:1:*/*", PolicyType::Identity, "arn:aws:ec2:us-east-1:1:instance/i-1"));
    }

    #[test]
    fn short_texts_are_padded_by_policy_type() {
        let bucket = "arn:aws:s3:::bucket";
        assert!(matches("arn:aws:s3", PolicyType::Identity, bucket));
        assert!(!matches("arn:aws:s3", PolicyType::Scp, bucket) && matches("arn:aws:s3:*", PolicyType::Scp, bucket));
        // Unpadded, a star at the end still runs over colons.
        assert!(matches("arn:aws:s3:*", PolicyType::Rcp, bucket) && !matches("arn:aws:s3", PolicyType::Rcp, bucket));
    }
}
