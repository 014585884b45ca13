//! Finds out what a policy path is, from its content, and loads it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::bundle::Policy;
use super::changeset::ChangeSet;
use super::policy_set::{Override, PolicySet};
use super::snapshot;
use crate::error::{Error, Result};
use crate::iam::json::{Kind, Source};
use crate::iam::{Pattern, PolicyType, parse};

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
}

/// What one or more policy paths come to.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The complete set of the snapshots, if there are any.
    pub snapshot: Option<PolicySet>,
    /// Bare documents.
    pub documents: Vec<Arc<Policy>>,
    /// Change sets, to be applied in order on top of another set.
    pub changes: Vec<ChangeSet>,
    /// Every file that was read, sorted by path.
    pub files: Vec<PolicyFile>,
}

/// Loads policy paths: files and folders (walked) of account snapshots, bare documents and change sets.
///
/// # Errors
/// [`Error::Policy`] with its place for what cannot be given one meaning, [`Error::Format`] for files that are none of
/// these, [`Error::Io`].
pub fn load(paths: &[PathBuf]) -> Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut pages: Vec<(PathBuf, snapshot::Page)> = Vec::new();
    for path in paths {
        let files = policy_files(path)?;
        if files.is_empty() {
            return Err(Error::format(path, "holds no policy file (`.json` or `.toml`)"));
        }
        let mut changes = Vec::new();
        for file in files.iter().filter(|file| has_extension(file, "toml")) {
            changes.push(ChangeSet::read(file, &read(file, &mut loaded.files)?)?);
        }
        let mut own: Vec<PathBuf> = Vec::new();
        for change_set in &mut changes {
            own.extend(change_set.load_documents(|file| Ok((read(file, &mut loaded.files)?, file.to_path_buf())))?);
        }
        for file in files.iter().filter(|file| !has_extension(file, "toml") && !own.contains(file)) {
            let text = read(file, &mut loaded.files)?;
            json_file(file, &text, &mut loaded, &mut pages).map_err(|error| at(error, file))?;
        }
        loaded.changes.extend(changes);
    }
    complete_pages(&pages)?;
    loaded.files.sort();
    loaded.files.dedup();
    Ok(loaded)
}

impl Loaded {
    /// The set that a baseline is.
    ///
    /// # Errors
    /// [`Error::Usage`] if it holds change sets, which are edits of something else.
    pub fn into_baseline(self) -> Result<PolicySet> {
        if let Some(change_set) = self.changes.first() {
            return Err(Error::Usage(format!(
                "`{}` is a change set: it goes to --candidate, on top of a --baseline",
                change_set.path.display()
            )));
        }
        let mut set = match self.snapshot {
            Some(set) => set,
            None if self.documents.is_empty() => PolicySet::logged(),
            None => PolicySet::default(),
        };
        if !self.documents.is_empty() {
            set.overrides.push(Override { policies: self.documents, principals: Vec::new(), candidate_type: CandidateType::Identity });
        }
        Ok(set)
    }

    /// The set that a candidate comes to on top of `baseline`.
    ///
    /// # Errors
    /// [`Error::Usage`] for a change set without a policy baseline, and for identity documents without any Allow;
    /// the errors of applying a change set.
    pub fn into_candidate(self, baseline: &PolicySet, candidate_type: CandidateType, principals: &[Pattern]) -> Result<PolicySet> {
        let mut set = self.snapshot.unwrap_or_else(|| baseline.clone());
        for change_set in &self.changes {
            if set.logged {
                let path = change_set.path.display();
                return Err(Error::Usage(format!(
                    "`{path}` changes a policy baseline, and there is none: add --baseline with an account snapshot"
                )));
            }
            change_set.apply(&mut set)?;
        }
        if !self.documents.is_empty() {
            let allows = self.documents.iter().any(|policy| policy.document.has_allow());
            if !allows {
                let name = self.documents.first().map(|policy| policy.name.clone()).unwrap_or_default();
                return Err(Error::Usage(format!(
                    "`{name}` has no Allow statement: in the place of what the principals have it would deny everything; \
                     to add it to what they have, use a change set with `attach`"
                )));
            }
            set.overrides.push(Override { policies: self.documents, principals: principals.to_vec(), candidate_type });
        }
        Ok(set)
    }
}

fn json_file(file: &Path, text: &str, loaded: &mut Loaded, pages: &mut Vec<(PathBuf, snapshot::Page)>) -> Result<()> {
    let text = parse::decode(text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let source = Source::new(text);
    let root = source.root()?;
    if root.kind() != Kind::Object {
        let help = "write one policy document, which begins with `{`, or an account snapshot; give each document a file of its own";
        return Err(source.error(&root, format!("a policy file is an object, not {}", root.kind()), Some(help)).into());
    }
    let members = root.members(&source)?;
    let has = |name: &str| members.iter().any(|(member, _)| member == name);
    if snapshot::LISTS.iter().any(|list| has(list)) {
        let set = loaded.snapshot.get_or_insert_with(PolicySet::default);
        pages.push((file.to_path_buf(), snapshot::read(&source, &members, file, set)?));
        return Ok(());
    }
    let later = [
        ("management_account", "an organization file"),
        ("resource_changes", "a Terraform plan"),
        ("planned_values", "a Terraform plan"),
        ("Resources", "a CloudFormation template"),
    ];
    if let Some((_, kind)) = later.iter().find(|(member, _)| has(member)) {
        return Err(Error::format(
            file,
            format!("looks like {kind}, which this version cannot read yet: express the change as a change set (`*.toml`)"),
        ));
    }
    if !["Statement", "Version", "Id"].iter().any(|element| has(element)) && !has("statement") {
        let known = "an account snapshot (`aws iam get-account-authorization-details`) nor a policy document with `Statement`";
        let help = match ["PolicyVersion", "PolicyDocument", "Policy"].into_iter().find(|name| has(name)) {
            Some(name) => format!("give the document inside `{name}` a file of its own"),
            None => "take it out of the folder, or name the policy files one by one".to_owned(),
        };
        return Err(source.error(&root, format!("this file is neither {known}"), Some(&help)).into());
    }
    let document = parse::document(text, PolicyType::Identity)?;
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    loaded.documents.push(Arc::new(Policy { name, file: Some(file.to_path_buf()), document }));
    Ok(())
}

/// Every account with a page that announces another needs one that ends the series.
fn complete_pages(pages: &[(PathBuf, snapshot::Page)]) -> Result<()> {
    let mut open: BTreeMap<&str, &Path> = BTreeMap::new();
    for (file, page) in pages.iter().filter(|(_, page)| page.truncated) {
        open.extend(page.accounts.iter().map(|account| (account.as_str(), file.as_path())));
    }
    for (_, page) in pages.iter().filter(|(_, page)| !page.truncated) {
        page.accounts.iter().for_each(|account| {
            open.remove(account.as_str());
        });
    }
    match open.into_iter().next() {
        None => Ok(()),
        Some((account, file)) => Err(Error::format(
            file,
            format!(
                "`IsTruncated` is true and the next page of account {account} is not there: collect all pages (`aws iam get-account-authorization-details` without `--max-items` or `--no-paginate`)"
            ),
        )),
    }
}

/// The `.json` and `.toml` files of a path, sorted; a file named directly is taken whatever its name.
pub(crate) fn policy_files(path: &Path) -> Result<Vec<PathBuf>> {
    let metadata = std::fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in ignore::WalkBuilder::new(path).standard_filters(false).build() {
        let entry = entry.map_err(|error| Error::format(path, error.to_string()))?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        if is_file && (has_extension(entry.path(), "json") || has_extension(entry.path(), "toml")) {
            files.push(entry.into_path());
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file name ends so, in any letter case.
pub(crate) fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

fn read(path: &Path, files: &mut Vec<PolicyFile>) -> Result<String> {
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
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
