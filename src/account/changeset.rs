//! Change sets: edits of a policy set, in TOML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::bundle::Policy;
use super::load::at;
use super::policy_set::{Boundary, EntityKind, PolicySet};
use crate::error::{Error, Result};
use crate::iam::arn::permission_set;
use crate::iam::json::Source;
use crate::iam::{Pattern, PolicyDocument, PolicyType, parse};

/// A change set, read and with the documents that it names.
#[derive(Debug)]
pub struct ChangeSet {
    /// Its file.
    pub path: PathBuf,
    text: String,
    changes: Vec<(usize, Change)>,
    documents: BTreeMap<String, (PathBuf, PolicyDocument)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    change: Vec<toml::Spanned<Entry>>,
}

/// One `[[change]]` as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    replace: Option<String>,
    with: Option<String>,
    of: Option<String>,
    remove: Option<String>,
    attach: Option<String>,
    to: Option<Vec<String>>,
    detach: Option<String>,
    from: Option<Vec<String>>,
    boundary: Option<String>,
    scp: Option<String>,
    rcp: Option<String>,
    at: Option<String>,
}

/// One change with one meaning.
#[derive(Debug, Clone)]
enum Change {
    ReplaceManaged { policy: String, with: String },
    ReplaceInline { name: String, of: String, with: String },
    RemoveInline { name: String, of: String },
    Attach { policy: String, to: Vec<String> },
    Detach { policy: String, from: Vec<String> },
    SetBoundary { policy: String, to: Vec<String> },
}

impl Entry {
    fn meaning(self) -> Result<Change, String> {
        match self {
            Entry { scp: Some(_), .. } | Entry { rcp: Some(_), .. } | Entry { at: Some(_), .. } => {
                Err("`scp`, `rcp` and `at` change an organization, which this version cannot read yet".to_owned())
            }
            Entry {
                replace: Some(name),
                with: Some(with),
                of: Some(of),
                remove: None,
                attach: None,
                to: None,
                detach: None,
                from: None,
                boundary: None,
                ..
            } => Ok(Change::ReplaceInline { name, of, with }),
            Entry {
                replace: Some(policy),
                with: Some(with),
                of: None,
                remove: None,
                attach: None,
                to: None,
                detach: None,
                from: None,
                boundary: None,
                ..
            } => {
                if !policy.starts_with("arn:") {
                    return Err(format!(
                        "`{policy}` is no policy ARN: an inline policy needs `of` with the ARN of its user, role or group"
                    ));
                }
                Ok(Change::ReplaceManaged { policy, with })
            }
            Entry {
                remove: Some(name),
                of: Some(of),
                replace: None,
                with: None,
                attach: None,
                to: None,
                detach: None,
                from: None,
                boundary: None,
                ..
            } => Ok(Change::RemoveInline { name, of }),
            Entry {
                attach: Some(policy),
                to: Some(to),
                replace: None,
                with: None,
                of: None,
                remove: None,
                detach: None,
                from: None,
                boundary: None,
                ..
            } => Ok(Change::Attach { policy, to }),
            Entry {
                detach: Some(policy),
                from: Some(from),
                replace: None,
                with: None,
                of: None,
                remove: None,
                attach: None,
                to: None,
                boundary: None,
                ..
            } => Ok(Change::Detach { policy, from }),
            Entry {
                boundary: Some(policy),
                to: Some(to),
                replace: None,
                with: None,
                of: None,
                remove: None,
                attach: None,
                detach: None,
                from: None,
                ..
            } => Ok(Change::SetBoundary { policy, to }),
            _ => Err(
                "a change is one of: `replace` + `with` (+ `of`), `remove` + `of`, `attach` + `to`, `detach` + `from`, `boundary` + `to`"
                    .to_owned(),
            ),
        }
    }
}

impl Change {
    /// The file or ARN that the change brings in.
    fn document(&self) -> Option<&str> {
        let name = match self {
            Self::ReplaceManaged { with, .. } | Self::ReplaceInline { with, .. } => with,
            Self::Attach { policy, .. } | Self::SetBoundary { policy, .. } => policy,
            Self::RemoveInline { .. } | Self::Detach { .. } => return None,
        };
        (!name.starts_with("arn:") && !name.is_empty()).then_some(name)
    }
}

impl ChangeSet {
    /// Parses the text of a change set file.
    ///
    /// # Errors
    /// [`Error::Policy`] with the place.
    pub fn read(path: &Path, text: &str) -> Result<Self> {
        let source = Source::new(text);
        let file: File = toml::from_str(text).map_err(|error| {
            let message = format!("not a change set: {}", error.message().replace('\n', ", "));
            let help = "a change set is a list of `[[change]]` tables";
            at(source.error_in(error.span().unwrap_or(0..0), message, Some(help)).into(), path)
        })?;
        let mut changes = Vec::new();
        for entry in file.change {
            let span = entry.span();
            let line = source.line(span.start);
            let help = Some("write one change in each `[[change]]`");
            let change = entry.into_inner().meaning().map_err(|message| at(source.error_in(span, message, help).into(), path))?;
            changes.push((line, change));
        }
        Ok(Self { path: path.to_path_buf(), text: text.to_owned(), changes, documents: BTreeMap::new() })
    }

    /// Reads the documents that it names, relative to it; returns their paths.
    pub(super) fn load_documents(&mut self, mut read: impl FnMut(&Path) -> Result<(String, PathBuf)>) -> Result<Vec<PathBuf>> {
        let folder = self.path.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut paths = Vec::new();
        for (line, change) in &self.changes {
            let Some(name) = change.document() else { continue };
            if self.documents.contains_key(name) {
                continue;
            }
            let path = folder.join(name);
            if !path.is_file() {
                let help = format!("file names are relative to the change set; looked for `{}`", path.display());
                return Err(self.error(*line, name, format!("`{name}` is not there"), &help));
            }
            let (text, path) = read(&path)?;
            let policy_type = if matches!(change, Change::SetBoundary { .. }) { PolicyType::Boundary } else { PolicyType::Identity };
            let document = parse::document(&text, policy_type).map_err(|error| at(error.into(), &path))?;
            paths.push(path.clone());
            self.documents.insert(name.to_owned(), (path, document));
        }
        Ok(paths)
    }

    /// Applies the changes in order.
    ///
    /// # Errors
    /// [`Error::Policy`] at a name that matches nothing, with the nearest names that exist.
    pub fn apply(&self, set: &mut PolicySet) -> Result<()> {
        self.changes.iter().try_for_each(|(line, change)| self.apply_one(set, *line, change))
    }

    fn apply_one(&self, set: &mut PolicySet, line: usize, change: &Change) -> Result<()> {
        match change {
            Change::ReplaceManaged { policy, with } => {
                if !set.managed.contains_key(policy) {
                    return Err(self.unknown(line, "no managed policy", policy, set.managed.keys()));
                }
                let document = self.policy(set, line, with, policy.clone())?;
                set.managed.insert(policy.clone(), Some(document));
            }
            Change::ReplaceInline { name, of, with } => {
                let document = self.policy(set, line, with, format!("{of}/{name}"))?;
                let inline = self.inline(set, line, of)?;
                if !inline.contains_key(name) {
                    return Err(self.unknown(line, &format!("`{of}` has no inline policy"), name, inline.keys()));
                }
                inline.insert(name.clone(), document);
            }
            Change::RemoveInline { name, of } => {
                let inline = self.inline(set, line, of)?;
                if inline.remove(name).is_none() {
                    return Err(self.unknown(line, &format!("`{of}` has no inline policy"), name, inline.keys()));
                }
            }
            Change::Attach { policy, to } => {
                for target in self.targets(set, line, to, false)? {
                    self.attach(set, line, policy, &target)?;
                }
            }
            Change::Detach { policy, from } => self.detach(set, line, policy, from)?,
            Change::SetBoundary { policy, to } => {
                for target in self.targets(set, line, to, false)? {
                    let boundary = match policy.as_str() {
                        "" => None,
                        arn if arn.starts_with("arn:") => Some(Boundary::Managed(arn.to_owned())),
                        file => Some(Boundary::Document(self.policy(set, line, file, format!("{target}/{}", stem(file)))?)),
                    };
                    if let Some(entity) = set.entities.get_mut(&target) {
                        entity.boundary = boundary;
                    }
                }
            }
        }
        Ok(())
    }

    fn attach(&self, set: &mut PolicySet, line: usize, policy: &str, target: &str) -> Result<()> {
        let attached = policy.starts_with("arn:");
        if attached && !set.managed.contains_key(policy) {
            return Err(self.unknown(line, "no managed policy", policy, set.managed.keys()));
        }
        let name = stem(policy);
        let document = if attached { None } else { Some(self.policy(set, line, policy, format!("{target}/{name}"))?) };
        let (arns, inline) = match set.entities.get_mut(target) {
            Some(entity) => (&mut entity.attached, &mut entity.inline),
            None => match set.groups.get_mut(target) {
                Some(group) => (&mut group.attached, &mut group.inline),
                None => return Ok(()),
            },
        };
        match document {
            Some(document) => {
                inline.insert(name, document);
            }
            None if arns.iter().any(|arn| arn == policy) => {}
            None => arns.push(policy.to_owned()),
        }
        Ok(())
    }

    fn detach(&self, set: &mut PolicySet, line: usize, policy: &str, from: &[String]) -> Result<()> {
        let mut detached = 0;
        for target in self.targets(set, line, from, true)? {
            let arns = match set.entities.get_mut(&target) {
                Some(entity) => &mut entity.attached,
                None => match set.groups.get_mut(&target) {
                    Some(group) => &mut group.attached,
                    None => continue,
                },
            };
            let before = arns.len();
            arns.retain(|arn| arn != policy);
            detached += before - arns.len();
        }
        if detached == 0 {
            let attached: std::collections::BTreeSet<&String> = set
                .entities
                .values()
                .flat_map(|entity| &entity.attached)
                .chain(set.groups.values().flat_map(|group| &group.attached))
                .collect();
            return Err(self.unknown(line, "nothing in `from` has the attached policy", policy, attached.into_iter()));
        }
        Ok(())
    }

    fn inline<'s>(&self, set: &'s mut PolicySet, line: usize, of: &str) -> Result<&'s mut BTreeMap<String, Arc<Policy>>> {
        if !set.entities.contains_key(of) && !set.groups.contains_key(of) {
            return Err(self.unknown(line, "no user, role or group", of, set.entities.keys().chain(set.groups.keys())));
        }
        match set.entities.get_mut(of) {
            Some(entity) => Ok(&mut entity.inline),
            None => set.groups.get_mut(of).map(|group| &mut group.inline).ok_or_else(|| Error::Internal(format!("group `{of}` vanished"))),
        }
    }

    /// The ARNs that the patterns name, sorted. Groups are named where a pattern says so, or with `groups`.
    fn targets(&self, set: &PolicySet, line: usize, patterns: &[String], groups: bool) -> Result<Vec<String>> {
        let mut found = std::collections::BTreeSet::new();
        for text in patterns {
            let before = found.len();
            if let Some(name) = text.strip_prefix("permission-set/") {
                let roles =
                    set.entities.values().filter(|entity| entity.kind == EntityKind::Role && permission_set(&entity.arn) == Some(name));
                found.extend(roles.map(|entity| entity.arn.clone()));
            } else {
                let pattern = Pattern::glob(text);
                found.extend(set.entities.keys().filter(|arn| pattern.matches(arn)).cloned());
                if groups || text.contains(":group/") {
                    found.extend(set.groups.keys().filter(|arn| pattern.matches(arn)).cloned());
                }
            }
            if found.len() == before {
                let sets = set.entities.keys().filter_map(|arn| permission_set(arn)).map(|name| format!("permission-set/{name}"));
                let names: Vec<String> = set.entities.keys().chain(set.groups.keys()).cloned().chain(sets).collect();
                return Err(self.unknown(line, "nothing matches", text, names.iter()));
            }
        }
        Ok(found.into_iter().collect())
    }

    fn policy(&self, set: &PolicySet, line: usize, reference: &str, name: String) -> Result<Arc<Policy>> {
        if reference.starts_with("arn:") {
            return match set.managed.get(reference) {
                Some(Some(policy)) => Ok(Arc::new(Policy { name, file: policy.file.clone(), document: policy.document.clone() })),
                _ => Err(self.unknown(line, "no managed policy with a document", reference, set.managed.keys())),
            };
        }
        let (path, document) = self.documents.get(reference).ok_or_else(|| Error::Internal(format!("`{reference}` was not read")))?;
        Ok(Arc::new(Policy { name, file: Some(path.clone()), document: document.clone() }))
    }

    fn unknown<'n>(&self, line: usize, what: &str, name: &str, existing: impl Iterator<Item = &'n String>) -> Error {
        let mut near: Vec<(f64, &str)> = existing.map(|known| (strsim::normalized_levenshtein(known, name), known.as_str())).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let near: Vec<String> = near.iter().take(3).map(|(_, known)| format!("`{known}`")).collect();
        let help = if near.is_empty() { "there is none at all".to_owned() } else { format!("the nearest: {}", near.join(", ")) };
        self.error(line, name, format!("{what} `{name}`"), &help)
    }

    /// An error at a name that the change of a line holds.
    fn error(&self, line: usize, name: &str, message: String, help: &str) -> Error {
        let start = self.text.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
        let name = self.text.get(start..).and_then(|change| change.find(&format!("\"{name}\""))).map_or(0..0, |at| at..at + name.len() + 2);
        at(Source::new(&self.text).error_in(start + name.start..start + name.end, message, Some(help)).into(), &self.path)
    }
}

fn stem(file: &str) -> String {
    Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
