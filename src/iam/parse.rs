//! Reads a policy document. A document that cannot be given one meaning is refused, never half-loaded.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::condition::Operator;
use super::document::{Condition, Effect, Element, PolicyDocument, PolicyType, Statement, Version};
use super::json::{Kind, Node, Source};
use super::principal::{PrincipalElement, PrincipalEntry};
use crate::error::PolicyError;

type Parsed<T> = Result<T, PolicyError>;
type Member<'a> = (Cow<'a, str>, Node<'a>);

const DOCUMENT_ELEMENTS: [&str; 3] = ["Version", "Id", "Statement"];
const STATEMENT_ELEMENTS: [&str; 9] =
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/// Parses a whole text as a policy document. Percent-encoded text, as the IAM API returns it, is decoded first.
///
/// # Errors
/// [`PolicyError`] with the place of the first thing that cannot be given one meaning.
///
/// ```
/// use retrial::iam::{parse, PolicyType};
/// let document = parse::document(r#"{"Statement": {"Effect": "Allow", "Action": "workmail:List*", "Resource": "*"}}"#, PolicyType::Identity)?;
/// assert_eq!(document.statements.len(), 1);
/// # Ok::<(), retrial::error::PolicyError>(())
/// ```
pub fn document(text: &str, policy_type: PolicyType) -> Parsed<PolicyDocument> {
    let text = decode(text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let source = Source::new(text);
    let root = source.root()?;
    node(&source, &root, policy_type)
}

/// Percent-decodes text that begins as an encoded object does.
pub fn decode(text: &str) -> Cow<'_, str> {
    let encoded = text.trim_start().get(..3).is_some_and(|start| start.eq_ignore_ascii_case("%7B"));
    if encoded { percent_decode_str(text).decode_utf8_lossy() } else { Cow::Borrowed(text) }
}

/// Parses a document that stands inside a larger text: an object there, or a string that holds one.
pub fn embedded(source: &Source<'_>, node_: &Node<'_>, policy_type: PolicyType) -> Parsed<PolicyDocument> {
    match node_.kind() {
        Kind::Object => node(source, node_, policy_type),
        Kind::String => document(&node_.string(source)?, policy_type).map_err(|inner| {
            let message = format!("in the policy text of this string, line {} column {}: {}", inner.line, inner.column, inner.message);
            source.error(node_, message, inner.help.as_deref())
        }),
        other => {
            let help = "write the document itself, or a string that holds it";
            Err(source.error(node_, format!("a policy document is an object or a string, not {other}"), Some(help)))
        }
    }
}

/// Everything for which the document that is `root` is refused: the first reason, then those of its other statements.
pub fn errors(source: &Source<'_>, root: &Node<'_>, policy_type: PolicyType) -> Vec<PolicyError> {
    let Err(first) = node(source, root, policy_type) else { return Vec::new() };
    let mut errors = vec![first];
    let members = root.members(source).unwrap_or_default();
    let statements = find(&members, "Statement").filter(|node| node.kind() == Kind::Array);
    for statement_ in statements.and_then(|node| node.elements(source).ok()).unwrap_or_default() {
        let error = statement(source, &statement_, policy_type).err();
        errors.extend(error.filter(|error| errors.first() != Some(error)));
    }
    errors
}

pub(crate) fn node<'a>(source: &Source<'a>, root: &Node<'a>, policy_type: PolicyType) -> Parsed<PolicyDocument> {
    if root.kind() == Kind::Array {
        let help = "write one document; a file holds one, so give each a file of its own";
        return Err(source.error(root, "a policy document is an object, not an array", Some(help)));
    }
    expect(source, root, Kind::Object, "a policy document")?;
    let members = root.members(source)?;
    known_elements(source, &members, &DOCUMENT_ELEMENTS, "a policy document")?;
    let version = match find(&members, "Version") {
        None => Version::V2008,
        Some(node) => match text(source, node, "Version")?.as_str() {
            "2012-10-17" => Version::V2012,
            "2008-10-17" => Version::V2008,
            other => return Err(source.error(node, format!("unknown `Version` `{other}`"), Some("write \"2012-10-17\""))),
        },
    };
    let id = find(&members, "Id").map(|node| text(source, node, "Id")).transpose()?;
    let Some(statements) = find(&members, "Statement") else {
        return Err(source.error(root, "`Statement` is missing", Some("a policy document is {\"Version\": ..., \"Statement\": [...]}")));
    };
    let nodes = match statements.kind() {
        Kind::Object => vec![statements.clone()],
        Kind::Array => statements.elements(source)?,
        other => {
            let message = format!("`Statement` is an object or an array of objects, not {other}");
            return Err(source.error(statements, message, Some("write \"Statement\": [{...}]")));
        }
    };
    let statements = nodes.iter().map(|node| statement(source, node, policy_type)).collect::<Parsed<Vec<_>>>()?;
    Ok(PolicyDocument { version, id, statements })
}

fn statement<'a>(source: &Source<'a>, node: &Node<'a>, policy_type: PolicyType) -> Parsed<Statement> {
    expect(source, node, Kind::Object, "a statement")?;
    let members = node.members(source)?;
    known_elements(source, &members, &STATEMENT_ELEMENTS, "a statement")?;
    let effect = match find(&members, "Effect") {
        None => return Err(source.error(node, "`Effect` is missing", Some("write \"Effect\": \"Allow\" or \"Deny\""))),
        Some(node) => match text(source, node, "Effect")?.as_str() {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            other => {
                return Err(source.error(
                    node,
                    format!("unknown `Effect` `{other}`"),
                    Some("it is \"Allow\" or \"Deny\", in this case of letters"),
                ));
            }
        },
    };
    let Some(action) = element(source, &members, "Action", "NotAction")? else {
        return Err(source.error(node, "`Action` is missing", Some("a statement has `Action` or `NotAction`")));
    };
    let resource = element(source, &members, "Resource", "NotResource")?;
    let needs_resource = !matches!(policy_type, PolicyType::Resource | PolicyType::Rcp | PolicyType::Endpoint);
    if resource.is_none() && needs_resource {
        return Err(source.error(node, "`Resource` is missing", Some("a statement of this policy type has `Resource` or `NotResource`")));
    }
    let principal = principal(source, &members, policy_type)?;
    let conditions = find(&members, "Condition").map(|node| conditions(source, node)).transpose()?.unwrap_or_default();
    let sid = find(&members, "Sid").map(|node| text(source, node, "Sid")).transpose()?;
    let lines = source.lines(node);
    Ok(Statement { sid, effect, principal, action, resource, conditions, lines, text: node.text().to_owned() })
}

fn element(source: &Source<'_>, members: &[Member<'_>], name: &str, not_name: &str) -> Parsed<Option<Element>> {
    match (find(members, name), find(members, not_name)) {
        (Some(_), Some(node)) => {
            Err(source.error(node, format!("`{name}` and `{not_name}` in one statement"), Some("keep one of the two")))
        }
        (Some(node), None) => Ok(Some(Element { negated: false, patterns: strings(source, node, name)? })),
        (None, Some(node)) => Ok(Some(Element { negated: true, patterns: strings(source, node, not_name)? })),
        (None, None) => Ok(None),
    }
}

/// A string or a list of strings; `null` in a list, which IAM has stored, is passed over.
fn strings(source: &Source<'_>, node: &Node<'_>, name: &str) -> Parsed<Vec<String>> {
    match node.kind() {
        Kind::String => Ok(vec![node.string(source)?]),
        Kind::Array => {
            let elements = node.elements(source)?;
            elements.iter().filter(|element| element.kind() != Kind::Null).map(|element| text(source, element, name)).collect()
        }
        other => {
            let help = format!("write \"{name}\": \"...\" or \"{name}\": [\"...\", \"...\"]");
            Err(source.error(node, format!("`{name}` is a string or a list of strings, not {other}"), Some(&help)))
        }
    }
}

fn conditions<'a>(source: &Source<'a>, node: &Node<'a>) -> Parsed<Vec<Condition>> {
    expect(source, node, Kind::Object, "`Condition`")?;
    let mut conditions = Vec::new();
    for (name, block) in node.members(source)? {
        expect(source, &block, Kind::Object, "an operator block")?;
        let keys = block.members(source)?;
        let Some(operator) = Operator::parse(&name) else {
            if keys.is_empty() {
                continue;
            }
            return Err(unknown_operator(source, &block, &name));
        };
        for (written_key, values) in keys {
            let key = written_key.to_lowercase();
            conditions.push(Condition { operator, key, values: scalars(source, &values)?, written_key: written_key.into_owned() });
        }
    }
    Ok(conditions)
}

fn unknown_operator(source: &Source<'_>, block: &Node<'_>, name: &str) -> PolicyError {
    let base = name.rsplit(':').next().unwrap_or(name);
    let nearest = super::Base::ALL.into_iter().map(|known| (strsim::jaro_winkler(known.name(), base), known.name()));
    let nearest = nearest.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.8);
    let help = match nearest {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None => "write one that IAM documents, for example `StringEquals`, `ArnLike`, `IpAddress`, `Bool`, `Null`".to_owned(),
    };
    source.error(block, format!("unknown condition operator `{name}`"), Some(&help))
}

/// Condition values: scalars in their source spelling.
fn scalars(source: &Source<'_>, node: &Node<'_>) -> Parsed<Vec<String>> {
    let scalar = |node: &Node<'_>| match node.kind() {
        Kind::String => node.string(source),
        Kind::Number | Kind::Bool => Ok(node.text().to_owned()),
        other => {
            let help = "write a string, or one list of strings";
            Err(source.error(node, format!("a condition value is a string, number or boolean, not {other}"), Some(help)))
        }
    };
    match node.kind() {
        Kind::Array => node.elements(source)?.iter().map(scalar).collect(),
        _ => Ok(vec![scalar(node)?]),
    }
}

fn principal(source: &Source<'_>, members: &[Member<'_>], policy_type: PolicyType) -> Parsed<Option<PrincipalElement>> {
    let (node, negated) = match (find(members, "Principal"), find(members, "NotPrincipal")) {
        (None, None) => return Ok(None),
        (Some(_), Some(node)) => {
            return Err(source.error(node, "`Principal` and `NotPrincipal` in one statement", Some("keep one of the two")));
        }
        (Some(node), None) => (node, false),
        (None, Some(node)) => (node, true),
    };
    if !matches!(policy_type, PolicyType::Resource | PolicyType::Rcp | PolicyType::Endpoint) {
        let help = "identity-based policies, boundaries, session policies and SCPs apply to whom they are attached to: delete it";
        return Err(source.error(node, "this policy type has no `Principal`", Some(help)));
    }
    let entries = match node.kind() {
        Kind::String if node.string(source)? == "*" => vec![PrincipalEntry::Everyone],
        Kind::Object => principal_map(source, node)?,
        _ => return Err(source.error(node, "`Principal` is \"*\" or an object", Some("write {\"AWS\": \"arn:...\"}"))),
    };
    Ok(Some(PrincipalElement { negated, entries }))
}

fn principal_map(source: &Source<'_>, node: &Node<'_>) -> Parsed<Vec<PrincipalEntry>> {
    let mut entries = Vec::new();
    for (kind, names) in node.members(source)? {
        for name in strings(source, &names, &kind)? {
            entries.push(match kind.as_ref() {
                "AWS" if name == "*" => PrincipalEntry::Everyone,
                "AWS" => PrincipalEntry::Aws(name),
                "Service" => PrincipalEntry::Service(name),
                "Federated" => PrincipalEntry::Federated(name),
                "CanonicalUser" => PrincipalEntry::CanonicalUser(name),
                other => {
                    let help = "it is AWS, Service, Federated or CanonicalUser";
                    return Err(source.error(&names, format!("unknown kind of principal `{other}`"), Some(help)));
                }
            });
        }
    }
    Ok(entries)
}

fn find<'m, 'a>(members: &'m [Member<'a>], name: &str) -> Option<&'m Node<'a>> {
    members.iter().find(|(member, _)| member == name).map(|(_, node)| node)
}

fn text(source: &Source<'_>, node: &Node<'_>, name: &str) -> Parsed<String> {
    match node.kind() {
        Kind::String => node.string(source),
        other => {
            let help = "write a string in double quotes";
            Err(source.error(node, format!("`{name}` holds {other} where a string is expected"), Some(help)))
        }
    }
}

fn expect(source: &Source<'_>, node: &Node<'_>, kind: Kind, what: &str) -> Parsed<()> {
    if node.kind() == kind {
        return Ok(());
    }
    let help = format!("write {kind} here, for example {{\"name\": ...}}");
    Err(source.error(node, format!("{what} is {kind}, not {}", node.kind()), Some(&help)))
}

fn known_elements(source: &Source<'_>, members: &[Member<'_>], known: &[&str], what: &str) -> Parsed<()> {
    for (name, node) in members {
        if !known.contains(&name.as_ref()) {
            let nearest = known.iter().find(|element| element.eq_ignore_ascii_case(name) || strsim::levenshtein(element, name) <= 2);
            let help = match nearest {
                Some(element) => format!("did you mean `{element}`? element names are case-sensitive"),
                None => format!("delete it: the elements of {what} are {}", known.join(", ")),
            };
            return Err(source.error(node, format!("unknown element `{name}` in {what}"), Some(&help)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> PolicyError {
        document(text, PolicyType::Identity).unwrap_err()
    }

    #[test]
    fn numbers_and_booleans_keep_their_spelling() {
        let text = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"k":true},"NumericEquals":{"n":[1e3,10.0]}}}}"#;
        let document = document(text, PolicyType::Identity).unwrap();
        let values: Vec<_> = document.statements[0].conditions.iter().map(|c| c.values.clone()).collect();
        assert_eq!(values, [vec!["true".to_owned()], vec!["1e3".into(), "10.0".into()]]);
    }

    #[test]
    fn what_has_no_one_meaning_is_refused_with_place_and_help() {
        let cases = [
            (r#"{"Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]}"#, "unknown `Effect` `allow`"),
            (r#"{"statement":[]}"#, "unknown element `statement` in a policy document"),
            (r#"{"Statement":[{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}]}"#, "`Effect` stands twice in one object"),
            (r#"{"Statement":[{"Effect":"Allow","Action":"*"}]}"#, "`Resource` is missing"),
            (r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}]}"#, "this policy type has no `Principal`"),
            (
                r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEqual":{"a":"b"}}}]}"#,
                "unknown condition operator `StringEqual`",
            ),
            (r#"{"Statement":[]} {}"#, "not valid JSON: trailing characters"),
        ];
        for (text, message) in cases {
            assert_eq!(error(text).message, message);
        }
        let misspelt = error("{\n \"Statement\": [{\"effect\": \"Allow\"}]}");
        assert_eq!((misspelt.line, misspelt.pointer.as_str()), (2, "/Statement/0/effect"));
        assert!(misspelt.help.clone().unwrap().contains("`Effect`"));
    }

    #[test]
    fn every_broken_statement_is_named_once() {
        let text = r#"{"Statement":[{"effect":"Allow"},{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"allow"},{"Effect":1}]}"#;
        let source = Source::new(text);
        let errors = errors(&source, &source.root().unwrap(), PolicyType::Identity);
        let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/Statement/0/effect", "/Statement/2/Effect", "/Statement/3/Effect"]);
        assert!(errors.iter().all(|error| error.help.is_some()), "{errors:?}");
    }

    #[test]
    fn encoded_documents_are_decoded() {
        let text = "%7B%22Statement%22%3A%5B%5D%7D";
        assert!(document(text, PolicyType::Identity).unwrap().statements.is_empty());
    }
}
