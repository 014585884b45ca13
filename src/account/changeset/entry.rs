//! One `[[change]]`: as it is written, and the one meaning that it has.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};

use crate::account::organization::ControlType;
use crate::iam::PolicyType;

/// One `[[change]]` as written.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Entry {
    replace: Option<String>,
    with: Option<String>,
    of: Option<Texts>,
    remove: Option<Texts>,
    attach: Option<String>,
    to: Option<Texts>,
    detach: Option<String>,
    from: Option<Texts>,
    boundary: Option<String>,
    scp: Option<String>,
    rcp: Option<String>,
    at: Option<Texts>,
    #[serde(rename = "move")]
    moved: Option<String>,
    new: Option<String>,
    groups: Option<Texts>,
    members: Option<Texts>,
    join: Option<String>,
    leave: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

/// A text, or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Texts(Vec<String>);

/// One change with one meaning. What it acts on is named by patterns.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// A managed policy gets another document.
    ReplaceManaged { policy: String, with: String },
    /// A service or resource control policy gets another document.
    ReplaceControl { policy: String, with: String },
    /// An inline policy gets another document.
    ReplaceInline { name: String, of: Vec<String>, with: String },
    /// An inline policy goes.
    RemoveInline { name: String, of: Vec<String> },
    /// Users, roles and groups go.
    Remove { what: Vec<String> },
    /// A document or a managed policy is added.
    Attach { policy: String, to: Vec<String> },
    /// A managed policy is taken away.
    Detach { policy: String, from: Vec<String> },
    /// The permissions boundary is set; empty: taken away.
    SetBoundary { policy: String, to: Vec<String> },
    /// A service or resource control policy is added to roots, organizational units or accounts.
    AttachControl { control: ControlType, policy: String, at: Vec<String> },
    /// A service or resource control policy is taken away.
    DetachControl { policy: String, at: Vec<String> },
    /// An account moves.
    Move { account: String, to: String },
    /// A user, role or group comes to be.
    New { arn: String, groups: Vec<String>, members: Vec<String>, tags: BTreeMap<String, String> },
    /// Users join a group.
    Join { group: String, users: Vec<String> },
    /// Users leave a group.
    Leave { group: String, users: Vec<String> },
    /// Users and roles get tags.
    Tag { tags: BTreeMap<String, String>, to: Vec<String> },
}

const FORMS: &str = "a change is one of: `replace` + `with` (+ `of`), `remove` (+ `of`), `attach` + `to`, `detach` + `from`, \
                     `boundary` + `to`, `scp` or `rcp` + `at`, `detach` + `at`, `move` + `to`, `new` (+ `groups`, `members`, `tags`), \
                     `join` + `to`, `leave` + `from`, `tags` + `to`";

impl Entry {
    /// The names that are given, in the order of the alphabet.
    fn given(&self) -> Vec<&'static str> {
        let all = [
            ("at", self.at.is_some()),
            ("attach", self.attach.is_some()),
            ("boundary", self.boundary.is_some()),
            ("detach", self.detach.is_some()),
            ("from", self.from.is_some()),
            ("groups", self.groups.is_some()),
            ("join", self.join.is_some()),
            ("leave", self.leave.is_some()),
            ("members", self.members.is_some()),
            ("move", self.moved.is_some()),
            ("new", self.new.is_some()),
            ("of", self.of.is_some()),
            ("rcp", self.rcp.is_some()),
            ("remove", self.remove.is_some()),
            ("replace", self.replace.is_some()),
            ("scp", self.scp.is_some()),
            ("tags", self.tags.is_some()),
            ("to", self.to.is_some()),
            ("with", self.with.is_some()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }

    /// The one meaning of what is given.
    pub(super) fn meaning(self) -> Result<Change, String> {
        let given = self.given();
        let is_new = given.contains(&"new") && given.iter().all(|name| ["new", "groups", "members", "tags"].contains(name));
        Ok(match (given.as_slice(), self) {
            (["replace", "with"], Self { replace: Some(policy), with: Some(with), .. }) => replaced(policy, with)?,
            (["of", "replace", "with"], Self { replace: Some(name), of: Some(of), with: Some(with), .. }) => {
                Change::ReplaceInline { name, of: of.some("of")?, with }
            }
            (["of", "remove"], Self { remove: Some(name), of: Some(of), .. }) => {
                Change::RemoveInline { name: name.one("remove")?, of: of.some("of")? }
            }
            (["remove"], Self { remove: Some(what), .. }) => removed(what.some("remove")?)?,
            (["attach", "to"], Self { attach: Some(policy), to: Some(to), .. }) => Change::Attach { policy, to: to.some("to")? },
            (["detach", "from"], Self { detach: Some(policy), from: Some(from), .. }) => {
                Change::Detach { policy, from: from.some("from")? }
            }
            (["boundary", "to"], Self { boundary: Some(policy), to: Some(to), .. }) => Change::SetBoundary { policy, to: to.some("to")? },
            (["at", "scp"], Self { scp: Some(policy), at: Some(at), .. }) => {
                Change::AttachControl { control: ControlType::Scp, policy, at: at.some("at")? }
            }
            (["at", "rcp"], Self { rcp: Some(policy), at: Some(at), .. }) => {
                Change::AttachControl { control: ControlType::Rcp, policy, at: at.some("at")? }
            }
            (["at", "detach"], Self { detach: Some(policy), at: Some(at), .. }) => Change::DetachControl { policy, at: at.some("at")? },
            (["move", "to"], Self { moved: Some(account), to: Some(to), .. }) => Change::Move { account, to: to.one("to")? },
            (["join", "to"], Self { join: Some(group), to: Some(to), .. }) => Change::Join { group, users: to.some("to")? },
            (["from", "leave"], Self { leave: Some(group), from: Some(from), .. }) => Change::Leave { group, users: from.some("from")? },
            (["tags", "to"], Self { tags: Some(tags), to: Some(to), .. }) => Change::Tag { tags, to: to.some("to")? },
            (_, Self { new: Some(arn), groups, members, tags, .. }) if is_new => new(arn, groups, members, tags.unwrap_or_default())?,
            _ => return Err(FORMS.to_owned()),
        })
    }
}

/// Another document for a policy that stands by itself: which kind its name says.
fn replaced(policy: String, with: String) -> Result<Change, String> {
    if policy.starts_with("p-") || (policy.starts_with("arn:") && policy.contains(":organizations:")) {
        if !is_file(&with, &[PolicyType::Scp]) {
            return Err(format!("`{with}` is no file: a service or resource control policy is replaced by the document of a file"));
        }
        return Ok(Change::ReplaceControl { policy, with });
    }
    if policy.starts_with("arn:") {
        return Ok(Change::ReplaceManaged { policy, with });
    }
    Err(format!(
        "`{policy}` is no policy ARN: an inline policy needs `of` with the ARN of its user, role or group, a service control policy is \
         named by its id, `p-...`"
    ))
}

fn removed(what: Vec<String>) -> Result<Change, String> {
    match what.iter().find(|name| !name.starts_with("arn:") && !name.starts_with("permission-set/")) {
        Some(name) => Err(format!("`{name}` is no ARN of a user, role or group: an inline policy needs `of` with the ARN of whose it is")),
        None => Ok(Change::Remove { what }),
    }
}

fn new(arn: String, groups: Option<Texts>, members: Option<Texts>, tags: BTreeMap<String, String>) -> Result<Change, String> {
    let kind =
        crate::iam::Arn::parse(&arn).filter(|arn| arn.service == "iam").map(|arn| arn.resource.split('/').next().unwrap_or_default());
    match kind {
        Some("user") if members.is_none() => {}
        Some("role") if members.is_none() && groups.is_none() => {}
        Some("group") if groups.is_none() && tags.is_empty() => {}
        Some("user" | "role" | "group") => {
            return Err("a user has `groups` and `tags`, a role `tags`, a group `members`: delete the other".to_owned());
        }
        _ => return Err(format!("`{arn}` is no ARN of a user, role or group: write `arn:aws:iam::ACCOUNT:user/NAME` or its like")),
    }
    let list = |texts: Option<Texts>| texts.map(|texts| texts.0).unwrap_or_default();
    Ok(Change::New { arn, groups: list(groups), members: list(members), tags })
}

impl Change {
    /// The file that the change brings in, and what its document may be.
    pub(super) fn document(&self) -> Option<(&str, &'static [PolicyType])> {
        let (name, types): (&String, &'static [PolicyType]) = match self {
            Self::ReplaceManaged { with, .. } | Self::ReplaceInline { with, .. } => (with, &[PolicyType::Identity]),
            Self::ReplaceControl { with, .. } => (with, &[PolicyType::Scp, PolicyType::Rcp]),
            Self::Attach { policy, .. } => (policy, &[PolicyType::Identity]),
            Self::SetBoundary { policy, .. } => (policy, &[PolicyType::Boundary]),
            Self::AttachControl { control: ControlType::Scp, policy, .. } => (policy, &[PolicyType::Scp]),
            Self::AttachControl { control: ControlType::Rcp, policy, .. } => (policy, &[PolicyType::Rcp]),
            _ => return None,
        };
        let name = name.as_str();
        is_file(name, types).then_some((name, types))
    }
}

/// Whether a document is named by its file: else by an ARN or, of an organization, by the policy's id.
pub(super) fn is_file(name: &str, types: &[PolicyType]) -> bool {
    let control = types.iter().any(|policy_type| matches!(policy_type, PolicyType::Scp | PolicyType::Rcp));
    let is_id = control && name.starts_with("p-") && !name.ends_with(".json");
    !name.is_empty() && !name.starts_with("arn:") && !is_id
}

impl Texts {
    /// The texts, at least one.
    fn some(self, name: &str) -> Result<Vec<String>, String> {
        if self.0.is_empty() { Err(format!("`{name}` is empty: name what is meant, or delete the change")) } else { Ok(self.0) }
    }

    /// The only text.
    fn one(self, name: &str) -> Result<String, String> {
        let mut texts = self.some(name)?;
        match (texts.pop(), texts.is_empty()) {
            (Some(text), true) => Ok(text),
            _ => Err(format!("`{name}` names one thing here: write a change for each")),
        }
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;
        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element::<String>()? {
                    if text.is_empty() {
                        return Err(A::Error::custom("an empty text names nothing"));
                    }
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(TextsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(text: &str) -> Result<Change, String> {
        toml::from_str::<Entry>(text).map_err(|error| error.message().to_owned())?.meaning()
    }

    #[test]
    fn every_form_has_one_meaning() {
        for text in [
            "replace = \"arn:aws:iam::1:policy/A\"\nwith = \"a.json\"",
            "replace = \"p-1\"\nwith = \"a.json\"",
            "replace = \"a\"\nof = \"arn:aws:iam::1:user/a\"\nwith = \"a.json\"",
            "remove = \"a\"\nof = [\"permission-set/A\"]",
            "remove = [\"arn:aws:iam::1:user/a\", \"arn:aws:iam::1:group/*\"]",
            "attach = \"a.json\"\nto = \"*\"",
            "detach = \"arn:aws:iam::aws:policy/A\"\nfrom = [\"*\"]",
            "boundary = \"\"\nto = [\"*\"]",
            "scp = \"a.json\"\nat = \"ou-1\"",
            "rcp = \"p-1\"\nat = [\"ou-1\", \"r-1\"]",
            "detach = \"p-1\"\nat = \"ou-1\"",
            "move = \"111122223333\"\nto = \"ou-1\"",
            "new = \"arn:aws:iam::1:user/a\"\ngroups = [\"g\"]\ntags = { a = \"1\" }",
            "new = \"arn:aws:iam::1:group/g\"\nmembers = \"arn:aws:iam::1:user/*\"",
            "join = \"arn:aws:iam::1:group/g\"\nto = [\"*\"]",
            "leave = \"arn:aws:iam::1:group/g\"\nfrom = [\"*\"]",
            "tags = { team = \"mail\" }\nto = [\"*\"]",
        ] {
            assert!(meaning(text).is_ok(), "{text}: {:?}", meaning(text));
        }
    }

    #[test]
    fn what_has_no_one_meaning_is_refused() {
        for (text, part) in [
            ("attach = \"a.json\"", "a change is one of"),
            ("attach = \"a.json\"\nto = \"*\"\nat = \"r-1\"", "a change is one of"),
            ("replace = \"a\"\nwith = \"a.json\"", "is no policy ARN"),
            ("remove = \"a\"", "needs `of`"),
            ("attach = \"a.json\"\nto = []", "`to` is empty"),
            ("attach = \"a.json\"\nto = 1", "a text or a list of texts"),
            ("move = \"111122223333\"\nto = [\"a\", \"b\"]", "names one thing"),
            ("new = \"arn:aws:iam::1:role/a\"\ngroups = [\"g\"]", "a role `tags`"),
            ("new = \"a\"", "is no ARN of a user"),
            ("atach = \"a.json\"", "unknown field `atach`"),
        ] {
            let message = meaning(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
