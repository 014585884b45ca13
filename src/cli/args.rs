//! Arguments as the user types them.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::account::CandidateType;
use crate::iam::PolicyType;
use crate::ingest;
use crate::replay::Shard;

/// Replays AWS CloudTrail logs against the IAM policies you are about to ship, and says who would lose or gain access,
/// why, and how sure it is.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Load log files into an events dataset (Parquet)
    Ingest(Ingest),
    /// Replay every event against the baseline and each candidate, and write a report folder
    Replay(Box<Replay>),
    /// Add up the reports of the shards of a replay
    Merge(Merge),
    /// Render a finished replay again: as a page, for a pull request, a spreadsheet, a code host, a CI server
    Report(Report),
    /// Explain one event: every layer, every statement that came near, every condition with the value it saw
    Explain(Box<Explain>),
    /// Check policies: what cannot be read, what IAM would not store, what hardly is meant
    Check(Check),
    /// Decide hypothetical requests: one JSON object a line in, one a line out
    Simulate(Simulate),
    /// Say what is known of services, actions and condition keys, and which action an event means
    Catalog(Catalog),
    /// Write a synthetic WorkMail estate: logs, account snapshots, candidates
    Generate(Generate),
}

/// More threads than any machine has processors are a slip of the keyboard.
const MOST_THREADS: u64 = 1_024;

#[derive(Debug, Args)]
pub(super) struct Common {
    /// Threads [default: one for each processor]
    #[arg(long, global = true, value_name = "N", help_heading = "Output", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST_THREADS))]
    pub(super) threads: Option<usize>,
    /// When to draw a progress bar
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub(super) progress: When,
    /// When to colour (NO_COLOR is respected)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub(super) color: When,
    /// No progress, remarks, warnings and notes; of `check`, errors alone
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(super) quiet: bool,
    /// Print more of what is done
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(super) verbose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Reading {
    /// The most bytes that one log file may inflate to
    #[arg(long, value_name = "BYTES", default_value_t = ingest::Reading::default().max_inflated)]
    max_inflated: u64,
    /// Keep up to 4 KiB of each record that is skipped, without secrets, in `raw` of skipped.parquet and of the ledger
    #[arg(long)]
    keep_raw: bool,
}

impl Reading {
    /// With the settings of object stores, which stand in the environment as those of the AWS tools do.
    pub(super) fn options(&self) -> ingest::Reading {
        let settings = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let settings = settings.filter(|(name, _)| name.starts_with("AWS_")).collect();
        ingest::Reading { max_inflated: self.max_inflated, keep_raw: self.keep_raw, settings }
    }
}

#[derive(Debug, Args)]
pub(super) struct Ingest {
    /// Log files, folders of them, globs, `-` for standard input, s3://BUCKET/PREFIX, events datasets
    #[arg(required = true, value_name = "LOGS|EVENTS")]
    pub(super) logs: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) reading: Reading,
    /// The folder of the events dataset: new, empty, or a dataset to add to
    #[arg(short, long, value_name = "EVENTS")]
    pub(super) output: PathBuf,
    /// Hold up to about so many MiB of events in memory; when there are more, days that are complete are written, and the rest waits
    /// on the disk [default: 40 for each thread]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) memory: Option<u32>,
    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(super) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// IAM takes some seconds until a change is everywhere, and records have whole seconds.
const CHANGE_WINDOW: u32 = 60;

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Log files, folders of them, globs, `-` for standard input, s3://BUCKET/PREFIX, events datasets
    #[arg(required = true, value_name = "LOGS|EVENTS")]
    pub(super) logs: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) reading: Reading,
    /// The policies in force: account snapshots, organizations, documents, folders; without it the log is the baseline
    #[arg(long, value_name = "PATH")]
    pub(super) baseline: Vec<PathBuf>,
    /// A draft: a change set (*.toml), a Terraform plan, a CloudFormation template, an account snapshot, an organization, policy documents, or a folder
    #[arg(long, required = true, value_name = "[NAME=]PATH")]
    pub(super) candidate: Vec<String>,
    /// What bare policy documents of a candidate are; service and resource control policies are added at the root
    #[arg(long, value_name = "TYPE", default_value = "identity")]
    pub(super) candidate_type: CandidateTypeArg,
    /// The account of a candidate that is a Terraform plan or a CloudFormation template, where it does not tell it
    #[arg(long, value_name = "NAME=ID")]
    pub(super) candidate_account: Vec<String>,
    /// A parameter of a CloudFormation template, or AWS::Region and its kin; of one candidate alone, or of every template
    #[arg(long, value_name = "[CANDIDATE:]NAME=VALUE")]
    pub(super) parameter: Vec<String>,
    /// Side data that neither log nor snapshot holds, as context.toml in the baseline's folder
    #[arg(long, value_name = "FILE")]
    pub(super) context: Option<PathBuf>,
    /// The report folder: new, empty, or an older report to replace
    #[arg(short, long, value_name = "REPORT")]
    pub(super) output: PathBuf,
    /// Keep the events dataset that the logs are loaded into, outside of the report folder
    #[arg(long, value_name = "EVENTS")]
    pub(super) keep: Option<PathBuf>,
    /// Take layers that no policy file supplies to be absent: scp, rcp, session, endpoint, resource, boundary
    #[arg(long, value_name = "LAYER", value_delimiter = ',')]
    pub(super) assume_absent: Vec<String>,
    /// Within so many seconds of a change of policies that is in the log or between snapshots, either state may have been in force
    #[arg(long, value_name = "SECONDS", default_value_t = CHANGE_WINDOW)]
    pub(super) change_window: u32,
    /// Write the decision on every event too, as decisions.parquet
    #[arg(long, conflicts_with = "shard")]
    pub(super) decisions: bool,
    /// Replay only the events of every Nth principal: shard I of N, to be added up with `retrial merge`
    #[arg(long, value_name = "I/N", conflicts_with_all = ["fail_on", "min_coverage"])]
    pub(super) shard: Option<Shard>,
    #[command(flatten)]
    pub(super) gate: Gate,
    #[command(flatten)]
    pub(super) filters: Filters,
    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(super) format: Format,
}

impl Replay {
    /// What decides the report, as arguments: without where it is written, what is printed and judged, and which part it is.
    pub(super) fn deciding(&self) -> Vec<String> {
        fn push(arguments: &mut Vec<String>, flag: &str, value: impl Into<String>) {
            arguments.extend([flag.to_owned(), value.into()]);
        }
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let mut arguments = vec!["replay".to_owned()];
        if self.reading.max_inflated != ingest::Reading::default().max_inflated {
            push(&mut arguments, "--max-inflated", self.reading.max_inflated.to_string());
        }
        if self.reading.keep_raw {
            arguments.push("--keep-raw".to_owned());
        }
        self.baseline.iter().for_each(|baseline| push(&mut arguments, "--baseline", path(baseline)));
        self.candidate.iter().for_each(|candidate| push(&mut arguments, "--candidate", candidate));
        if self.candidate_type != CandidateTypeArg::Identity {
            push(&mut arguments, "--candidate-type", self.candidate_type.name());
        }
        self.candidate_account.iter().for_each(|account| push(&mut arguments, "--candidate-account", account));
        self.parameter.iter().for_each(|parameter| push(&mut arguments, "--parameter", parameter));
        self.context.iter().for_each(|context| push(&mut arguments, "--context", path(context)));
        self.keep.iter().for_each(|keep| push(&mut arguments, "--keep", path(keep)));
        self.assume_absent.iter().for_each(|layer| push(&mut arguments, "--assume-absent", layer));
        if self.change_window != CHANGE_WINDOW {
            push(&mut arguments, "--change-window", self.change_window.to_string());
        }
        if self.decisions {
            arguments.push("--decisions".to_owned());
        }
        let Filters { since, until, account, region, service, principal } = &self.filters;
        let filters = [("--account", account), ("--region", region), ("--service", service), ("--principal", principal)].into_iter();
        since.iter().for_each(|since| push(&mut arguments, "--since", since));
        until.iter().for_each(|until| push(&mut arguments, "--until", until));
        filters.for_each(|(flag, values)| values.iter().for_each(|value| push(&mut arguments, flag, value)));
        arguments.push("--".to_owned());
        arguments.extend(self.logs.iter().map(path));
        arguments
    }
}

#[derive(Debug, Args)]
pub(super) struct Merge {
    /// The reports of all shards of one replay
    #[arg(required = true, value_name = "REPORT")]
    pub(super) reports: Vec<PathBuf>,
    /// The report folder: new, empty, or an older report to replace
    #[arg(short, long, value_name = "REPORT")]
    pub(super) output: PathBuf,
    #[command(flatten)]
    pub(super) gate: Gate,
    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Report {
    /// The report folder of a replay
    #[arg(value_name = "REPORT")]
    pub(super) report: PathBuf,
    /// What to render
    #[arg(long, value_name = "FORMAT", default_value = "terminal")]
    pub(super) format: ReportFormat,
    /// The file to write; standard output without it
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// The summary that a replay prints
    Terminal,
    /// One self-contained page
    Html,
    /// What fits into a pull-request comment
    Markdown,
    /// The manifest and what changes
    Json,
    /// Every row of the changes
    Csv,
    /// SARIF 2.1.0: code hosts show it at the line of the policy
    Sarif,
    /// JUnit XML: a suite for each candidate, a case for each principal
    Junit,
}

impl ReportFormat {
    pub(super) fn format(self) -> crate::report::Format {
        match self {
            Self::Terminal => crate::report::Format::Terminal,
            Self::Html => crate::report::Format::Html,
            Self::Markdown => crate::report::Format::Markdown,
            Self::Json => crate::report::Format::Json,
            Self::Csv => crate::report::Format::Csv,
            Self::Sarif => crate::report::Format::Sarif,
            Self::Junit => crate::report::Format::Junit,
        }
    }
}

/// What makes a run fail.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Gate")]
pub(super) struct Gate {
    /// Exit with 1 if there is more than N (0) of a class, or N% of the events: lost, gained, potentially_lost, ..., unsafe
    #[arg(long, value_name = "CLASS[:N|:N%]")]
    pub(super) fail_on: Vec<String>,
    /// Changes that were looked at and are meant: [[accept]] tables with change, principal, action, reason and expires
    #[arg(long, value_name = "FILE", requires = "fail_on")]
    pub(super) accept: Option<PathBuf>,
    /// Exit with 2 if there is an event on less than this share of the days from the first event to the last
    #[arg(long, value_name = "PERCENT")]
    pub(super) min_coverage: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CandidateTypeArg {
    Identity,
    Boundary,
    Scp,
    Rcp,
}

impl CandidateTypeArg {
    /// As it is typed.
    fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Boundary => "boundary",
            Self::Scp => "scp",
            Self::Rcp => "rcp",
        }
    }

    pub(super) fn candidate_type(self) -> CandidateType {
        match self {
            Self::Identity => CandidateType::Identity,
            Self::Boundary => CandidateType::Boundary,
            Self::Scp => CandidateType::Scp,
            Self::Rcp => CandidateType::Rcp,
        }
    }
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct Filters {
    /// Only events at or after this date or RFC 3339 time (UTC)
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Only events before this date or RFC 3339 time (UTC)
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,
    /// Only events of principals of this account
    #[arg(long, value_name = "ID")]
    pub(super) account: Vec<String>,
    /// Only events of this region
    #[arg(long, value_name = "REGION")]
    pub(super) region: Vec<String>,
    /// Only events of this service, by its IAM prefix
    #[arg(long, value_name = "PREFIX")]
    pub(super) service: Vec<String>,
    /// Only events of principals whose ARN matches; bare candidate documents are for them alone
    #[arg(long, value_name = "GLOB")]
    pub(super) principal: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// A report folder, or log files, folders of them, or events datasets
    #[arg(required = true, value_name = "REPORT|LOGS|EVENTS")]
    pub(super) inputs: Vec<PathBuf>,
    /// The event, by its event id
    #[arg(long, value_name = "ID", required_unless_present = "change", conflicts_with = "change")]
    pub(super) event: Option<String>,
    /// A row of a report's changes.parquet, by its change id
    #[arg(long, value_name = "ID")]
    pub(super) change: Option<String>,
    /// Without a report: the policies in force, as for `replay`
    #[arg(long, value_name = "PATH")]
    pub(super) baseline: Vec<PathBuf>,
    /// Without a report: a draft, as for `replay`
    #[arg(long, value_name = "[NAME=]PATH")]
    pub(super) candidate: Vec<String>,
    /// What bare policy documents of a candidate are
    #[arg(long, value_name = "TYPE", default_value = "identity")]
    pub(super) candidate_type: CandidateTypeArg,
    /// Without a report: the account of a candidate that is a Terraform plan or a CloudFormation template
    #[arg(long, value_name = "NAME=ID")]
    pub(super) candidate_account: Vec<String>,
    /// Without a report: a parameter of a CloudFormation template
    #[arg(long, value_name = "[CANDIDATE:]NAME=VALUE")]
    pub(super) parameter: Vec<String>,
    /// Without a report: side data, as for `replay`
    #[arg(long, value_name = "FILE")]
    pub(super) context: Option<PathBuf>,
    /// Take layers that no policy file supplies to be absent: scp, rcp, session, endpoint, resource, boundary
    #[arg(long, value_name = "LAYER", value_delimiter = ',')]
    pub(super) assume_absent: Vec<String>,
    /// Within so many seconds of a change of policies that is in the log or between snapshots, either state may have been in force
    #[arg(long, value_name = "SECONDS", default_value_t = CHANGE_WINDOW)]
    pub(super) change_window: u32,
    #[command(flatten)]
    pub(super) reading: Reading,
    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(super) format: Format,
}

impl Explain {
    /// The replay that this is a part of.
    pub(super) fn as_replay(&self) -> Replay {
        Replay {
            logs: self.inputs.clone(),
            reading: self.reading,
            baseline: self.baseline.clone(),
            candidate: self.candidate.clone(),
            candidate_type: self.candidate_type,
            candidate_account: self.candidate_account.clone(),
            parameter: self.parameter.clone(),
            context: self.context.clone(),
            output: PathBuf::new(),
            keep: None,
            assume_absent: self.assume_absent.clone(),
            change_window: self.change_window,
            decisions: false,
            shard: None,
            gate: Gate::default(),
            filters: Filters::default(),
            format: self.format,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Policy documents, account snapshots, change sets (*.toml), folders of them
    #[arg(required = true, value_name = "POLICIES")]
    pub(super) policies: Vec<PathBuf>,
    /// What IAM refuses to store and what Access Analyzer calls an error is an error too
    #[arg(long)]
    pub(super) strict: bool,
    /// What bare policy documents are
    #[arg(long = "type", value_name = "TYPE", default_value = "identity")]
    pub(super) policy_type: PolicyTypeArg,
    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(super) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PolicyTypeArg {
    Identity,
    Boundary,
    Session,
    Scp,
    Rcp,
    Resource,
}

impl PolicyTypeArg {
    pub(super) fn policy_type(self) -> PolicyType {
        match self {
            Self::Identity => PolicyType::Identity,
            Self::Boundary => PolicyType::Boundary,
            Self::Session => PolicyType::Session,
            Self::Scp => PolicyType::Scp,
            Self::Rcp => PolicyType::Rcp,
            Self::Resource => PolicyType::Resource,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// The cases, JSON Lines; `-` reads standard input
    #[arg(value_name = "CASES.jsonl|-")]
    pub(super) cases: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Catalog {
    /// An action, an event (SOURCE:NAME, or its name alone), a condition key, a service, a glob; without it all services
    #[arg(value_name = "ACTION|EVENT")]
    pub(super) name: Option<String>,
    /// The name of the event whose source comes before it
    #[arg(value_name = "EVENT_NAME")]
    pub(super) event: Option<String>,
    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Generate {
    /// The folder to write: new or empty
    #[arg(value_name = "OUT")]
    pub(super) output: PathBuf,
    /// Distinct events
    #[arg(long, value_name = "N")]
    pub(super) events: u64,
    /// The seed of all chance: the same seed gives the same bytes
    #[arg(long, value_name = "S")]
    pub(super) seed: u64,
    /// What to write: logs, or for scale a year of many colleagues straight as an events dataset
    #[arg(long = "as", value_name = "FORM", default_value = "logs")]
    pub(super) form: Form,
    /// Write another estate: one account whose policies change M times while the log goes on
    #[arg(long, value_name = "M")]
    pub(super) policy_changes: Option<usize>,
}

/// The forms of an estate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// Logs as a trail delivers them
    Logs,
    /// An events dataset
    Events,
}
