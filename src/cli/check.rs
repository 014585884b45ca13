//! `retrial check`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use annotate_snippets::Level;
use serde_json::json;

use super::args::{self, Format};
use super::printer::Printer;
use super::{Exit, diagnostic};
use crate::account;
use crate::account::load::{has_extension, is_yaml_template, may_be_yaml, policy_files, text_of};
use crate::error::{Error, PolicyError, Result};
use crate::iam::PolicyType;
use crate::lint::{self, Diagnostic, FileKind, Severity};
use crate::report::counted;

/// The members of a change that name a document, and what the document is.
const NAMED: [(&str, PolicyType); 5] = [
    ("with", PolicyType::Identity),
    ("attach", PolicyType::Identity),
    ("boundary", PolicyType::Boundary),
    ("scp", PolicyType::Scp),
    ("rcp", PolicyType::Rcp),
];

/// What one run finds.
#[derive(Default)]
struct Found {
    findings: Vec<Diagnostic>,
    /// Files that are not what they should be: no place inside them.
    broken: Vec<Error>,
    /// What cannot be read at all: files and folders that are not there, folders without policies.
    unreadable: Vec<Error>,
}

impl Found {
    fn add(&mut self, error: Error) {
        match error {
            Error::Policy(finding) => {
                let same = |other: &Diagnostic| other.severity == Severity::Error && place(&other.finding) == place(&finding);
                if !self.findings.iter().any(same) {
                    self.findings.push(Diagnostic { severity: Severity::Error, code: "invalid", finding });
                }
            }
            Error::Io { .. } | Error::Nothing(_) => self.unreadable.push(error),
            other => self.broken.push(other),
        }
    }

    fn count(&self, severity: Severity) -> u64 {
        let broken = if severity == Severity::Error { self.broken.len() + self.unreadable.len() } else { 0 };
        (self.findings.iter().filter(|diagnostic| diagnostic.severity == severity).count() + broken) as u64
    }
}

fn place(finding: &PolicyError) -> (Option<&Path>, usize, usize) {
    (finding.path.as_deref(), finding.line, finding.column)
}

pub(super) fn run(arguments: &args::Check, printer: &Printer) -> Result<Exit> {
    let policy_type = arguments.policy_type.policy_type();
    let mut found = Found::default();
    let (documents, change_sets) = files(&arguments.policies, policy_type, &mut found);
    let mut parts = Vec::new();
    for (path, policy_type) in &documents {
        if let Err(error) = check(path, *policy_type, arguments.strict, &mut found, &mut parts) {
            found.add(error);
        }
    }
    // What no single file shows, as a missing page, or a list of what is in no tree.
    if found.count(Severity::Error) == 0 && !parts.is_empty() {
        account::load(&parts).map(drop).unwrap_or_else(|error| found.add(error));
    }
    let counts = Counts::of(&found, documents.len() + change_sets);
    if printer.quiet() {
        found.findings.retain(|diagnostic| diagnostic.severity == Severity::Error);
    }
    let text = match arguments.format {
        Format::Text => text(&found, printer),
        Format::Json => json_text(&found, counts),
    };
    printer.out(&text)?;
    if arguments.format == Format::Text && !printer.quiet() {
        printer.out(&format!("{counts}\n"))?;
    }
    found.unreadable.iter().for_each(|error| printer.error(error));
    match counts.errors {
        _ if !found.unreadable.is_empty() => Ok(Exit::NotJudged),
        0 => Ok(Exit::Done),
        _ => Ok(Exit::Found),
    }
}

/// Lints one file.
fn check(path: &Path, policy_type: PolicyType, strict: bool, found: &mut Found, parts: &mut Vec<PathBuf>) -> Result<()> {
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
    let text = text_of(path, bytes)?;
    let kind = lint::file_kind(&text);
    if kind != FileKind::Other {
        for mut diagnostic in lint::file(&text, policy_type, strict) {
            diagnostic.finding.path = Some(path.to_path_buf());
            // The language does not know the flag.
            if diagnostic.code == "invalid" && diagnostic.finding.pointer.ends_with("Principal") {
                let help = diagnostic.finding.help.get_or_insert_default();
                help.push_str(", or say what the policy is: `--type resource`, `--type rcp`");
            }
            found.findings.push(diagnostic);
        }
    }
    let is_part = matches!(kind, FileKind::Snapshot | FileKind::Organization);
    if is_part {
        parts.push(path.to_path_buf());
    }
    if kind != FileKind::Document {
        // The loader says what is wrong with the rest of the file. What is missing is looked for in all files.
        match account::load(&[path.to_path_buf()]) {
            Err(Error::Format { .. }) if is_part => {}
            other => other?.templates.iter().for_each(|template| template_documents(template, found)),
        }
    }
    Ok(())
}

/// The JSON files to lint and what they are, those that change sets name among them; the number of change sets.
fn files(paths: &[PathBuf], policy_type: PolicyType, found: &mut Found) -> (BTreeMap<PathBuf, PolicyType>, usize) {
    let mut files = BTreeMap::new();
    let mut change_sets = Vec::new();
    for path in paths {
        let listed = match policy_files(path) {
            Ok(listed) => listed,
            Err(error) => {
                found.add(error);
                continue;
            }
        };
        if listed.is_empty() {
            let path = path.display();
            found.add(Error::Nothing(format!("`{path}` holds no policy file: name a folder with `.json` or `.toml` files, or a file")));
        }
        let (sets, documents): (Vec<_>, Vec<_>) = listed.into_iter().partition(|file| has_extension(file, "toml") || may_be_yaml(file));
        // Other YAML stands beside policies.
        change_sets.extend(sets.into_iter().filter(|file| !may_be_yaml(file) || file == path || is_yaml_template(file)));
        files.extend(documents.into_iter().map(|file| (file, policy_type)));
    }
    let in_organizations: Vec<_> = files.keys().flat_map(|file: &PathBuf| named_in_organization(file)).collect();
    in_organizations.into_iter().for_each(|(file, policy_type)| enter(&mut files, file, policy_type));
    for change_set in &change_sets {
        // One that cannot be read names nothing here, and is reported by the loader below.
        for (file, policy_type) in named(change_set).unwrap_or_default() {
            enter(&mut files, file, policy_type);
        }
        match account::load(std::slice::from_ref(change_set)) {
            Ok(loaded) => loaded.templates.iter().for_each(|template| template_documents(template, found)),
            // A document that it names is linted on its own.
            Err(Error::Policy(error)) if error.path.as_ref() != Some(change_set) => {}
            Err(error) => found.add(error),
        }
    }
    (files, change_sets.len())
}

/// The documents of a template are read as they would be in an account of its own.
fn template_documents(template: &account::Template, found: &mut Found) {
    let mut set = account::PolicySet::default();
    let applied = template.apply(&mut set, &account::PolicySet::default(), Some("123456789012"), &BTreeMap::new());
    applied.err().into_iter().for_each(|error| found.add(error));
}

/// Notes what a file is that another one names.
fn enter(files: &mut BTreeMap<PathBuf, PolicyType>, file: PathBuf, policy_type: PolicyType) {
    let same = files.keys().find(|known| known.canonicalize().ok() == file.canonicalize().ok()).cloned();
    files.insert(same.unwrap_or(file), policy_type);
}

/// The documents that an organization file names, and what they are; none of another file.
fn named_in_organization(file: &Path) -> Vec<(PathBuf, PolicyType)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    if lint::file_kind(&text) != FileKind::Organization {
        return Vec::new();
    }
    account::organization::named_documents(&text, file).into_iter().filter(|(file, _)| file.is_file()).collect()
}

/// The documents that a change set names, relative to it, and what they are; nothing of one that is no TOML.
fn named(change_set: &Path) -> Result<Vec<(PathBuf, PolicyType)>> {
    let text = std::fs::read_to_string(change_set).map_err(|error| Error::io("read", change_set, error))?;
    let table: toml::Table = toml::from_str(&text).unwrap_or_default();
    let changes = table.get("change").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let folder = change_set.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut named = Vec::new();
    for change in &changes {
        for (member, policy_type) in NAMED {
            // A policy of an organization: which type it is, only a RCP having a `Principal`.
            let replaced = change.get("replace").and_then(toml::Value::as_str).unwrap_or_default();
            let is_control = member == "with" && replaced.starts_with("p-");
            let name = change.get(member).and_then(toml::Value::as_str).filter(|name| !name.is_empty() && !name.starts_with("arn:"));
            named.extend(name.map(|name| folder.join(name)).filter(|file| file.is_file()).map(|file| {
                let policy_type = if is_control { control_type(&file) } else { policy_type };
                (file, policy_type)
            }));
        }
    }
    Ok(named)
}

/// Whether a document is a service or a resource control policy.
fn control_type(file: &Path) -> PolicyType {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    if text.contains("\"Principal\"") { PolicyType::Rcp } else { PolicyType::Scp }
}

/// How much there is of what.
#[derive(Clone, Copy)]
struct Counts {
    files: usize,
    errors: u64,
    warnings: u64,
    notes: u64,
}

impl Counts {
    fn of(found: &Found, files: usize) -> Self {
        let [errors, warnings, notes] = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| found.count(severity));
        Self { files, errors, warnings, notes }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, errors) = (counted(self.files as u64, "file"), counted(self.errors, "error"));
        write!(f, "{files}: {errors}, {}, {}", counted(self.warnings, "warning"), counted(self.notes, "note"))
    }
}

fn text(found: &Found, printer: &Printer) -> String {
    let mut text = String::new();
    for diagnostic in &found.findings {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        text.push_str(&diagnostic::render_as(level, Some(diagnostic.code), &diagnostic.finding, printer.color()));
        text.push_str("\n\n");
    }
    for error in &found.broken {
        text.push_str(&format!("error[file]: {error}\n\n"));
    }
    text
}

fn json_text(found: &Found, counts: Counts) -> String {
    let finding = |diagnostic: &Diagnostic| {
        let finding = &diagnostic.finding;
        json!({
            "severity": diagnostic.severity.name(), "code": diagnostic.code,
            "path": finding.path.as_ref().map(|path| path.display().to_string()),
            "line": finding.line, "column": finding.column, "pointer": finding.pointer, "excerpt": finding.excerpt,
            "message": finding.message, "help": finding.help,
        })
    };
    let whole = found.broken.iter().chain(&found.unreadable).map(|error| {
        let path = match error {
            Error::Format { path, .. } | Error::Io { path, .. } => Some(path.display().to_string()),
            _ => None,
        };
        json!({
            "severity": "error", "code": "file", "path": path, "line": null, "column": null, "pointer": null, "excerpt": null,
            "message": error.to_string(), "help": null,
        })
    });
    let findings: Vec<serde_json::Value> = found.findings.iter().map(finding).chain(whole).collect();
    let Counts { files, errors, warnings, notes } = counts;
    format!("{:#}\n", json!({ "files": files, "errors": errors, "warnings": warnings, "notes": notes, "findings": findings }))
}
