//! Change sets: edits of a policy set, in TOML.

mod control;
mod entry;
mod identity;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::bundle::Policy;
use super::load::at;
use super::names::nearest;
use super::policy_set::PolicySet;
use crate::error::{Error, Result};
use crate::iam::json::Source;
use crate::iam::{PolicyDocument, PolicyType, parse};
use entry::{Change, Entry, is_file};

/// A change set, read and with the documents that it names.
#[derive(Debug)]
pub struct ChangeSet {
    /// Its file.
    pub path: PathBuf,
    text: String,
    changes: Vec<(usize, Change)>,
    /// By name and by what they are attached as.
    documents: BTreeMap<(String, PolicyType), (PathBuf, PolicyDocument)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    change: Vec<toml::Spanned<Entry>>,
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
            let Some((name, types)) = change.document() else { continue };
            if types.iter().any(|policy_type| self.documents.contains_key(&(name.to_owned(), *policy_type))) {
                continue;
            }
            let path = folder.join(name);
            if !path.is_file() {
                let help = format!("file names are relative to the change set; looked for `{}`", path.display());
                return Err(self.error(*line, name, format!("`{name}` is not there"), &help));
            }
            let (text, path) = read(&path)?;
            let mut parsed = types.iter().map(|policy_type| (*policy_type, parse::document(&text, *policy_type)));
            // Of what may be several things, what it reads as; if it is none, why it is not the first.
            let Some((first_type, first)) = parsed.next() else { continue };
            let (policy_type, document) = match first {
                Ok(document) => (first_type, document),
                Err(error) => {
                    parsed.find_map(|(policy_type, document)| Some((policy_type, document.ok()?))).ok_or_else(|| at(error.into(), &path))?
                }
            };
            paths.push(path.clone());
            self.documents.insert((name.to_owned(), policy_type), (path, document));
        }
        Ok(paths)
    }

    /// Applies the changes in order; says what each touches, a line for the change and one for each thing that it touches.
    ///
    /// # Errors
    /// [`Error::Policy`] at a name that matches nothing, with the nearest names that exist.
    pub fn apply(&self, set: &mut PolicySet) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for (line, change) in &self.changes {
            let (what, touched) = self.apply_one(set, *line, change)?;
            lines.push(format!("{}:{line}: {what}", self.path.display()));
            lines.extend(touched.into_iter().map(|touched| format!("  {touched}")));
        }
        Ok(lines)
    }

    /// What a change does, in words, and what it touches.
    fn apply_one(&self, set: &mut PolicySet, line: usize, change: &Change) -> Result<(String, Vec<String>)> {
        Ok(match change {
            Change::ReplaceManaged { policy, with } => {
                (format!("replaces a managed policy by `{with}`"), self.replace_managed(set, line, policy, with)?)
            }
            Change::ReplaceControl { policy, with } => {
                (format!("replaces `{policy}` by `{with}`"), self.replace_control(set, line, policy, with)?)
            }
            Change::ReplaceInline { name, of, with } => {
                (format!("replaces the inline policy `{name}` by `{with}`"), self.replace_inline(set, line, name, of, with)?)
            }
            Change::RemoveInline { name, of } => (format!("removes the inline policy `{name}`"), self.remove_inline(set, line, name, of)?),
            Change::Remove { what } => ("removes users, roles and groups".to_owned(), self.remove(set, line, what)?),
            Change::Attach { policy, to } => (format!("attaches `{policy}`"), self.attach(set, line, policy, to)?),
            Change::Detach { policy, from } => (format!("detaches `{policy}`"), self.detach(set, line, policy, from)?),
            Change::SetBoundary { policy, to } => {
                let what = if policy.is_empty() { "removes the boundary".to_owned() } else { format!("sets the boundary `{policy}`") };
                (what, self.set_boundary(set, line, policy, to)?)
            }
            Change::AttachControl { control, policy, at } => {
                (format!("adds the {} `{policy}`", control.words()), self.attach_control(set, line, *control, policy, at)?)
            }
            Change::DetachControl { policy, at } => (format!("detaches `{policy}`"), self.detach_control(set, line, policy, at)?),
            Change::Move { account, to } => ("moves an account".to_owned(), self.move_account(set, line, account, to)?),
            Change::New { arn, groups, members, tags } => {
                (format!("makes `{arn}`"), self.make(set, line, arn, groups, members, tags.clone())?)
            }
            Change::Join { group, users } => (format!("adds users to `{group}`"), self.join(set, line, group, users)?),
            Change::Leave { group, users } => (format!("takes users out of `{group}`"), self.leave(set, line, group, users)?),
            Change::Tag { tags, to } => (format!("sets the tags {}", named(tags.keys())), self.tag(set, line, tags, to)?),
        })
    }

    /// The document that a change names: of its file, or of a managed policy.
    fn document(
        &self,
        set: &PolicySet,
        line: usize,
        reference: &str,
        policy_type: PolicyType,
    ) -> Result<(Option<PathBuf>, PolicyDocument)> {
        if !is_file(reference, &[policy_type]) {
            return match set.managed.get(reference) {
                Some(Some(policy)) => Ok((policy.file.clone(), policy.document.clone())),
                _ => Err(self.unknown(line, "no managed policy with a document", reference, set.managed.keys())),
            };
        }
        match self.documents.get(&(reference.to_owned(), policy_type)) {
            Some((path, document)) => Ok((Some(path.clone()), document.clone())),
            None => Err(Error::Internal(format!("`{reference}` was not read"))),
        }
    }

    /// The same as a policy of a name.
    fn policy(&self, set: &PolicySet, line: usize, reference: &str, policy_type: PolicyType, name: String) -> Result<Arc<Policy>> {
        let (file, document) = self.document(set, line, reference, policy_type)?;
        Ok(Arc::new(Policy { name, file, document }))
    }

    fn unknown<'n>(&self, line: usize, what: &str, name: &str, existing: impl Iterator<Item = &'n String>) -> Error {
        self.error(line, name, format!("{what} `{name}`"), &nearest(existing.map(String::as_str), name))
    }

    /// An error at a name that the change of a line holds.
    fn error(&self, line: usize, name: &str, message: String, help: &str) -> Error {
        let start = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum::<usize>();
        let name = self.text.get(start..).and_then(|change| change.find(&format!("\"{name}\""))).map_or(0..0, |at| at..at + name.len() + 2);
        at(Source::new(&self.text).error_in(start + name.start..start + name.end, message, Some(help)).into(), &self.path)
    }
}

/// Names in backticks.
fn named<'n>(names: impl Iterator<Item = &'n String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn stem(file: &str) -> String {
    Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
