//! `retrial replay`: the main job.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::args::{self, Filters, Format};
use super::output::{Staged, Temporary};
use super::printer::Printer;
use super::{Exit, ingest as ingest_command};
use crate::account::{Deployment, Loaded, PolicySet, load, load_as, load_context};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::evaluate::{LayerKind, Layers};
use crate::iam::Pattern;
use crate::iam::arn::is_account_id;
use crate::ingest::{Dataset, SkippedRow, ingest};
use crate::replay::{Filter, Manifest, Options, replay_and_hold};
use crate::report::gate::{Accepted, Gate, Judgement};
use crate::report::{Report, counted};

pub(super) fn run(arguments: args::Replay, printer: &Printer) -> Result<Exit> {
    let gate = gate(&arguments.gate)?;
    let options = options(&arguments, printer)?;
    let staged = Staged::new(&arguments.output)?;
    let (dataset, _temporary) = dataset(&arguments, printer)?;
    ingest_command::name_skipped(&SkippedRow::first_of_each(&dataset.ledger.skipped), "skipped.parquet of the report", printer);
    let started = std::time::Instant::now();
    let (mut manifest, held) = replay_and_hold(&dataset, &options, Catalog::builtin(), staged.path(), &printer.bar())?;
    // The program ends soon: freeing what the replay held would only take time.
    std::mem::forget(held);
    manifest.run.insert("seconds".to_owned(), format!("{:.3}", started.elapsed().as_secs_f64()));
    finish(manifest, staged, &arguments.output, arguments.format, &gate, printer)
}

/// Writes what renders the tables, puts the folder in its place, prints the summary, and judges.
pub(super) fn finish(
    mut manifest: Manifest,
    staged: Staged,
    output: &Path,
    format: Format,
    gate: &Gate,
    printer: &Printer,
) -> Result<Exit> {
    manifest.run.insert("threads".to_owned(), rayon::current_num_threads().to_string());
    manifest
        .run
        .insert("command".to_owned(), std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" "));
    manifest.write(&staged.path().join("manifest.json"))?;
    let report = Report::open(staged.path())?;
    write_texts(&report, staged.path(), printer)?;
    staged.publish()?;
    let report = Report::open(output)?;
    match format {
        Format::Text => print_summary(&report, output, printer)?,
        Format::Json => printer.json(&crate::report::json::render(&report)?)?,
    }
    if manifest.counts.events == 0 && manifest.shard.is_none() {
        let why = if manifest.counts.filtered > 0 {
            "the filters let no event through: --principal is a glob over whole ARNs (`*/alice`), --service an IAM prefix (`workmail`)"
        } else {
            "no event could be read: the report lists what was skipped, and why"
        };
        printer.always(&format!("warning: {why}"));
        return Ok(Exit::NotJudged);
    }
    if gate.is_open() {
        return Ok(Exit::Done);
    }
    let judgement = gate.judge(&report)?;
    judgement.lines.iter().for_each(|line| printer.always(line));
    Ok(match judgement {
        Judgement { failed: true, .. } => Exit::Found,
        Judgement { judged: false, .. } => Exit::NotJudged,
        _ => Exit::Done,
    })
}

/// The gate that the arguments say.
pub(super) fn gate(arguments: &args::Gate) -> Result<Gate> {
    let accepted = arguments.accept.as_deref().map(Accepted::read).transpose()?;
    let today = jiff::Timestamp::now().as_microsecond();
    Gate::new(&arguments.fail_on, accepted, arguments.min_coverage, today)
}

/// The dataset to replay: the one that is named, or a temporary one that the logs, and several datasets, are loaded into.
fn dataset(arguments: &args::Replay, printer: &Printer) -> Result<(Dataset, Option<Temporary>)> {
    if let Some(only) = only_dataset(&arguments.logs) {
        return match &arguments.keep {
            None => Ok((Dataset::open(only)?, None)),
            Some(_) => Err(Error::Usage(format!(
                "`{}` is an events dataset already, and --keep is for what is loaded of logs: leave it out",
                only.display()
            ))),
        };
    }
    if let Some(keep) = arguments.keep.as_deref().filter(|keep| is_inside(keep, &arguments.output)) {
        return Err(Error::Usage(format!(
            "--keep `{}` lies in the report folder `{}`, which this run replaces: give --keep another folder",
            keep.display(),
            arguments.output.display()
        )));
    }
    let temporary = if arguments.keep.is_none() { Some(Temporary::new(&arguments.output)?) } else { None };
    let path = arguments.keep.as_deref().or(temporary.as_ref().map(|temporary| temporary.0.as_path())).unwrap_or(Path::new("."));
    let mut dataset = Dataset::open_or_create(path)?;
    let ingested = ingest(&arguments.logs, &arguments.reading.options(), &mut dataset, Catalog::builtin(), &printer.bar())?;
    printer.detail(&format!("loaded {} from {}", counted(ingested.records, "record"), counted(ingested.files, "file")));
    if !ingested.passed_over.is_empty() {
        let files = counted(ingested.passed_over.len() as u64, "file");
        printer.warn(&format!("{files} passed over, since they do not look like logs"));
        ingest_command::name_passed_over(&ingested, printer);
    }
    ingest_command::name_unknown(&ingested, printer);
    ingest_command::name_not_utf8(&ingested, printer);
    Ok((dataset, temporary))
}

/// The dataset that is all of the paths.
pub(super) fn only_dataset(paths: &[PathBuf]) -> Option<&Path> {
    match paths {
        [only] if Dataset::is_at(only) => Some(only),
        _ => None,
    }
}

/// Whether a path is a folder or lies in it, neither of which has to be there.
fn is_inside(path: &Path, folder: &Path) -> bool {
    let real = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let there = path.ancestors().find_map(|parent| Some((parent, parent.canonicalize().ok()?)));
        there.map_or_else(|| path.clone(), |(parent, real)| path.strip_prefix(parent).map_or_else(|_| path.clone(), |rest| real.join(rest)))
    };
    real(path).starts_with(real(folder))
}

pub(super) fn options(arguments: &args::Replay, printer: &Printer) -> Result<Options> {
    let principals: Vec<Pattern> = arguments.filters.principal.iter().map(|glob| Pattern::glob(glob)).collect();
    let mut policy_files = Vec::new();
    let mut baseline = if arguments.baseline.is_empty() || arguments.baseline == [PathBuf::from("logged")] {
        PolicySet::logged()
    } else {
        let loaded = load(&arguments.baseline)?;
        policy_files.push(("baseline".to_owned(), loaded.files.clone()));
        loaded.into_baseline()?
    };
    if let Some(context) = &arguments.context {
        let (side_data, files) = load_context(context)?;
        policy_files.push(("context".to_owned(), files));
        if let Some(time) = side_data.taken_at {
            baseline.set_taken_at(time);
        }
        baseline.add_side_data(side_data);
    }
    let candidate_type = arguments.candidate_type.candidate_type();
    let mut accounts = candidate_accounts(&arguments.candidate_account)?;
    let parameters = Parameters::read(&arguments.parameter)?;
    let (mut candidates, mut unresolved) = (Vec::new(), BTreeMap::new());
    let mut names = BTreeSet::from(["baseline".to_owned()]);
    let mut any_template = false;
    for text in &arguments.candidate {
        let (name, path) = candidate_name(text)?;
        if !names.insert(name.clone()) {
            return Err(Error::Usage(format!("the name `{name}` is taken: name the candidate with --candidate NAME=PATH")));
        }
        let loaded = load_as(std::slice::from_ref(&path), candidate_type.policy_type())?;
        policy_files.push((name.clone(), loaded.files.clone()));
        warn_of_missing_accounts(&name, &loaded, &baseline, printer);
        let account = accounts.remove(&name);
        let has_plan = !loaded.plans.is_empty() || !loaded.templates.is_empty();
        let has_template = !loaded.templates.is_empty();
        any_template |= has_template;
        if account.is_some() && !has_plan {
            return Err(Error::Usage(format!(
                "--candidate-account names `{name}`, which is no Terraform plan and no CloudFormation template: leave it out"
            )));
        }
        let values = if has_template { parameters.of(&name) } else { BTreeMap::new() };
        if !has_template && parameters.by_candidate.contains_key(&name) {
            return Err(Error::Usage(format!("--parameter names `{name}`, which is no CloudFormation template: leave it out")));
        }
        let deployment = Deployment { account, parameters: values };
        let (set, touched) = loaded.into_listed_candidate(&baseline, candidate_type, &principals, &deployment)?;
        touched.changes.iter().for_each(|line| printer.detail(&format!("{name}: {line}")));
        touched.passed_over.iter().for_each(|line| printer.detail(&format!("{name}: not replayed: {line}")));
        touched
            .unresolved
            .iter()
            .for_each(|line| printer.warn(&format!("candidate `{name}` is not the whole of its plan or template: {line}")));
        if has_plan && touched.changes.is_empty() {
            printer.warn(&format!("candidate `{name}`: it changes nothing that a decision depends on"));
        }
        if !touched.unresolved.is_empty() {
            unresolved.insert(name.clone(), touched.unresolved);
        }
        candidates.push((name, set));
    }
    if parameters.by_candidate.contains_key("") && !any_template {
        return Err(Error::Usage("--parameter is for CloudFormation templates, and no candidate is one: leave it out".to_owned()));
    }
    if let Some(name) = parameters.unused(&names) {
        return Err(Error::Usage(format!("`{name}` in --parameter is no candidate: name one of those of --candidate")));
    }
    if let Some((name, _)) = accounts.pop_first() {
        return Err(Error::Usage(format!("`{name}` in --candidate-account is no candidate: name one of those of --candidate")));
    }
    Ok(Options {
        baseline,
        candidates,
        unresolved,
        filter: filter(&arguments.filters, principals)?,
        assume_absent: assume_absent(&arguments.assume_absent)?,
        change_window: i64::from(arguments.change_window) * 1_000_000,
        decisions: arguments.decisions,
        shard: arguments.shard,
        policy_files,
        arguments: arguments.deciding(),
    })
}

/// The values of `--parameter [CANDIDATE:]NAME=VALUE`.
struct Parameters {
    /// By candidate; those for every template stand under an empty name.
    by_candidate: BTreeMap<String, BTreeMap<String, String>>,
}

impl Parameters {
    fn read(texts: &[String]) -> Result<Self> {
        let mut by_candidate: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for text in texts {
            let Some((name, value)) = text.split_once('=') else {
                let next = "write NAME=VALUE, or CANDIDATE:NAME=VALUE for one candidate alone";
                return Err(Error::Usage(format!("`{text}` in --parameter has no value: {next}")));
            };
            // `AWS::Region` has colons of its own.
            let (candidate, name) = match name.split_once(':') {
                Some((candidate, name)) if !candidate.eq_ignore_ascii_case("aws") => (candidate, name),
                _ => ("", name),
            };
            if by_candidate.entry(candidate.to_owned()).or_default().insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(Error::Usage(format!("--parameter gives `{name}` twice: keep one of them")));
            }
        }
        Ok(Self { by_candidate })
    }

    /// Those of a candidate: its own, and those for every template.
    fn of(&self, candidate: &str) -> BTreeMap<String, String> {
        let mut all = self.by_candidate.get("").cloned().unwrap_or_default();
        all.extend(self.by_candidate.get(candidate).cloned().unwrap_or_default());
        all
    }

    /// A name that is no candidate's.
    fn unused(&self, candidates: &BTreeSet<String>) -> Option<&str> {
        self.by_candidate.keys().map(String::as_str).find(|name| !name.is_empty() && !candidates.contains(*name))
    }
}

/// The accounts of `NAME=ID`.
fn candidate_accounts(texts: &[String]) -> Result<BTreeMap<String, String>> {
    let mut accounts = BTreeMap::new();
    for text in texts {
        let pair = text.split_once('=').filter(|(_, id)| is_account_id(id));
        let Some((name, id)) = pair else {
            return Err(Error::Usage(format!(
                "`{text}` in --candidate-account is not NAME=ID: the candidate's name and an account id of twelve digits"
            )));
        };
        if accounts.insert(name.to_owned(), id.to_owned()).is_some() {
            return Err(Error::Usage(format!("--candidate-account names `{name}` twice")));
        }
    }
    Ok(accounts)
}

/// A snapshot as candidate says nothing of accounts that it leaves out.
fn warn_of_missing_accounts(name: &str, loaded: &Loaded, baseline: &PolicySet, printer: &Printer) {
    let Some(set) = &loaded.snapshot else { return };
    let missing: Vec<&str> = baseline.accounts.difference(&set.accounts).map(String::as_str).collect();
    if !missing.is_empty() {
        printer.warn(&format!("candidate `{name}` has no snapshot of account {}: nothing is known of it there", missing.join(", ")));
    }
}

/// `NAME=PATH`, or a path whose stem is the name.
fn candidate_name(text: &str) -> Result<(String, PathBuf)> {
    let fits = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if let Some((name, path)) = text.split_once('=').filter(|(name, _)| fits(name)) {
        return Ok((name.to_owned(), PathBuf::from(path)));
    }
    let path = PathBuf::from(text);
    let stem = if path.is_dir() { path.file_name() } else { path.file_stem() };
    let name = stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if fits(&name) {
        return Ok((name, path));
    }
    Err(Error::Usage(format!(
        "`{text}` gives no name for the candidate: write --candidate NAME=PATH, the name of letters, digits, `_` and `-`"
    )))
}

fn filter(filters: &Filters, principals: Vec<Pattern>) -> Result<Filter> {
    let time = |flag: &str, text: &Option<String>| {
        text.as_ref()
            .map(|text| {
                let parsed = crate::iam::condition::date::parse(text).filter(|_| text.len() >= 10);
                parsed.ok_or_else(|| Error::Usage(format!("`{text}` for {flag} is no time: write 2026-01-31 or 2026-01-31T08:00:00Z")))
            })
            .transpose()
    };
    Ok(Filter {
        since: time("--since", &filters.since)?,
        until: time("--until", &filters.until)?,
        accounts: filters.account.clone(),
        regions: filters.region.clone(),
        services: filters.service.iter().map(|prefix| prefix.to_ascii_lowercase()).collect(),
        principals,
    })
}

fn assume_absent(names: &[String]) -> Result<Layers> {
    names.iter().try_fold(Layers::NONE, |layers, name| match LayerKind::parse(name) {
        Some(layer) if layer != LayerKind::Identity => Ok(layers.with(layer)),
        _ => Err(Error::Usage(format!("`{name}` in --assume-absent is no layer: scp, rcp, session, endpoint, resource, boundary"))),
    })
}

#[cfg(feature = "summary")]
fn write_texts(report: &Report, folder: &Path, _: &Printer) -> Result<()> {
    let write = |name: &str, text: String| crate::frame::parquet::write_private(&folder.join(name), &text);
    write("report.md", crate::report::markdown::render(report)?)?;
    write("report.html", crate::report::html::render(report)?)
}

#[cfg(not(feature = "summary"))]
fn write_texts(_: &Report, _: &Path, printer: &Printer) -> Result<()> {
    printer.warn("built without the feature `summary`: the tables and the manifest are written, report.html and report.md are not");
    Ok(())
}

#[cfg(feature = "summary")]
fn print_summary(report: &Report, folder: &Path, printer: &Printer) -> Result<()> {
    let style = crate::report::terminal::Style { width: printer.width(), color: printer.color() };
    printer.out(&crate::report::terminal::render(report, style)?)?;
    printer.say(&format!("\nreport: {} (report.html, report.md, changes.parquet, principals.parquet, ...)", folder.display()));
    Ok(())
}

#[cfg(not(feature = "summary"))]
fn print_summary(report: &Report, folder: &Path, printer: &Printer) -> Result<()> {
    for candidate in &report.manifest.candidates {
        let events: Vec<String> =
            candidate.events.iter().filter(|(_, count)| **count > 0).map(|(change, count)| format!("{count} {change}")).collect();
        printer.out(&format!("{}: {}\n", candidate.name, events.join(", ")))?;
    }
    printer.say(&format!("report: {}", folder.display()));
    Ok(())
}
