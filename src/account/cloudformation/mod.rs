//! CloudFormation templates, JSON or YAML, as edits of a policy set: how users, roles, groups, policies and the policies of
//! organizations are once the template is deployed.
//!
//! A template says what is to be, not what was: users, roles and groups that it has are to have the policies that it says and
//! no others; what it does not have stays. What it does not tell stays unknown (see [`intrinsic`]), and what is not read is
//! listed.

mod document;
mod holders;
mod intrinsic;
mod names;
mod policies;
mod resources;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::deployment::{Account, Applied, Listed, Note, Run};
use super::load::at;
use super::{OrganizationEdit, PolicySet};
use crate::error::{Error, Result};
use crate::iam::arn::Arn;
use crate::iam::json::Source;
use value::Value;

/// A template, read.
#[derive(Debug)]
pub struct Template {
    /// Its file.
    pub path: PathBuf,
    text: String,
    root: Value,
}

const HELP: &str = "a template has `Resources`, each with a `Type` and `Properties`";

/// Whether a YAML text may be a template: other YAML stands beside policies.
pub(super) fn is_yaml_template(text: &str) -> bool {
    let begins = |line: &str| {
        let line = line.trim_start_matches('\u{feff}').trim_start();
        let name = line.split(':').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        line.contains(':') && ["Resources", "AWSTemplateFormatVersion"].contains(&name)
    };
    text.lines().any(begins)
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`Error::Policy`] at the line where it cannot be read.
    pub(super) fn read(path: &Path, text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let template = |root| Self { path: path.to_path_buf(), text: text.to_owned(), root };
        let root = value::read(text).map_err(|(line, message)| template(Value::text("", 1)).error(line, message, HELP))?;
        let template = template(root);
        let Some(resources) = template.root.get("Resources") else {
            return Err(template.error(1, "this template has no `Resources`".to_owned(), HELP));
        };
        for (name, resource) in resources.members() {
            // `Fn::ForEach::...` is a list.
            if resource.get("Type").and_then(Value::as_text).is_none() && !name.starts_with("Fn::") {
                return Err(template.error(resource.line, format!("the resource `{name}` has no `Type`"), HELP));
            }
        }
        Ok(template)
    }

    /// An error at a line of the template.
    fn error(&self, line: usize, message: String, help: &str) -> Error {
        let start = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum::<usize>();
        let written = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let indent = written.len() - written.trim_start().len();
        let range = start + indent..start + written.trim_end().len().max(indent);
        at(Source::new(&self.text).error_in(range, message, Some(help)).into(), &self.path)
    }

    /// Applies the template to a policy set. `original` is the set before any template of the candidate, `account` the account
    /// that it is deployed to; `parameters` are the values of its parameters, and of `AWS::Region` and its kin, by name.
    ///
    /// # Errors
    /// [`Error::Usage`] if the account is not known; [`Error::Policy`] for a document that cannot be given one meaning.
    pub fn apply(
        &self,
        set: &mut PolicySet,
        original: &PolicySet,
        account: Option<&str>,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Applied> {
        let account = self.account(set, account)?;
        let read = resources::Reader::new(self, set, original, &account, parameters).read()?;
        let resources::Found { steps, mut lines, notes, mut organization } = read;
        let mut run = Run::new(set, &self.path);
        run.apply(steps);
        let Run { lines: done, notes: missing, .. } = run;
        lines.extend(done);
        lines.sort_by_key(|(at, _)| *at);
        organization.sort_by_key(|(_, edit): &(String, OrganizationEdit)| edit.phase());
        let changes: Vec<Listed> = lines.into_iter().map(|(_, line)| line).collect();
        let ignored: Vec<Note> = [notes, missing].concat();
        Ok(Applied { changes, ignored, organization })
    }

    /// The names of its parameters.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.root.get("Parameters").into_iter().flat_map(Value::members).map(|(name, _)| name.as_str())
    }

    /// The account that is named, else the only one of the baseline.
    fn account(&self, set: &PolicySet, given: Option<&str>) -> Result<Account> {
        if let Some(id) = given {
            return Account::given(set, id);
        }
        let mut accounts = set.accounts.iter();
        match (accounts.next(), accounts.next()) {
            (Some(only), None) => Account::given(set, only),
            _ => Err(Error::Usage(format!(
                "`{}` does not say which account it is deployed to: add --candidate-account NAME=ID",
                self.path.display()
            ))),
        }
    }
}

/// The account of an ARN.
fn account_of(arn: &str) -> Option<&str> {
    Arn::parse(arn).map(|arn| arn.account)
}
