//! Finds out what a policy path is, from its content, and loads it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::bundle::Policy;
use super::changeset::ChangeSet;
use super::cloudformation::{self, Template};
use super::deployment::Applied;
use super::history::{Snapshots, Taken};
use super::organization::{ControlType, Organization};
use super::policy_set::{Override, PolicySet};
use super::reading::{Reading, complete_pages, same_file};
use super::side_data::{SideData, is_side_data};
use super::terraform::TerraformPlan;
use crate::error::{Error, Result};
use crate::iam::json::Source;
use crate::iam::{Pattern, PolicyType};

/// A policy file that was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyFile {
    /// Its path as given or found.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What bare documents of a candidate are (`--candidate-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CandidateType {
    /// Identity-based policies: they replace those of the principals.
    #[default]
    Identity,
    /// The permissions boundary of the principals.
    Boundary,
    /// Service control policies, added at the root of every organization.
    Scp,
    /// Resource control policies, added at the root of every organization.
    Rcp,
}

impl CandidateType {
    /// What the documents are parsed as.
    pub fn policy_type(self) -> PolicyType {
        match self {
            Self::Identity => PolicyType::Identity,
            Self::Boundary => PolicyType::Boundary,
            Self::Scp => PolicyType::Scp,
            Self::Rcp => PolicyType::Rcp,
        }
    }
}

/// What a candidate's edits touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// A line for each change of who may do what.
    pub changes: Vec<String>,
    /// What of a plan is not replayed because it is about something else.
    pub passed_over: Vec<String>,
    /// What of a plan would change who may do what, and could not be followed: the candidate is not the whole of it.
    pub unresolved: Vec<String>,
}

/// What one or more policy paths come to.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The complete set of the snapshots, if there are any.
    pub snapshot: Option<PolicySet>,
    /// Organizations.
    pub organizations: Vec<Organization>,
    /// When the snapshots were taken, and those that are older.
    pub snapshots: Snapshots,
    /// Side data.
    pub side_data: SideData,
    /// Bare documents.
    pub documents: Vec<Arc<Policy>>,
    /// Change sets, to be applied in order on top of another set.
    pub changes: Vec<ChangeSet>,
    /// Terraform plans, to be applied in order on top of another set.
    pub plans: Vec<TerraformPlan>,
    /// CloudFormation templates, to be applied in order on top of another set.
    pub templates: Vec<Template>,
    /// Every file that was read, sorted by path.
    pub files: Vec<PolicyFile>,
}

/// Loads policy paths: files and folders (walked) of account snapshots, organizations, bare documents, change sets,
/// Terraform plans and side data.
///
/// # Errors
/// [`Error::Policy`] with its place for what cannot be given one meaning, [`Error::Format`] for files that are none of
/// these, [`Error::Io`].
pub fn load(paths: &[PathBuf]) -> Result<Loaded> {
    load_as(paths, PolicyType::Identity)
}

/// The same, with what bare documents are.
///
/// # Errors
/// Those of [`load`].
pub fn load_as(paths: &[PathBuf], policy_type: PolicyType) -> Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut reading = Reading::new(policy_type);
    for path in paths {
        let files = policy_files(path)?;
        if files.is_empty() {
            return Err(Error::format(path, "holds no policy file (`.json`, `.toml` or `.yaml`)"));
        }
        let mut changes = Vec::new();
        for file in files.iter().filter(|file| has_extension(file, "toml")) {
            let text = read(file, &mut loaded.files)?;
            if is_side_data(file) {
                let side_data = SideData::read(file, &text, |file| read(file, &mut loaded.files))?;
                reading.own.extend(side_data.documents.values().map(|(file, _)| same_file(file)));
                let taken = side_data.taken_at.map(Taken::at).zip(file.parent());
                reading.taken.extend(taken.map(|(taken, folder)| (folder.to_path_buf(), taken)));
                loaded.side_data.extend(side_data);
            } else {
                changes.push(ChangeSet::read(file, &text)?);
            }
        }
        for change_set in &mut changes {
            let own = change_set.load_documents(|file| Ok((read(file, &mut loaded.files)?, file.to_path_buf())))?;
            reading.own.extend(own.iter().map(|file| same_file(file)));
        }
        for file in files.iter().filter(|file| !has_extension(file, "toml")) {
            if reading.own.contains(&same_file(file)) {
                continue;
            }
            let text = read(file, &mut loaded.files)?;
            if may_be_yaml(file) && !text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
                // Other YAML stands beside policies; a file that is named directly is meant.
                if cloudformation::is_yaml_template(&text) || file == path {
                    loaded.templates.push(Template::read(file, &text)?);
                } else {
                    loaded.files.pop();
                }
                continue;
            }
            reading.json_file(file, &text, &mut loaded).map_err(|error| at(error, file))?;
        }
        loaded.changes.extend(changes);
        if loaded.files.is_empty() {
            return Err(Error::format(path, "holds no policy file: of its YAML files none is a template with `Resources`"));
        }
    }
    complete_pages(&reading.pages)?;
    for (taken, outputs) in std::mem::take(&mut reading.outputs) {
        reading.organizations.extend(outputs.build()?.into_iter().map(|organization| (taken, organization)));
    }
    (loaded.snapshot, loaded.organizations, loaded.snapshots) = reading.sorted()?;
    // What an organization file names is its own, wherever it stands in the order.
    for (file, policy) in reading.bare {
        if !reading.own.contains(&same_file(&file)) {
            loaded.documents.push(policy.map_err(|error| at(error, &file))?);
        }
    }
    loaded.files.sort();
    loaded.files.dedup();
    Ok(loaded)
}

/// Reads side data, a file of any name; also the files that were read.
///
/// # Errors
/// [`Error::Policy`] with its place, [`Error::Io`].
pub fn load_context(path: &Path) -> Result<(SideData, Vec<PolicyFile>)> {
    let mut files = Vec::new();
    let text = read(path, &mut files)?;
    let side_data = SideData::read(path, &text, |file| read(file, &mut files))?;
    files.sort();
    files.dedup();
    Ok((side_data, files))
}

impl Loaded {
    /// The set that a baseline is.
    ///
    /// # Errors
    /// [`Error::Usage`] if it holds change sets or plans, which are edits of something else.
    pub fn into_baseline(self) -> Result<PolicySet> {
        if let Some(change_set) = self.changes.first() {
            return Err(Error::Usage(format!(
                "`{}` is a change set: it goes to --candidate, on top of a --baseline",
                change_set.path.display()
            )));
        }
        if let Some(template) = self.templates.first() {
            let path = template.path.display();
            return Err(Error::Usage(format!("`{path}` is a CloudFormation template: it goes to --candidate, on top of a --baseline")));
        }
        if let Some(plan) = self.plans.first() {
            let path = plan.path.display();
            return Err(Error::Usage(format!("`{path}` is a Terraform plan: it goes to --candidate, on top of a --baseline")));
        }
        let mut set = match self.snapshot {
            Some(set) => set,
            None if self.documents.is_empty() && self.organizations.is_empty() => PolicySet::logged(),
            None => PolicySet::default(),
        };
        self.organizations.into_iter().for_each(|organization| set.organizations.insert(organization));
        set.organizations.assert_disjoint()?;
        set.snapshots = Arc::new(self.snapshots);
        if !self.documents.is_empty() {
            set.overrides.push(Override { policies: self.documents, principals: Vec::new(), candidate_type: CandidateType::Identity });
        }
        set.add_side_data(self.side_data);
        Ok(set)
    }

    /// The set that a candidate comes to on top of `baseline`.
    ///
    /// # Errors
    /// [`Error::Usage`] for edits without a policy baseline, for identity documents without any Allow, and for side
    /// data that belongs to the baseline; the errors of applying a change set or a plan.
    pub fn into_candidate(self, baseline: &PolicySet, candidate_type: CandidateType, principals: &[Pattern]) -> Result<PolicySet> {
        self.into_listed_candidate(baseline, candidate_type, principals, &Deployment::default()).map(|(set, _)| set)
    }

    /// The same, with everything that its changes touch. `deployment` says what plans and templates do not tell.
    ///
    /// # Errors
    /// Those of [`Self::into_candidate`].
    pub fn into_listed_candidate(
        self,
        baseline: &PolicySet,
        candidate_type: CandidateType,
        principals: &[Pattern],
        deployment: &Deployment,
    ) -> Result<(PolicySet, Touched)> {
        if let Some(part) = self.side_data.shared_part_beyond(&baseline.side_data) {
            return Err(Error::Usage(format!(
                "`{part}` of side data is the same for all policies: write it to `context.toml` in the baseline's folder, or name the file \
                 with --context"
            )));
        }
        let is_snapshot = self.snapshot.is_some();
        let mut set = self.snapshot.unwrap_or_else(|| baseline.clone());
        if is_snapshot {
            // A snapshot says nothing of the organization, nor of what is beside all policies, nor of what was before.
            set.snapshots = Arc::clone(&baseline.snapshots);
            set.organizations = baseline.organizations.clone();
            set.side_data = Arc::clone(&baseline.side_data);
            Arc::clone(&set.side_data).supply(&mut set, true);
        }
        self.organizations.into_iter().for_each(|organization| set.organizations.insert(organization));
        set.organizations.assert_disjoint()?;
        self.side_data.supply(&mut set, true);
        let mut touched = Touched::default();
        let plans = self.plans.iter().map(|plan| &plan.path).chain(self.templates.iter().map(|template| &template.path));
        let edits = self.changes.iter().map(|change_set| &change_set.path).chain(plans.clone());
        if let Some(path) = edits.into_iter().next().filter(|_| set.logged) {
            let path = path.display();
            return Err(Error::Usage(format!(
                "`{path}` changes a policy baseline, and there is none: add --baseline with an account snapshot"
            )));
        }
        if let (Some(plan), Some(document)) = (plans.clone().next(), self.documents.first()) {
            let (plan, document) = (plan.display(), &document.name);
            return Err(Error::Usage(format!(
                "`{plan}` is a plan or template, and the policy document `{document}` beside it would take the place of what all principals \
                 have: name the plan's file itself"
            )));
        }
        for change_set in &self.changes {
            touched.changes.extend(change_set.apply(&mut set)?);
        }
        for plan in &self.plans {
            touched.add(plan.apply(&mut set, deployment.account.as_deref())?, &mut set);
        }
        assert_parameters(&self.templates, deployment)?;
        let original = if self.templates.is_empty() { PolicySet::default() } else { set.clone() };
        for template in &self.templates {
            touched.add(template.apply(&mut set, &original, deployment.account.as_deref(), &deployment.parameters)?, &mut set);
        }
        documents_of_candidate(&mut set, self.documents, candidate_type, principals)?;
        Ok((set, touched))
    }
}

/// What plans and templates do not tell of where they go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployment {
    /// The account of what they do not tell.
    pub account: Option<String>,
    /// Values of a template's parameters, by name.
    pub parameters: BTreeMap<String, String>,
}

/// Every value has a parameter of some template.
fn assert_parameters(templates: &[Template], deployment: &Deployment) -> Result<()> {
    const PSEUDO: [&str; 8] = [
        "AWS::AccountId",
        "AWS::NotificationARNs",
        "AWS::NoValue",
        "AWS::Partition",
        "AWS::Region",
        "AWS::StackId",
        "AWS::StackName",
        "AWS::URLSuffix",
    ];
    let known: BTreeSet<&str> = templates.iter().flat_map(Template::parameters).chain(PSEUDO).collect();
    match deployment.parameters.keys().find(|name| !known.contains(name.as_str())) {
        Some(name) if !templates.is_empty() => {
            let nearest = super::names::nearest(known.iter().copied(), name);
            Err(Error::Usage(format!("`{name}` in --parameter is no parameter of the template; {nearest}")))
        }
        _ => Ok(()),
    }
}

impl Touched {
    /// Adds what a plan touches, and applies its edits of the organization.
    fn add(&mut self, applied: Applied, set: &mut PolicySet) {
        self.changes.extend(applied.changes.iter().map(ToString::to_string));
        for note in &applied.ignored {
            let notes = if note.unresolved { &mut self.unresolved } else { &mut self.passed_over };
            notes.push(note.to_string());
        }
        for (address, edit) in &applied.organization {
            // What the baseline does not know of the organization is said, and costs nothing else of the plan.
            let refused = set.organizations.apply(edit).err().map(|why| format!("{address}: {why}"));
            self.unresolved.extend(refused.filter(|refused| !self.unresolved.contains(refused)));
        }
    }
}

/// Bare documents in the place of what principals have, or at the roots of organizations.
fn documents_of_candidate(
    set: &mut PolicySet,
    documents: Vec<Arc<Policy>>,
    candidate_type: CandidateType,
    principals: &[Pattern],
) -> Result<()> {
    let control = match candidate_type {
        CandidateType::Scp => Some(ControlType::Scp),
        CandidateType::Rcp => Some(ControlType::Rcp),
        CandidateType::Identity | CandidateType::Boundary => None,
    };
    let without_principal = documents.iter().find(|policy| control == Some(ControlType::Rcp) && !policy.document.names_principals());
    if let Some(policy) = without_principal {
        let name = &policy.name;
        return Err(Error::Usage(format!(
            "`{name}` is no resource control policy: a statement names no `Principal`, add \"Principal\": \"*\""
        )));
    }
    if let Some(control) = control {
        documents.iter().for_each(|policy| set.organizations.try_at_roots(control, policy));
        return Ok(());
    }
    if documents.is_empty() {
        return Ok(());
    }
    if !documents.iter().any(|policy| policy.document.has_allow()) {
        let name = documents.first().map(|policy| policy.name.clone()).unwrap_or_default();
        return Err(Error::Usage(format!(
            "`{name}` has no Allow statement: in the place of what the principals have it would deny everything; to add it to what \
             they have, use a change set with `attach`; if it is a service control policy, add --candidate-type scp"
        )));
    }
    set.overrides.push(Override { policies: documents, principals: principals.to_vec(), candidate_type });
    Ok(())
}

/// What files of YAML end in.
const YAML: [&str; 3] = ["yaml", "yml", "template"];

/// The `.json`, `.toml` and YAML files of a path, sorted; a file named directly is taken whatever its name.
pub(crate) fn policy_files(path: &Path) -> Result<Vec<PathBuf>> {
    let metadata = std::fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in ignore::WalkBuilder::new(path).standard_filters(false).build() {
        let entry = entry.map_err(|error| Error::format(path, error.to_string()))?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        let known = ["json", "toml"].iter().any(|extension| has_extension(entry.path(), extension)) || may_be_yaml(entry.path());
        if is_file && known {
            files.push(entry.into_path());
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file is a CloudFormation template in YAML.
pub(crate) fn is_yaml_template(path: &Path) -> bool {
    let is_yaml = YAML.iter().any(|extension| has_extension(path, extension));
    is_yaml && std::fs::read_to_string(path).is_ok_and(|text| cloudformation::is_yaml_template(&text))
}

/// Whether a file may be YAML, by its name.
pub(crate) fn may_be_yaml(path: &Path) -> bool {
    YAML.iter().any(|extension| has_extension(path, extension))
}

/// Whether a file name ends so, in any letter case.
pub(crate) fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

pub(super) fn read(path: &Path, files: &mut Vec<PolicyFile>) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
    let sha256 = hex(&Sha256::digest(&bytes));
    files.push(PolicyFile { path: path.to_path_buf(), sha256, bytes: bytes.len() as u64 });
    text_of(path, bytes)
}

/// The bytes of a policy file as text.
///
/// # Errors
/// [`Error::Policy`] at the first byte that is not UTF-8.
pub(crate) fn text_of(path: &Path, bytes: Vec<u8>) -> Result<String> {
    const SHOWN: usize = 100;
    let big_endian = bytes.starts_with(&[0xFE, 0xFF]) || bytes.first() == Some(&0);
    let mut error = if big_endian || bytes.starts_with(&[0xFF, 0xFE]) || bytes.get(1) == Some(&0) {
        let unit = |pair: &[u8]| pair.try_into().map_or(0, if big_endian { u16::from_be_bytes } else { u16::from_le_bytes });
        let units: Vec<u16> = bytes.chunks(2).take(SHOWN).map(unit).collect();
        let text = String::from_utf16_lossy(&units).replace('\u{feff}', "");
        let help = "save it as UTF-8; PowerShell's `>` writes UTF-16, `| Out-File -Encoding utf8 FILE` does not";
        Source::new(&text).error_in(0..text.len(), "the file is UTF-16 text, not UTF-8", Some(help))
    } else if bytes.starts_with(b"PK\x03\x04") {
        let help = "if it is a saved Terraform plan: `terraform show -json FILE > plan.json`";
        Source::new("").error_in(0..0, "the file is a zip archive, as a saved Terraform plan is, not JSON", Some(help))
    } else if bytes.starts_with(&[0x1F, 0x8B]) {
        Source::new("").error_in(0..0, "the file is compressed (gzip)", Some("decompress it first: `gzip -d FILE`"))
    } else {
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => return Ok(text),
            Err(error) => error,
        };
        let place = bytes.utf8_error().valid_up_to();
        let byte = bytes.as_bytes().get(place).copied().unwrap_or_default();
        let text = String::from_utf8_lossy(bytes.as_bytes());
        Source::new(&text).error_in(place..place, format!("byte 0x{byte:02X} is not UTF-8 text"), Some("save the file as UTF-8"))
    };
    error.path = Some(path.to_path_buf());
    Err(error.into())
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// Puts the file's path into a policy error.
pub(super) fn at(error: Error, file: &Path) -> Error {
    match error {
        Error::Policy(mut inner) => {
            inner.path.get_or_insert_with(|| file.to_path_buf());
            inner.into()
        }
        other => other,
    }
}
