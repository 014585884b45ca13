//! The parts of a statement: documents and their grammar (1), globs, actions, resources, variables, principals (2).

use serde_json::{Map, Value};

use super::condition;

/// What a document is attached as; decides its grammar (1.2) and the padding of short ARNs (2.3 rule 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Identity,
    Boundary,
    Session,
    Scp,
    Rcp,
    Resource,
    Endpoint,
}

impl Kind {
    /// 2.5: the policies whose statements name principals.
    pub(crate) fn names_principals(self) -> bool {
        matches!(self, Kind::Rcp | Kind::Resource | Kind::Endpoint)
    }
}

/// One fully known request, read from the `request` member of a case.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) resource_account: String,
    pub(crate) principal: Map<String, Value>,
    pub(crate) has_boundary: bool,
    /// Lower-cased key names.
    pub(crate) context: Vec<(String, Vec<String>)>,
    pub(crate) multivalued: Vec<String>,
}

impl Request {
    pub(crate) fn read(case: &Value) -> Request {
        let request = &case["request"];
        let context = request["context"].as_object().into_iter().flatten();
        let principal = request["principal"].as_object().cloned().unwrap_or_default();
        let account = |value: &Value| value.as_str().map(str::to_owned);
        Request {
            action: request["action"].as_str().unwrap_or_default().to_owned(),
            resource: request["resource"].as_str().unwrap_or_default().to_owned(),
            resource_account: account(&request["resourceAccount"])
                .or_else(|| principal.get("account").and_then(account))
                .unwrap_or_default(),
            principal,
            has_boundary: !case["policies"]["boundary"].is_null(),
            context: context.map(|(key, values)| (key.to_lowercase(), texts(values))).collect(),
            multivalued: texts(&request["multivaluedKeys"]).iter().map(|key| key.to_lowercase()).collect(),
        }
    }

    /// Names of keys are case-insensitive, the part after `/` included (1.5).
    pub(crate) fn values(&self, key: &str) -> Option<&[String]> {
        let key = key.to_lowercase();
        self.context.iter().find(|(name, _)| *name == key).map(|(_, values)| values.as_slice())
    }

    pub(crate) fn is_multivalued(&self, key: &str) -> bool {
        self.multivalued.contains(&key.to_lowercase())
    }

    /// 2.4: a key that is absent, empty or multivalued has no value for a variable.
    fn variable(&self, key: &str) -> Option<&str> {
        match self.values(key) {
            Some([value]) if !value.is_empty() && !self.is_multivalued(key) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn principal(&self, member: &str) -> &str {
        self.principal.get(member).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn principal_is(&self, flag: &str) -> bool {
        self.principal.get(flag).and_then(Value::as_bool).unwrap_or_default()
    }
}

/// 1.2: scalars are compared as text; a list or a single scalar. `null` in a list is skipped.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// 1.1: `Statement` is an object or an array of objects.
pub(crate) fn statements(document: &Value) -> Vec<&Value> {
    match &document["Statement"] {
        Value::Array(list) => list.iter().collect(),
        Value::Null => Vec::new(),
        single => vec![single],
    }
}

/// 2.4: variables exist only in documents of Version 2012-10-17.
pub(crate) fn has_variables(document: &Value) -> bool {
    document["Version"] == "2012-10-17"
}

/// Section 1: is this a document that cannot be given one meaning, and is refused?
pub(crate) fn is_refused(document: &Value, kind: Kind) -> bool {
    let Some(members) = document.as_object() else { return true };
    let version = &document["Version"];
    let list = match &document["Statement"] {
        Value::Array(list) => list.iter().collect(),
        single => vec![single],
    };
    members.keys().any(|name| !["Version", "Id", "Statement"].contains(&name.as_str()))
        || !(version.is_null() && !members.contains_key("Version") || *version == "2012-10-17" || *version == "2008-10-17")
        || list.iter().any(|statement| statement_is_refused(statement, kind))
}

fn statement_is_refused(statement: &Value, kind: Kind) -> bool {
    const ELEMENTS: [&str; 9] =
        ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition"];
    let Some(members) = statement.as_object() else { return true };
    let count = |names: [&str; 2]| names.iter().filter(|name| members.contains_key(**name)).count();
    let strings = |value: &Value, null: bool| match value {
        Value::Array(list) => list.iter().all(|item| item.is_string() || null && item.is_null()),
        single => single.is_string(),
    };
    let wrong_list = members.iter().any(|(name, value)| match name.as_str() {
        "Action" | "NotAction" => !strings(value, false),
        "Resource" | "NotResource" => !strings(value, true),
        "Sid" => !value.is_string(),
        _ => false,
    });
    let wrong_principal = ["Principal", "NotPrincipal"].iter().filter_map(|name| members.get(*name)).any(|value| match value {
        Value::String(text) => text != "*",
        Value::Object(map) => map
            .iter()
            .any(|(name, value)| !["AWS", "Service", "Federated", "CanonicalUser"].contains(&name.as_str()) || !strings(value, false)),
        _ => true,
    });
    members.keys().any(|name| !ELEMENTS.contains(&name.as_str()))
        || !(statement["Effect"] == "Allow" || statement["Effect"] == "Deny")
        || count(["Action", "NotAction"]) != 1
        || count(["Resource", "NotResource"]) > 1
        || count(["Resource", "NotResource"]) == 0 && kind != Kind::Resource
        || count(["Principal", "NotPrincipal"]) > usize::from(kind.names_principals())
        || wrong_list
        || wrong_principal
        || members.get("Condition").is_some_and(condition::is_refused)
}

/// One element of a glob; `colon` says whether it may consume `:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Char(char),
    Star { colon: bool },
    Question { colon: bool },
}

/// 2.1: does the whole text match? `reach[i]` = the tokens so far match the first `i` characters.
pub(crate) fn glob(pattern: &[Token], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reach = vec![false; text.len() + 1];
    reach[0] = true;
    for token in pattern {
        let mut next = vec![false; text.len() + 1];
        for end in 0..=text.len() {
            let last = end.checked_sub(1).map(|index| (index, text[index]));
            next[end] = match (token, last) {
                (Token::Star { colon }, last) => reach[end] || last.is_some_and(|(start, c)| next[start] && (*colon || c != ':')),
                (Token::Question { colon }, Some((start, c))) => reach[start] && (*colon || c != ':'),
                (Token::Char(wanted), Some((start, c))) => reach[start] && c == *wanted,
                (_, None) => false,
            };
        }
        reach = next;
    }
    reach[text.len()]
}

/// A text as a glob in which `*` and `?` cross colons.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let token = |c| match c {
        '*' => Token::Star { colon: true },
        '?' => Token::Question { colon: true },
        c => Token::Char(c),
    };
    text.chars().map(token).collect()
}

fn only_stars(pattern: &str) -> bool {
    !pattern.is_empty() && pattern.chars().all(|c| c == '*')
}

/// 2.4: the text with its variables replaced; `None` = a variable has no value. What comes out of a variable is
/// literal; so is `${*}`. Text that is no well-formed variable stays as it is.
pub(crate) fn expand(text: &str, request: &Request) -> Option<Vec<Token>> {
    let literal = |text: &str| text.chars().map(Token::Char).collect::<Vec<_>>();
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.extend(tokens(&rest[..start]));
        let Some(length) = rest[start..].find('}') else {
            rest = &rest[start..];
            break;
        };
        let whole = &rest[start..=start + length];
        let inner = &whole[2..whole.len() - 1];
        let (name, default) = match inner.split_once(',') {
            None => (inner, None),
            Some((name, default)) => (name, Some(default.strip_prefix(' ').unwrap_or(default))),
        };
        let quoted = default.map(|text| text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')));
        rest = &rest[start + length + 1..];
        match (name, quoted) {
            ("*" | "?" | "$", None) => out.extend(literal(name)),
            ("", _) | (_, Some(None)) => out.extend(tokens(whole)),
            (name, _) if name.contains(' ') => out.extend(tokens(whole)),
            (name, quoted) => out.extend(literal(request.variable(name).or(quoted.flatten())?)),
        }
    }
    out.extend(tokens(rest));
    Some(out)
}

/// 2.2: case-insensitive, whole string; a pattern without a colon that is not stars matches nothing.
pub(crate) fn action_matches(pattern: &str, action: &str) -> bool {
    only_stars(pattern) || pattern.contains(':') && glob(&tokens(&pattern.to_ascii_lowercase()), &action.to_ascii_lowercase())
}

/// 2.3 rule 4: short ARNs are padded according to the kind of policy.
fn pad(pattern: &str, kind: Kind) -> String {
    let padded = match kind {
        Kind::Identity | Kind::Boundary | Kind::Session => true,
        Kind::Resource | Kind::Endpoint => pattern.contains('*'),
        Kind::Scp => pattern.ends_with('*'),
        Kind::Rcp => false,
    };
    let missing = 5_usize.saturating_sub(pattern.matches(':').count());
    format!("{pattern}{}", ":*".repeat(if padded { missing } else { 0 }))
}

/// 2.3: does one entry of `Resource` or `NotResource` match the resource of the request?
pub(crate) fn resource_matches(pattern: &str, kind: Kind, variables: bool, request: &Request) -> bool {
    if only_stars(pattern) {
        return true; // rule 1
    }
    if request.resource == "*" {
        return false; // rule 2
    }
    let pattern = pad(pattern, kind);
    let segments: Vec<&str> = pattern.splitn(6, ':').collect();
    let mut all = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        if index > 0 {
            all.push(Token::Char(':'));
        }
        if index == 5 {
            // Rule 3: one glob over the rest. 2.4: the only segment in which there are variables.
            match if variables { expand(segment, request) } else { Some(tokens(segment)) } {
                Some(expanded) => all.extend(expanded),
                None => return false,
            }
            continue;
        }
        // Rule 3: inside a segment nothing crosses a colon, except a `*` at its very end.
        let last = segment.chars().count().saturating_sub(1);
        all.extend(segment.chars().enumerate().map(|(place, c)| match c {
            '*' => Token::Star { colon: place == last },
            '?' => Token::Question { colon: false },
            c => Token::Char(c),
        }));
    }
    glob(&all, &request.resource)
}

/// How the principal elements of a statement cover the caller (4.4), the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grant {
    /// To the account: identity policies are still needed.
    Delegated,
    /// To the role of a session, or to the user behind a federated session: limited by boundary and session policy.
    Limited,
    /// To everyone, the user, the session: not limited by implicit denies of identity, boundary and session.
    Direct,
}

/// 2.5: how one entry of a principal map covers the caller.
fn covers(kind: &str, entry: &str, request: &Request) -> Option<Grant> {
    let account = request.principal("account");
    let (arn, caller) = (request.principal("arn"), request.principal("type"));
    match kind {
        "AWS" if entry == "*" => Some(Grant::Direct),
        "AWS" if entry == account || entry == format!("arn:aws:iam::{account}:root") => Some(Grant::Delegated),
        "AWS" if entry == arn => Some(Grant::Direct),
        "AWS" if caller == "AssumedRole" && entry == request.principal("roleArn") => Some(Grant::Limited),
        "AWS" if caller == "FederatedUser" && entry == request.principal("userArn") => Some(Grant::Limited),
        _ => None,
    }
}

fn listed(element: &Value, request: &Request) -> Option<Grant> {
    match element {
        Value::String(text) => (text == "*").then_some(Grant::Direct),
        Value::Object(map) => map
            .iter()
            .flat_map(|(kind, entries)| texts(entries).into_iter().map(move |entry| (kind, entry)))
            .filter_map(|(kind, entry)| covers(kind, &entry, request))
            .max(),
        _ => None,
    }
}

/// 2.5, 4.4: `None` = the statement is not about the caller. Neither element: it never matches (1.2).
fn principal(statement: &Value, request: &Request) -> Option<Grant> {
    if statement.get("NotPrincipal").is_some() {
        // 4.4: Deny + NotPrincipal always hits a principal that has a boundary.
        let always = statement["Effect"] == "Deny" && request.has_boundary;
        return (always || listed(&statement["NotPrincipal"], request).is_none()).then_some(Grant::Direct);
    }
    listed(&statement["Principal"], request)
}

/// 3.1: a statement applies if principal, action, resource and condition hold. Without principals: `Direct`.
pub(crate) fn applies(statement: &Value, kind: Kind, variables: bool, request: &Request) -> Option<Grant> {
    let action = |pattern: &String| action_matches(pattern, &request.action);
    let resource = |pattern: &String| resource_matches(pattern, kind, variables, request);
    // 1.2: empty lists are allowed and the statement then does nothing, whichever element holds the list.
    let none = |list: &Vec<String>, hit: &dyn Fn(&String) -> bool| !list.is_empty() && !list.iter().any(hit);
    let action_holds = match statement.get("NotAction") {
        Some(list) => none(&texts(list), &action),
        None => texts(&statement["Action"]).iter().any(action),
    };
    let resource_holds = match (statement.get("Resource"), statement.get("NotResource")) {
        (_, Some(list)) => none(&texts(list), &resource),
        (Some(list), None) => texts(list).iter().any(resource),
        (None, None) => true,
    };
    if !action_holds || !resource_holds || !condition::holds(&statement["Condition"], variables, request) {
        return None;
    }
    if kind.names_principals() { principal(statement, request) } else { Some(Grant::Direct) }
}
