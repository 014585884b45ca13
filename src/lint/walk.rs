//! A document as its nodes: everything that can be read of it, also where the parser refuses the whole.

use crate::iam::Operator;
use crate::iam::json::{Kind, Node, Source};

/// A text with its place.
pub(super) struct Entry<'a> {
    pub(super) text: String,
    pub(super) node: Node<'a>,
}

/// A document.
pub(super) struct DocumentView<'a> {
    pub(super) version: Option<Entry<'a>>,
    pub(super) has_variables: bool,
    pub(super) statement: Option<Node<'a>>,
    pub(super) statements: Vec<StatementView<'a>>,
}

/// A statement.
pub(super) struct StatementView<'a> {
    pub(super) node: Node<'a>,
    pub(super) sid: Option<Entry<'a>>,
    pub(super) allow: bool,
    pub(super) has_principal: bool,
    pub(super) action: Option<ListView<'a>>,
    pub(super) resource: Option<ListView<'a>>,
    pub(super) conditions: Vec<ConditionView<'a>>,
}

/// `Action`, `Resource` or their complements.
pub(super) struct ListView<'a> {
    pub(super) negated: bool,
    pub(super) node: Node<'a>,
    pub(super) entries: Vec<Entry<'a>>,
    pub(super) nulls: Vec<Node<'a>>,
}

/// One operator and key of a `Condition`.
pub(super) struct ConditionView<'a> {
    pub(super) written_operator: String,
    pub(super) operator: Operator,
    pub(super) written_key: String,
    pub(super) key: String,
    pub(super) node: Node<'a>,
    pub(super) values: Vec<Entry<'a>>,
}

/// The members of an object; none of what is no object or has two members of one name.
fn members<'a>(source: &Source<'a>, node: &Node<'a>) -> Vec<(String, Node<'a>)> {
    let members = if node.kind() == Kind::Object { node.members(source).unwrap_or_default() } else { Vec::new() };
    members.into_iter().map(|(name, node)| (name.into_owned(), node)).collect()
}

/// The elements of a list; what is no list is a list of itself.
fn elements<'a>(source: &Source<'a>, node: &Node<'a>) -> Vec<Node<'a>> {
    if node.kind() == Kind::Array { node.elements(source).unwrap_or_default() } else { vec![node.clone()] }
}

/// Members and elements alike.
pub(super) fn children<'a>(source: &Source<'a>, node: &Node<'a>) -> Vec<Node<'a>> {
    match node.kind() {
        Kind::Object => members(source, node).into_iter().map(|(_, node)| node).collect(),
        Kind::Array => elements(source, node),
        _ => Vec::new(),
    }
}

/// A scalar as text.
fn entry<'a>(source: &Source<'a>, node: Node<'a>) -> Option<Entry<'a>> {
    let text = match node.kind() {
        Kind::String => node.string(source).ok()?,
        Kind::Number | Kind::Bool => node.text().to_owned(),
        _ => return None,
    };
    Some(Entry { text, node })
}

impl<'a> DocumentView<'a> {
    pub(super) fn read(source: &Source<'a>, node: &Node<'a>) -> Self {
        let mut view = Self { version: None, has_variables: false, statement: None, statements: Vec::new() };
        for (name, node) in members(source, node) {
            match name.as_str() {
                "Version" => view.version = entry(source, node),
                "Statement" => {
                    let objects = elements(source, &node).into_iter().filter(|node| node.kind() == Kind::Object);
                    view.statements = objects.map(|node| StatementView::read(source, node)).collect();
                    view.statement = Some(node);
                }
                _ => {}
            }
        }
        view.has_variables = view.version.as_ref().is_some_and(|version| version.text == "2012-10-17");
        view
    }
}

impl<'a> StatementView<'a> {
    fn read(source: &Source<'a>, node: Node<'a>) -> Self {
        let members = members(source, &node);
        let mut view = Self { node, sid: None, allow: false, has_principal: false, action: None, resource: None, conditions: Vec::new() };
        for (name, node) in members {
            match name.as_str() {
                "Sid" => view.sid = entry(source, node),
                "Effect" => view.allow = entry(source, node).is_some_and(|effect| effect.text == "Allow"),
                "Principal" | "NotPrincipal" => view.has_principal = true,
                "Action" | "NotAction" => view.action = Some(ListView::read(source, node, name == "NotAction")),
                "Resource" | "NotResource" => view.resource = Some(ListView::read(source, node, name == "NotResource")),
                "Condition" => view.conditions = conditions(source, &node),
                _ => {}
            }
        }
        view
    }
}

impl<'a> ListView<'a> {
    fn read(source: &Source<'a>, node: Node<'a>, negated: bool) -> Self {
        let (nulls, others): (Vec<_>, Vec<_>) = elements(source, &node).into_iter().partition(|node| node.kind() == Kind::Null);
        Self { negated, node, entries: others.into_iter().filter_map(|node| entry(source, node)).collect(), nulls }
    }
}

fn conditions<'a>(source: &Source<'a>, node: &Node<'a>) -> Vec<ConditionView<'a>> {
    let mut found = Vec::new();
    for (written_operator, block) in members(source, node) {
        let Some(operator) = Operator::parse(&written_operator) else { continue };
        for (written_key, node) in members(source, &block) {
            let values = elements(source, &node).into_iter().filter_map(|node| entry(source, node)).collect();
            let key = written_key.to_lowercase();
            found.push(ConditionView { written_operator: written_operator.clone(), operator, written_key, key, node, values });
        }
    }
    found
}
