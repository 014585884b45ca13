//! Intrinsic functions and conditions. What cannot be resolved stays in a text as a mark with its name, and becomes a policy
//! variable without a value where policies may have one: unknown, not wrong.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;

use super::value::{Node, Value};
use crate::account::deployment::Account;

/// Around the name of what is not known.
const BEGIN: char = '\u{f0000}';
const END: char = '\u{f0001}';

/// Functions are followed so far into one another.
const DEPTH: usize = 50;

/// Of a resource that the template makes: what `Ref` and `Fn::GetAtt` give.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Physical {
    /// `Ref`.
    pub(super) reference: Option<String>,
    /// `Fn::GetAtt X.Arn`.
    pub(super) arn: Option<String>,
}

/// What functions are resolved with.
pub(super) struct Scope<'t> {
    pub(super) template: &'t Value,
    pub(super) account: &'t Account,
    /// Values of parameters that were given, also of `AWS::Region` and its kin.
    pub(super) given: &'t BTreeMap<String, String>,
    /// By logical name.
    pub(super) physical: BTreeMap<String, Physical>,
    /// What conditions come to; one that is being worked out is not known.
    pub(super) conditions: RefCell<BTreeMap<String, Option<bool>>>,
    /// Of marks of what is not known, the texts that it may be.
    pub(super) may_be: RefCell<BTreeMap<String, BTreeSet<String>>>,
}

/// A text that stands for what is not known.
pub(super) fn unknown(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || ".:_-".contains(c) { c } else { '-' }).collect();
    format!("{BEGIN}{name}{END}")
}

/// Whether a text is wholly known.
pub(super) fn is_known(text: &str) -> bool {
    !text.contains(BEGIN)
}

/// The names of what a text does not tell.
pub(super) fn unknown_names(text: &str) -> impl Iterator<Item = &str> {
    text.split(BEGIN).skip(1).filter_map(|rest| rest.split(END).next())
}

/// A text with a star for each part that is not known.
pub(super) fn with_stars(text: &str) -> String {
    let mut parts = text.split(BEGIN);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + "*" + part.split_once(END).map_or("", |(_, rest)| rest))
}

/// A text as a policy has it: what is not known as a variable of its name, which no request has a value for. `None` where
/// a variable would say something else: variables act in the last part of an ARN alone. `is_arn` tells of which names it is
/// known that they are ARNs of something that is not a policy's or principal's.
pub(super) fn with_variables(text: &str, is_arn: impl Fn(&str) -> bool) -> Option<String> {
    let variable = |text: &str| text.replace(BEGIN, &format!("${{{}", crate::account::UNKNOWN_VARIABLE)).replace(END, "}");
    let before = text.split(BEGIN).next().unwrap_or_default();
    if before.starts_with("arn:") && before.matches(':').count() >= 5 {
        return Some(variable(text));
    }
    let first = text.strip_prefix(BEGIN)?.split(END).next()?;
    // The rest of it stands behind a whole ARN.
    is_arn(first).then(|| format!("arn:*:*:*:*:{}", variable(text)))
}

impl Scope<'_> {
    /// A value without functions.
    pub(super) fn resolve(&self, value: &Value) -> Value {
        self.resolve_to(value, 0)
    }

    fn resolve_to(&self, value: &Value, depth: usize) -> Value {
        let line = value.line;
        if depth > DEPTH {
            return Value::text(unknown("nested-too-deeply"), line);
        }
        if let Some((name, argument)) = value.function().filter(|(name, _)| *name != "Condition") {
            return self.call(name, argument, line, depth + 1);
        }
        let resolve = |value: &Value| self.resolve_to(value, depth + 1);
        let node = match &value.node {
            Node::List(elements) => Node::List(elements.iter().map(resolve).filter(|value| value.node != Node::Nothing).collect()),
            Node::Map(members) => {
                let members = members.iter().map(|(name, value)| match name.starts_with("Fn::") {
                    // A function beside other members: what it adds is not known.
                    true => (name.clone(), Value::text(unknown(name.trim_start_matches("Fn::")), value.line)),
                    false => (name.clone(), resolve(value)),
                });
                Node::Map(members.filter(|(_, value)| value.node != Node::Nothing).collect())
            }
            Node::Text(text, quoted) if text.contains("{{resolve:") => Node::Text(dynamic(text), *quoted),
            other => other.clone(),
        };
        Value { node, line }
    }

    fn call(&self, name: &str, argument: &Value, line: usize, depth: usize) -> Value {
        let resolve = |value: &Value| self.resolve_to(value, depth);
        // The texts among which it chooses; each argument is resolved once, however deep functions stand in one another.
        let mut texts = BTreeSet::new();
        let known = match name {
            "Ref" => argument.as_text().map(|name| self.reference(name, line)),
            "Fn::GetAtt" => self.attribute(argument).map(|text| Value::text(text, line)),
            "Fn::Sub" => self.substitute(argument, depth).map(|text| Value::text(text, line)),
            "Fn::Join" => self.join(argument, depth).map(|text| Value::text(text, line)),
            "Fn::Select" => self.select(argument, depth, &mut texts),
            "Fn::Split" => self.split(argument, line, depth),
            "Fn::FindInMap" => self.find_in_map(argument, depth),
            "Fn::If" => match argument.elements() {
                [condition, yes, no] => match condition.as_text().and_then(|name| self.condition(name, depth)) {
                    Some(true) => Some(resolve(yes)),
                    Some(false) => Some(resolve(no)),
                    None => {
                        let (yes, no) = (resolve(yes), resolve(no));
                        [&yes, &no].into_iter().for_each(|value| self.texts(value, &mut texts));
                        same(&yes, &no).then_some(yes)
                    }
                },
                _ => None,
            },
            _ => None,
        };
        known.unwrap_or_else(|| {
            let hint = match (name, argument.elements().first().and_then(Value::as_text)) {
                ("Fn::If", Some(condition)) => format!("If:{condition}"),
                (_, Some(text)) => format!("{}:{}", name.trim_start_matches("Fn::"), text.chars().take(40).collect::<String>()),
                _ => name.trim_start_matches("Fn::").to_owned(),
            };
            // Equal marks are taken for equal values: the same expression at the same place alone.
            let place = foldhash::fast::FixedState::with_seed(0).hash_one(format!("{argument:?}")) & 0xffff_ffff;
            let mark = unknown(&format!("{hint}-{place:08x}"));
            if name == "Fn::FindInMap" {
                self.mapped(argument, &mut texts);
            }
            self.may_be.borrow_mut().insert(mark.clone(), texts);
            Value::text(mark, line)
        })
    }

    /// The texts of a map, or of all if it is not known which.
    fn mapped(&self, argument: &Value, texts: &mut BTreeSet<String>) {
        let maps = self.template.get("Mappings");
        let map = argument.elements().first().and_then(Value::as_text).and_then(|name| maps?.get(name));
        map.or(maps).into_iter().for_each(|map| self.texts(map, texts));
    }

    /// All texts in a value, and what those may be that are not known.
    fn texts(&self, value: &Value, texts: &mut BTreeSet<String>) {
        match &value.node {
            Node::Text(text, _) if is_known(text) => {
                texts.insert(text.clone());
            }
            Node::Text(mark, _) => texts.extend(self.may_be.borrow().get(mark).into_iter().flatten().cloned()),
            Node::List(elements) => elements.iter().for_each(|value| self.texts(value, texts)),
            Node::Map(members) => members.iter().for_each(|(_, value)| self.texts(value, texts)),
            Node::Nothing => {}
        }
    }

    /// What `Ref` gives.
    fn reference(&self, name: &str, line: usize) -> Value {
        let text = |text: String| Value::text(text, line);
        if name == "AWS::NoValue" {
            return Value { node: Node::Nothing, line };
        }
        if let Some(value) = self.pseudo(name) {
            return text(value);
        }
        if let Some(parameter) = self.template.get("Parameters").and_then(|all| all.get(name)) {
            return match self.parameter(name, parameter) {
                Some(value) if is_list(parameter) => {
                    Value { node: Node::List(value.split(',').map(|one| Value::text(one.trim(), line)).collect()), line }
                }
                Some(value) => text(value),
                None => {
                    let mark = unknown(&self.told_apart(name));
                    let mut allowed = BTreeSet::new();
                    parameter.get("AllowedValues").into_iter().for_each(|values| self.texts(values, &mut allowed));
                    self.may_be.borrow_mut().insert(mark.clone(), allowed);
                    text(mark)
                }
            };
        }
        let physical = self.physical.get(name).and_then(|physical| physical.reference.clone());
        text(physical.unwrap_or_else(|| unknown(&self.told_apart(name))))
    }

    /// A name, told apart from those that differ from it in letter case: policies do not.
    pub(super) fn told_apart(&self, name: &str) -> String {
        let sections = ["Parameters", "Resources"].into_iter().filter_map(|section| self.template.get(section));
        let alike: Vec<&String> =
            sections.flat_map(Value::members).map(|(known, _)| known).filter(|known| known.eq_ignore_ascii_case(name)).collect();
        match alike.iter().position(|known| *known == name) {
            Some(at) if alike.len() > 1 => format!("{name}-{at}"),
            _ => name.to_owned(),
        }
    }

    /// A pseudo parameter; `None` if it is none.
    fn pseudo(&self, name: &str) -> Option<String> {
        if !name.starts_with("AWS::") {
            return None;
        }
        if let Some(given) = self.given.get(name) {
            return Some(given.clone());
        }
        Some(match name {
            "AWS::AccountId" => self.account.id.clone(),
            "AWS::Partition" => self.account.partition.clone(),
            "AWS::URLSuffix" if self.account.partition == "aws" => "amazonaws.com".to_owned(),
            _ => unknown(name),
        })
    }

    /// The value of a parameter: as given, or its default. Of a parameter of Systems Manager both are its name.
    fn parameter(&self, name: &str, parameter: &Value) -> Option<String> {
        if parameter.get("Type").and_then(Value::as_text).is_some_and(|kind| kind.starts_with("AWS::SSM::")) {
            return None;
        }
        if let Some(given) = self.given.get(name) {
            return Some(given.clone());
        }
        parameter.get("Default").map(|default| default.as_text().unwrap_or_default().to_owned())
    }

    fn attribute(&self, argument: &Value) -> Option<String> {
        let (name, attribute) = match argument.elements() {
            [one] => one.as_text()?.split_once('.')?,
            [name, attribute] => (name.as_text()?, attribute.as_text()?),
            _ => return None,
        };
        Some(self.attribute_of(name, attribute))
    }

    fn attribute_of(&self, name: &str, attribute: &str) -> String {
        let physical = self.physical.get(name).filter(|_| matches!(attribute, "Arn" | "PolicyArn"));
        physical.and_then(|physical| physical.arn.clone()).unwrap_or_else(|| unknown(&format!("{}.{attribute}", self.told_apart(name))))
    }

    fn substitute(&self, argument: &Value, depth: usize) -> Option<String> {
        let (text, own) = match argument.elements() {
            [text, own] => (text.as_text()?, Some(own)),
            [text] => (text.as_text()?, None),
            _ => return None,
        };
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let (name, after) = after.split_once('}')?;
            rest = after;
            let own = own.and_then(|own| own.get(name.trim()));
            match (name.strip_prefix('!'), own) {
                (Some(literal), _) => out.push_str(&format!("${{{literal}}}")),
                (None, Some(value)) => out.push_str(self.resolve_to(value, depth).as_text().unwrap_or(&unknown(name.trim()))),
                (None, None) => match name.trim().split_once('.') {
                    Some((resource, attribute)) => out.push_str(&self.attribute_of(resource, attribute)),
                    None => out.push_str(self.reference(name.trim(), 0).as_text().unwrap_or(&unknown(name.trim()))),
                },
            }
        }
        out.push_str(rest);
        Some(dynamic(&out))
    }

    fn join(&self, argument: &Value, depth: usize) -> Option<String> {
        let [separator, list] = argument.elements() else { return None };
        let list = self.resolve_to(list, depth);
        // One text in the place of a list is not a list of which all is known.
        if list.as_text().is_some_and(|text| !is_known(text)) {
            return None;
        }
        let texts = list.elements().iter().map(|value| value.as_text().map(str::to_owned)).collect::<Option<Vec<_>>>()?;
        Some(dynamic(&texts.join(separator.as_text().unwrap_or_default())))
    }

    fn select(&self, argument: &Value, depth: usize, texts: &mut BTreeSet<String>) -> Option<Value> {
        let [index, list] = argument.elements() else { return None };
        let list = self.resolve_to(list, depth);
        self.texts(&list, texts);
        let index: usize = self.resolve_to(index, depth).as_text()?.parse().ok()?;
        let Node::List(elements) = list.node else { return None };
        // What is not known may be no element at all.
        let known = |value: &Value| value.as_text().is_none_or(is_known);
        elements.get(..=index).filter(|elements| elements.iter().all(known))?.last().cloned()
    }

    fn split(&self, argument: &Value, line: usize, depth: usize) -> Option<Value> {
        let [separator, text] = argument.elements() else { return None };
        let text = self.resolve_to(text, depth);
        let (separator, text) = (separator.as_text().filter(|text| !text.is_empty())?, text.as_text().filter(|text| is_known(text))?);
        Some(Value { node: Node::List(text.split(separator).map(|part| Value::text(part, line)).collect()), line })
    }

    fn find_in_map(&self, argument: &Value, depth: usize) -> Option<Value> {
        let names = argument.elements().iter().take(3).map(|name| self.resolve_to(name, depth)).collect::<Vec<_>>();
        let [map, first, second] = names.as_slice() else { return None };
        let map = self.template.get("Mappings")?.get(map.as_text()?)?;
        let found = map.get(first.as_text()?).and_then(|map| map.get(second.as_text()?));
        let default = argument.elements().get(3).and_then(|options| options.get("DefaultValue"));
        let known = [first, second].into_iter().all(|name| name.as_text().is_some_and(is_known));
        found.or(default.filter(|_| known)).map(|value| self.resolve_to(value, depth))
    }

    /// Whether a condition holds; `None` if that is not known.
    pub(super) fn condition(&self, name: &str, depth: usize) -> Option<bool> {
        if let Some(known) = self.conditions.borrow().get(name) {
            return *known;
        }
        let written = self.template.get("Conditions")?.get(name)?;
        self.conditions.borrow_mut().insert(name.to_owned(), None);
        let holds = self.holds(written, depth + 1);
        self.conditions.borrow_mut().insert(name.to_owned(), holds);
        holds
    }

    fn holds(&self, value: &Value, depth: usize) -> Option<bool> {
        if depth > DEPTH {
            return None;
        }
        let (name, argument) = value.function()?;
        let all = || argument.elements().iter().map(|value| self.holds(value, depth + 1)).collect::<Vec<_>>();
        // One that settles it, else all of them.
        let joined = |settles: bool| match all() {
            all if all.contains(&Some(settles)) => Some(settles),
            all => all.iter().all(|holds| *holds == Some(!settles)).then_some(!settles),
        };
        match name {
            "Condition" => self.condition(argument.as_text()?, depth),
            "Fn::Not" => (*all().first()?).map(|holds| !holds),
            "Fn::And" => joined(false),
            "Fn::Or" => joined(true),
            "Fn::Equals" => {
                let [a, b] = argument.elements() else { return None };
                let [a, b] = [a, b].map(|value| self.resolve_to(value, depth + 1));
                // An empty text in quotes is a value.
                let text =
                    |value: &Value| if value.node == Node::Nothing { Some(String::new()) } else { value.as_text().map(str::to_owned) };
                let (a, b) = (text(&a)?, text(&b)?);
                let is_truth = |text: &str| ["true", "false"].iter().any(|truth| truth.eq_ignore_ascii_case(text));
                let equal = a == b || (is_truth(&a) && is_truth(&b) && a.eq_ignore_ascii_case(&b));
                (is_known(&a) && is_known(&b)).then_some(equal)
            }
            _ => None,
        }
    }
}

/// Whether the value of a parameter is a list.
fn is_list(parameter: &Value) -> bool {
    let kind = parameter.get("Type").and_then(Value::as_text).unwrap_or_default();
    kind.contains("CommaDelimitedList") || kind.contains("List<")
}

/// References to values that are stored elsewhere are not known.
fn dynamic(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{{resolve:") {
        let Some((inner, after)) = after.split_once("}}") else { break };
        out.push_str(before);
        out.push_str(&unknown(&format!("resolve:{inner}")));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Whether two values say the same, wherever they stand.
fn same(a: &Value, b: &Value) -> bool {
    match (&a.node, &b.node) {
        (Node::List(a), Node::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Node::Map(a), Node::Map(b)) => a.len() == b.len() && a.iter().zip(b).all(|((m, a), (n, b))| m == n && same(a, b)),
        (Node::Text(a, _), Node::Text(b, _)) => a == b && is_known(a),
        (Node::Nothing, Node::Nothing) => true,
        _ => false,
    }
}
