//! Side data that no log and no snapshot holds: `context.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::load::at;
use super::organization::{ControlType, Place};
use super::policy_set::PolicySet;
use crate::error::{Error, Result};
use crate::iam::arn::Arn;
use crate::iam::condition::date;
use crate::iam::json::Source;
use crate::iam::{PolicyDocument, PolicyType, parse};

/// Tags by name.
pub type Tags = BTreeMap<String, String>;

/// What a `context.toml` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SideData {
    /// When the snapshots were taken, in microseconds since 1970.
    pub taken_at: Option<i64>,
    /// Where accounts stand that no organization file covers.
    pub accounts: BTreeMap<String, Place>,
    /// VPC endpoints by id.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// All tags of users and roles, by ARN.
    pub principals: BTreeMap<String, Tags>,
    /// All tags of resources, by ARN.
    pub resources: BTreeMap<String, Tags>,
    /// When those were collected, where the file says so, in microseconds since 1970.
    pub tagged_at: BTreeMap<String, i64>,
    /// Documents of policies that are missing elsewhere, by ARN or id, each with its file.
    pub documents: BTreeMap<String, (PathBuf, PolicyDocument)>,
}

/// A VPC endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The VPC that it is in.
    pub vpc: Option<String>,
    /// The account that owns it.
    pub account: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    taken_at: Option<Spanned<toml::Value>>,
    accounts: BTreeMap<String, Spanned<AccountEntry>>,
    endpoints: BTreeMap<String, Spanned<EndpointEntry>>,
    principals: BTreeMap<String, Spanned<TagsEntry>>,
    resources: BTreeMap<String, Spanned<TagsEntry>>,
    documents: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountEntry {
    organization: String,
    path: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointEntry {
    vpc: Option<String>,
    account: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TagsEntry {
    tags: Tags,
}

/// Whether a TOML file is side data, by its name: any other is a change set.
pub(super) fn is_side_data(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.eq_ignore_ascii_case("context.toml"))
}

impl SideData {
    /// Reads side data. `open` reads a document that it names, relative to it.
    ///
    /// # Errors
    /// [`Error::Policy`] with the place, and the errors of the documents.
    pub(super) fn read(path: &Path, text: &str, open: impl FnMut(&Path) -> Result<String>) -> Result<Self> {
        let source = Source::new(text);
        let file: File = toml::from_str(text).map_err(|error| {
            let message = format!("not side data: {}", error.message().replace('\n', ", "));
            let help = "it has `taken_at`, and tables `accounts`, `endpoints`, `principals`, `resources` and `documents`";
            at(source.error_in(error.span().unwrap_or(0..0), message, Some(help)).into(), path)
        })?;
        let refuse = |span: std::ops::Range<usize>, message: String, help: &str| -> Error {
            at(source.error_in(span, message, Some(help)).into(), path)
        };
        let mut data = Self::default();
        if let Some(time) = file.taken_at {
            let (span, text) = (time.span(), time_text(time.get_ref()));
            let help = "write \"2026-01-31\" or \"2026-01-31T08:00:00Z\"";
            let parsed = date::parse(&text).filter(|_| text.len() >= 10);
            data.taken_at = Some(parsed.ok_or_else(|| refuse(span, format!("`{text}` is no time"), help))?);
        }
        for (account, entry) in file.accounts {
            let span = entry.span();
            let place = entry.into_inner().place(&account).map_err(|(message, help)| refuse(span, message, help))?;
            data.accounts.insert(account, place);
        }
        for (id, entry) in file.endpoints {
            if !id.starts_with("vpce-") {
                return Err(refuse(entry.span(), format!("`{id}` is no VPC endpoint"), "write its id, `vpce-...`"));
            }
            let EndpointEntry { vpc, account } = entry.into_inner();
            data.endpoints.insert(id, Endpoint { vpc, account });
        }
        data.principals = tags_by_arn(file.principals, &refuse)?;
        data.resources = tags_by_arn(file.resources, &refuse)?;
        data.tagged_at = data.taken_at.iter().flat_map(|time| data.resources.keys().map(|arn| (arn.clone(), *time))).collect();
        data.documents = documents(file.documents, path, &refuse, open)?;
        Ok(data)
    }

    /// Adds what another file says; where both say something, the other is right, unless both say when it was so and it is older.
    pub fn extend(&mut self, other: Self) {
        self.taken_at = other.taken_at.or(self.taken_at);
        self.accounts.extend(other.accounts);
        self.endpoints.extend(other.endpoints);
        self.principals.extend(other.principals);
        for (arn, tags) in other.resources {
            let (own, its) = (self.tagged_at.get(&arn), other.tagged_at.get(&arn));
            if matches!((own, its), (Some(own), Some(its)) if own > its) {
                continue;
            }
            match its {
                Some(time) => self.tagged_at.insert(arn.clone(), *time),
                None => self.tagged_at.remove(&arn),
            };
            self.resources.insert(arn, tags);
        }
        self.documents.extend(other.documents);
    }

    /// What is the same for all policy sets and therefore none of a candidate's, unless the baseline says the same; `None` if there is
    /// nothing of it.
    pub(super) fn shared_part_beyond(&self, baseline: &Self) -> Option<&'static str> {
        fn beyond<V: PartialEq>(own: &BTreeMap<String, V>, baseline: &BTreeMap<String, V>) -> bool {
            own.iter().any(|(name, value)| baseline.get(name) != Some(value))
        }
        let parts = [
            ("accounts", beyond(&self.accounts, &baseline.accounts)),
            ("endpoints", beyond(&self.endpoints, &baseline.endpoints)),
            ("resources", beyond(&self.resources, &baseline.resources)),
        ];
        parts.into_iter().find(|(_, beyond)| *beyond).map(|(name, _)| name)
    }

    /// Gives a policy set what it lacks: the documents that are missing, and with `tags` the tags of principals.
    pub(super) fn supply(&self, set: &mut PolicySet, tags: bool) {
        for (name, (file, document)) in &self.documents {
            if !set.organizations.supply(name, file, document) && name.starts_with("arn:") {
                set.supply(name, file, document);
            }
        }
        for (arn, tags) in self.principals.iter().filter(|_| tags) {
            set.set_tags(arn, tags.clone());
        }
    }

    /// The tags of a resource, by its ARN.
    pub fn resource_tags(&self, arn: &str) -> Option<&Tags> {
        self.resources.get(arn)
    }
}

impl AccountEntry {
    fn place(self, account: &str) -> Result<Place, (String, &'static str)> {
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err((format!("`{account}` is no account id"), "write the 12 digits of the account"));
        }
        match (self.organization, self.path) {
            (organization, None) if organization.is_empty() => Ok(Place::Outside),
            (organization, Some(_)) if organization.is_empty() => {
                Err(("an account outside of organizations has no path".to_owned(), "leave `path` away, or write the organization's id"))
            }
            (organization, path) => {
                if !organization.starts_with("o-") {
                    let message = format!("`{organization}` is no organization");
                    return Err((message, "write its id, `o-...`, or \"\" for an account that is in none"));
                }
                if let Some(path) = path.as_ref().filter(|path| !path.starts_with(&format!("{organization}/r-")) || !path.ends_with('/')) {
                    let message = format!("`{path}` is no path in `{organization}`");
                    return Err((message, "write it as `aws:PrincipalOrgPaths` has it: `o-.../r-.../ou-.../`, with the slash at the end"));
                }
                Ok(Place::Member { organization, path })
            }
        }
    }
}

/// A time, as text or as TOML has it.
fn time_text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn tags_by_arn(
    entries: BTreeMap<String, Spanned<TagsEntry>>,
    refuse: &impl Fn(std::ops::Range<usize>, String, &str) -> Error,
) -> Result<BTreeMap<String, Tags>> {
    let mut all = BTreeMap::new();
    for (arn, entry) in entries {
        if Arn::parse(&arn).is_none() || arn.contains(['*', '?']) {
            return Err(refuse(entry.span(), format!("`{arn}` is no ARN"), "write the whole ARN, without wildcards"));
        }
        all.insert(arn, entry.into_inner().tags);
    }
    Ok(all)
}

fn documents(
    entries: BTreeMap<String, Spanned<String>>,
    path: &Path,
    refuse: &impl Fn(std::ops::Range<usize>, String, &str) -> Error,
    mut open: impl FnMut(&Path) -> Result<String>,
) -> Result<BTreeMap<String, (PathBuf, PolicyDocument)>> {
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut all = BTreeMap::new();
    for (policy, entry) in entries {
        let span = entry.span();
        let Some(policy_type) = type_of(&policy) else {
            let help = "write the policy's ARN; of a service control policy its ARN or its id, `p-...`";
            return Err(refuse(span, format!("`{policy}` is no policy"), help));
        };
        let file = folder.join(entry.get_ref());
        if !file.is_file() {
            let help = format!("file names are relative to this file; looked for `{}`", file.display());
            return Err(refuse(span, format!("`{}` is not there", entry.get_ref()), &help));
        }
        let text = open(&file)?;
        let document = parse::document(&text, policy_type).map_err(|error| at(error.into(), &file))?;
        all.insert(policy, (file, document));
    }
    Ok(all)
}

/// What a document of a policy is, by its ARN or id.
fn type_of(policy: &str) -> Option<PolicyType> {
    match Arn::parse(policy) {
        Some(arn) if arn.service == "iam" && arn.resource.starts_with("policy/") => Some(PolicyType::Identity),
        Some(arn) if arn.service == "organizations" => {
            let control = ControlType::ALL.into_iter().find(|control| arn.resource.split('/').any(|part| part == control.name()));
            control.map(ControlType::policy_type)
        }
        None if policy.starts_with("p-") => Some(PolicyType::Scp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = r#"
        taken_at = 2026-11-20T08:00:00Z
        [accounts]
        111122223333 = { organization = "o-exampleorgid", path = "o-exampleorgid/r-ab12/ou-ab12-11111111/" }
        444455556666 = { organization = "" }
        [endpoints.vpce-0123456789abcdef0]
        vpc = "vpc-0123456789abcdef0"
        account = "111122223333"
        [principals."arn:aws:iam::111122223333:role/ops/Ops"]
        tags = { team = "mail" }
        [resources."arn:aws:workmail:eu-west-1:111122223333:organization/m-1"]
        tags = { stage = "production" }
    "#;

    fn read(text: &str) -> Result<SideData> {
        SideData::read(Path::new("context.toml"), text, |_| panic!("no document is named"))
    }

    #[test]
    fn everything_is_read() {
        let data = read(ALL).unwrap();
        assert_eq!(data.taken_at, date::parse("2026-11-20T08:00:00Z"));
        assert_eq!(data.accounts["444455556666"], Place::Outside);
        let path = Some("o-exampleorgid/r-ab12/ou-ab12-11111111/".to_owned());
        assert_eq!(data.accounts["111122223333"], Place::Member { organization: "o-exampleorgid".to_owned(), path });
        assert_eq!(data.endpoints["vpce-0123456789abcdef0"].vpc.as_deref(), Some("vpc-0123456789abcdef0"));
        assert_eq!(data.principals["arn:aws:iam::111122223333:role/ops/Ops"]["team"], "mail");
        assert_eq!(data.resource_tags("arn:aws:workmail:eu-west-1:111122223333:organization/m-1").unwrap()["stage"], "production");
        assert_eq!(data.shared_part_beyond(&SideData::default()), Some("accounts"));
        assert_eq!(read("").unwrap(), SideData::default());
    }

    #[test]
    fn what_has_no_one_meaning_is_refused_with_its_line() {
        for (text, line, message) in [
            ("\ntaken = \"2026\"", 2, "unknown field `taken`"),
            ("[accounts]\n1 = { organization = \"o-1\" }", 2, "`1` is no account id"),
            ("[accounts]\n111122223333 = { organization = \"r-1\" }", 2, "`r-1` is no organization"),
            ("[accounts]\n111122223333 = { organization = \"o-1\", path = \"o-1/r-1\" }", 2, "`o-1/r-1` is no path in `o-1`"),
            ("[accounts]\n111122223333 = { organisation = \"o-1\" }", 2, "unknown field `organisation`"),
            ("[endpoints.vpc-1]\nvpc = \"vpc-1\"", 1, "`vpc-1` is no VPC endpoint"),
            ("[resources.\"*\"]\ntags = {}", 1, "`*` is no ARN"),
            ("taken_at = \"yesterday\"", 1, "`yesterday` is no time"),
            ("[documents]\n\"x\" = \"x.json\"", 2, "`x` is no policy"),
            ("[documents]\n\"arn:aws:iam::aws:policy/X\" = \"nowhere.json\"", 2, "`nowhere.json` is not there"),
        ] {
            let Err(Error::Policy(error)) = read(text) else { panic!("{text} was read") };
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.message.contains(message) && error.help.is_some(), "{text}: {error}");
        }
    }

    #[test]
    fn the_other_file_is_right() {
        let mut data = read(ALL).unwrap();
        data.extend(read("[accounts]\n111122223333 = { organization = \"o-2\" }").unwrap());
        assert_eq!(data.accounts["111122223333"], Place::Member { organization: "o-2".to_owned(), path: None });
        assert_eq!(data.accounts["444455556666"], Place::Outside);
    }
}
