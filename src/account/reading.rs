//! JSON files of policies: what each is, by its content, and what is only there when all are read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bundle::Policy;
use super::cloudformation::Template;
use super::history::{Snapshots, Taken};
use super::load::{Loaded, read};
use super::organization::{self, Organization, OutputKind, Outputs};
use super::policy_set::PolicySet;
use super::snapshot;
use super::terraform::{self, TerraformPlan};
use crate::error::{Error, PolicyError, Result};
use crate::iam::json::{Kind, Node, Source};
use crate::iam::{PolicyType, parse};

/// What is read, until all of it is there.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) policy_type: PolicyType,
    /// Folders whose side data says when what is below them was taken.
    pub(super) taken: Vec<(PathBuf, Taken)>,
    /// Snapshots by the time at which they were taken.
    pub(super) snapshots: BTreeMap<Option<Taken>, PolicySet>,
    /// Organizations, alike.
    pub(super) organizations: Vec<(Option<Taken>, Organization)>,
    pub(super) pages: Vec<(PathBuf, Option<Taken>, snapshot::Page)>,
    /// Outputs of `aws organizations`, alike.
    pub(super) outputs: BTreeMap<Option<Taken>, Outputs>,
    /// Bare documents, or why they are none.
    pub(super) bare: Vec<(PathBuf, Result<Arc<Policy>>)>,
    /// Documents that belong to a change set, an organization file or side data.
    pub(super) own: BTreeSet<PathBuf>,
}

impl Reading {
    /// Nothing is read yet; bare documents will be of a type.
    pub(super) fn new(policy_type: PolicyType) -> Self {
        Self {
            policy_type,
            taken: Vec::new(),
            snapshots: BTreeMap::new(),
            organizations: Vec::new(),
            pages: Vec::new(),
            outputs: BTreeMap::new(),
            bare: Vec::new(),
            own: BTreeSet::new(),
        }
    }

    /// Finds out what a JSON file is, and reads it.
    pub(super) fn json_file(&mut self, file: &Path, text: &str, loaded: &mut Loaded) -> Result<()> {
        let text = parse::decode(text);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        if text.trim_start().starts_with("{\"@level\"") {
            let message = "is the log of `terraform plan -json`, not a plan: `terraform plan -out=tfplan`, then `terraform show -json tfplan > plan.json`";
            return Err(Error::format(file, message));
        }
        let source = Source::new(text);
        let root = source.root()?;
        if root.kind() != Kind::Object {
            let help = "write one policy document, which begins with `{`, or an account snapshot; give each document a file of its own";
            return Err(source.error(&root, format!("a policy file is an object, not {}", root.kind()), Some(help)).into());
        }
        let members = root.members(&source)?;
        let has = |name: &str| members.iter().any(|(member, _)| member == name);
        if organization::is_file(&members) {
            let (found, own) = organization::read_file(&source, &members, file, &mut |file| read(file, &mut loaded.files))?;
            self.own.extend(own.iter().map(|file| same_file(file)));
            self.organizations.push((self.taken(file), found));
            return Ok(());
        }
        // Before snapshots: both have `Policies`.
        if organization::is_tree(&source, &members) {
            let found = organization::read_tree(&source, &members, file)?;
            self.organizations.push((self.taken(file), found));
            return Ok(());
        }
        if let Some(kind) = OutputKind::of(&source, &members, file) {
            let taken = self.taken(file);
            return self.outputs.entry(taken).or_default().read(kind, &source, &members, file);
        }
        if snapshot::LISTS.iter().any(|list| has(list)) {
            let taken = self.taken(file);
            let set = self.snapshots.entry(taken).or_default();
            self.pages.push((file.to_path_buf(), taken, snapshot::read(&source, &members, file, set)?));
            return Ok(());
        }
        if terraform::MEMBERS.iter().any(|member| has(member)) {
            loaded.plans.push(TerraformPlan::read(&source, &root, &members, file)?);
            return Ok(());
        }
        if has("Resources") {
            loaded.templates.push(Template::read(file, text)?);
            return Ok(());
        }
        if !["Statement", "Version", "Id"].iter().any(|element| has(element)) && !has("statement") {
            return Err(neither(&source, &root, &members).into());
        }
        let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let document = parse::document(text, self.policy_type);
        let policy = document.map(|document| Arc::new(Policy { name, file: Some(file.to_path_buf()), document }));
        self.bare.push((file.to_path_buf(), policy.map_err(Error::from)));
        Ok(())
    }
}

impl Reading {
    /// When a file was taken: by the side data of the nearest folder that says so, else by its path.
    fn taken(&self, file: &Path) -> Option<Taken> {
        let above = self.taken.iter().filter(|(folder, _)| file.starts_with(folder));
        let nearest = above.max_by_key(|(folder, _)| folder.components().count());
        nearest.map(|(_, taken)| *taken).or_else(|| Taken::of_path(file))
    }

    /// The newest snapshots and organizations, and what is older.
    ///
    /// # Errors
    /// [`Error::Usage`] for an organization that is there twice.
    pub(super) fn sorted(&mut self) -> Result<(Option<PolicySet>, Vec<Organization>, Snapshots)> {
        let (snapshot, mut snapshots) = Snapshots::sort(std::mem::take(&mut self.snapshots));
        let mut organizations = std::mem::take(&mut self.organizations);
        organizations.sort_by_key(|(taken, _)| std::cmp::Reverse(taken.unwrap_or(Taken::NEWEST)));
        let mut newest: Vec<Organization> = Vec::new();
        let mut seen = BTreeSet::new();
        for (taken, organization) in organizations {
            let (id, taken) = (organization.id.clone(), taken.unwrap_or(Taken::NEWEST));
            if !seen.insert((id.clone(), taken)) {
                return Err(Error::Usage(format!("organization `{id}` is there twice: keep one file of it, or one set of outputs")));
            }
            if newest.iter().any(|known| known.id == id) {
                let mut older = PolicySet::default();
                older.organizations.insert(organization);
                snapshots.older.push((taken, older));
            } else {
                snapshots.organizations.insert(id, taken);
                newest.push(organization);
            }
        }
        snapshots.older.sort_by_key(|(taken, _)| *taken);
        Ok((snapshot, newest, snapshots))
    }
}

/// A path by which a file is known again.
pub(super) fn same_file(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// A file that is nothing that is read.
fn neither<'a>(source: &Source<'a>, root: &Node<'a>, members: &[(std::borrow::Cow<'a, str>, Node<'a>)]) -> PolicyError {
    let has = |name: &str| members.iter().any(|(member, _)| member == name);
    let known = "an account snapshot (`aws iam get-account-authorization-details`), an organization nor a policy document with `Statement`";
    let help = match ["PolicyVersion", "PolicyDocument", "Policy"].into_iter().find(|name| has(name)) {
        Some(name) => format!("give the document inside `{name}` a file of its own"),
        None => "take it out of the folder, or name the policy files one by one".to_owned(),
    };
    source.error(root, format!("this file is neither {known}"), Some(&help))
}

/// Every account with a page that announces another needs one that ends the series.
pub(super) fn complete_pages(pages: &[(PathBuf, Option<Taken>, snapshot::Page)]) -> Result<()> {
    let mut open: BTreeMap<(&str, Option<Taken>), &Path> = BTreeMap::new();
    for (file, taken, page) in pages.iter().filter(|(.., page)| page.truncated) {
        open.extend(page.accounts.iter().map(|account| ((account.as_str(), *taken), file.as_path())));
    }
    for (_, taken, page) in pages.iter().filter(|(.., page)| !page.truncated) {
        page.accounts.iter().for_each(|account| {
            open.remove(&(account.as_str(), *taken));
        });
    }
    match open.into_iter().next() {
        None => Ok(()),
        Some(((account, taken), file))
            if pages.iter().any(|(_, other, page)| *other != taken && page.accounts.iter().any(|a| a == account)) =>
        {
            let why = format!(
                "`IsTruncated` is true, and the other pages of account {account} have another time in their paths: give all pages of \
                 a snapshot the same, or write `taken_at` to a `context.toml` in their folder"
            );
            Err(Error::format(file, why))
        }
        Some(((account, _), file)) => Err(Error::format(
            file,
            format!(
                "`IsTruncated` is true and the next page of account {account} is not there: collect all pages (`aws iam get-account-authorization-details` without `--max-items` or `--no-paginate`)"
            ),
        )),
    }
}
