//! The whole way as a library: the shipped estate ingested, replayed, and its report read again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use retrial::account::{CandidateType, PolicySet, load};
use retrial::arrow::array::{Array as _, RecordBatch, UInt32Array};
use retrial::arrow::compute::{concat_batches, take};
use retrial::arrow::datatypes::DataType;
use retrial::catalog::Catalog;
use retrial::evaluate::{LayerKind, Layers};
use retrial::frame::schema::{CHANGE_COLUMNS, CHANGES, COVERAGE, EVENTS, PRINCIPALS, SKIPPED, STATEMENTS, Table};
use retrial::frame::{EventReader, Grain, parquet, read};
use retrial::ingest::{Dataset, Ingested, Reading, find, ingest};
use retrial::progress::Silent;
use retrial::replay::{Manifest, Options, replay};
use tempfile::TempDir;

const CANDIDATES: [&str; 3] = ["mfa-region-lock", "read-only", "wind-down"];
const TABLES: [&str; 5] = ["changes", "principals", "statements", "coverage", "skipped"];

pub(crate) fn estate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/workmail").join(path)
}

fn readme() -> &'static str {
    include_str!("../../datasets/workmail/README.md")
}

/// What the estate's README says in its table: the numbers of a row, in order.
fn stated(row: &str) -> Vec<u64> {
    let line = readme().lines().find(|line| line.starts_with(&format!("| {row} |"))).unwrap();
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// The ids of the planted contradictions: the first code span of each item of its list.
fn planted() -> BTreeSet<String> {
    let section = readme().split("planted contradictions").nth(1).unwrap().split("\n## ").next().unwrap();
    section.lines().filter_map(|line| Some(line.strip_prefix("- `")?.split_once('`')?.0.to_owned())).collect()
}

pub(crate) fn baseline() -> PolicySet {
    load(&[estate("policies/baseline")]).unwrap().into_baseline().unwrap()
}

fn candidate(name: &str, baseline: &PolicySet) -> PolicySet {
    load(&[estate("policies").join(name)]).unwrap().into_candidate(baseline, CandidateType::Identity, &[]).unwrap()
}

pub(crate) fn options() -> Options {
    let baseline = baseline();
    let candidates = CANDIDATES.map(|name| (name.to_owned(), candidate(name, &baseline))).into();
    Options { baseline, candidates, ..Options::default() }
}

fn load_logs(folder: &Path, paths: &[PathBuf]) -> (Dataset, Ingested) {
    let mut dataset = Dataset::open_or_create(folder).unwrap();
    let ingested = ingest(paths, &Reading::default(), &mut dataset, Catalog::builtin(), &Silent).unwrap();
    (dataset, ingested)
}

pub(crate) fn replay_into(folder: &Path, dataset: &Dataset, options: &Options) -> Manifest {
    std::fs::create_dir_all(folder).unwrap();
    replay(dataset, options, Catalog::builtin(), folder, &Silent).unwrap()
}

pub(crate) fn table(folder: &Path, name: &str) -> RecordBatch {
    let path = folder.join(format!("{name}.parquet"));
    concat_batches(&parquet::schema(&path).unwrap(), &parquet::read(&path, None).unwrap()).unwrap()
}

/// The shipped estate, loaded, and the report of its three candidates.
pub(crate) struct Estate {
    folder: TempDir,
    pub(crate) dataset: Dataset,
    ingested: Ingested,
    manifest: Manifest,
    pub(crate) changes: RecordBatch,
    principals: RecordBatch,
}

impl Estate {
    fn report(&self) -> PathBuf {
        self.folder.path().join("report")
    }
}

/// Loaded once. Statics are not dropped, so the folder stays behind, in the target folder, until a later run removes it.
pub(crate) fn shipped() -> &'static Estate {
    static ESTATE: OnceLock<Estate> = OnceLock::new();
    ESTATE.get_or_init(|| {
        const PREFIX: &str = "replay-";
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
        std::fs::create_dir_all(scratch).unwrap();
        for entry in std::fs::read_dir(scratch).unwrap().flatten() {
            let age = entry.metadata().and_then(|metadata| metadata.modified()).map(|time| SystemTime::now().duration_since(time));
            let is_old = matches!(age, Ok(Ok(age)) if age > Duration::from_secs(600));
            if is_old && entry.file_name().to_string_lossy().starts_with(PREFIX) {
                // Another run may remove it at the same time.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(scratch).unwrap();
        let (dataset, ingested) = load_logs(&folder.path().join("events"), &[estate("logs")]);
        let report = folder.path().join("report");
        let manifest = replay_into(&report, &dataset, &options());
        let (changes, principals) = (table(&report, "changes"), table(&report, "principals"));
        Estate { folder, dataset, ingested, manifest, changes, principals }
    })
}

/// A row of `changes.parquet`, by column name.
#[derive(Clone, Copy)]
struct Row<'b> {
    batch: &'b RecordBatch,
    row: usize,
}

impl<'b> Row<'b> {
    fn text(self, column: &str) -> &'b str {
        read::get(read::text(self.batch, column).unwrap(), self.row).unwrap_or("")
    }

    fn int(self, column: &str) -> u64 {
        u64::try_from(read::int(self.batch, column).unwrap().value(self.row)).unwrap()
    }

    fn texts(self, column: &str) -> Vec<String> {
        read::texts(&read::list(self.batch, column).unwrap().value(self.row))
    }
}

fn rows(batch: &RecordBatch) -> impl Iterator<Item = Row<'_>> {
    (0..batch.num_rows()).map(move |row| Row { batch, row })
}

/// The changes of a candidate in one class.
fn changes(candidate: &'static str, change: &'static str) -> impl Iterator<Item = Row<'static>> {
    rows(&shipped().changes).filter(move |row| row.text("candidate") == candidate && row.text("change") == change)
}

#[test]
fn everything_that_came_in_is_accounted_for() {
    let counts = &shipped().manifest.counts;
    assert_eq!(counts.records, counts.duplicates + counts.filtered + counts.skipped + counts.events);
    assert_eq!(counts.events, counts.replayed + counts.not_replayed.values().sum::<u64>());
    assert!(counts.replayed > 0 && counts.filtered == 0 && counts.skipped == 0 && counts.id_conflicts == 0);
    shipped().manifest.check().unwrap();
    assert_eq!(Manifest::read(&shipped().report().join("manifest.json")).unwrap(), shipped().manifest);
}

#[test]
fn the_estate_has_the_events_duplicates_and_files_that_its_readme_states() {
    let [events, duplicates] = stated("events")[..] else { panic!("the README states events and duplicates") };
    let counts = &shipped().manifest.counts;
    // Calls from another account, of which both accounts have a record: one of the two counts.
    const SHARED: u64 = 8;
    assert_eq!((counts.events + SHARED, counts.duplicates, counts.records), (events, duplicates + SHARED, events + duplicates));
    assert!(duplicates > 0);
    let files = stated("log files")[0];
    let &Ingested { files: read, already_loaded, records, .. } = &shipped().ingested;
    assert_eq!((read, already_loaded, records), (files, 0, events + duplicates));
    assert_eq!(shipped().manifest.inputs.len() as u64, files);
}

#[test]
fn the_decisions_on_all_events_add_up_to_the_changes() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options();
    options.decisions = true;
    let manifest = replay_into(folder.path(), &shipped().dataset, &options);
    let changes = [folder.path(), &shipped().report()].map(|folder| std::fs::read(folder.join("changes.parquet")).unwrap());
    assert!(changes[0] == changes[1], "they change no other table");
    let decisions = table(folder.path(), "decisions");
    assert_eq!(decisions.num_rows() as u64, manifest.counts.events * CANDIDATES.len() as u64);
    let mut events: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut not_replayed: BTreeMap<String, u64> = BTreeMap::new();
    let mut before: Option<(i64, &str, &str)> = None;
    for row in rows(&decisions) {
        let time = read::time(&decisions, "event_time").unwrap().value(row.row);
        let key = (time, row.text("event_id"), row.text("candidate"));
        assert!(before.is_none_or(|before| before < key), "{before:?} {key:?}");
        before = Some(key);
        match row.text("not_replayed") {
            reason if !reason.is_empty() => {
                assert_eq!([row.text("change"), row.text("change_id"), row.text("candidate_decision")], [""; 3]);
                *not_replayed.entry(reason.to_owned()).or_default() += 1;
            }
            _ => *events.entry((row.text("change_id"), row.text("change"))).or_default() += 1,
        }
    }
    let expected = rows(&shipped().changes).map(|row| ((row.text("change_id"), row.text("change")), row.int("events")));
    assert_eq!(events, expected.collect());
    let each = manifest.counts.not_replayed.into_iter().map(|(reason, count)| (reason, count * CANDIDATES.len() as u64));
    assert_eq!(not_replayed, each.collect());
}

#[test]
fn the_change_that_the_readme_explains_is_there() {
    let readme = include_str!("../../README.md");
    let named: BTreeSet<&str> = readme.split("--change ").skip(1).filter_map(|rest| rest.get(..16)).collect();
    let named: Vec<&str> = named.into_iter().filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit())).collect();
    assert!(!named.is_empty());
    for id in named {
        assert!(rows(&shipped().changes).any(|row| row.text("change_id") == id), "{id}");
    }
}

#[test]
fn the_changes_of_each_candidate_add_up_to_what_was_replayed() {
    let Estate { manifest, changes, .. } = shipped();
    for summary in &manifest.candidates {
        let (mut requests, mut events): (BTreeMap<&str, u64>, BTreeMap<&str, u64>) = Default::default();
        for row in rows(changes).filter(|row| row.text("candidate") == summary.name) {
            *requests.entry(row.text("change")).or_default() += 1;
            *events.entry(row.text("change")).or_default() += row.int("events");
        }
        assert_eq!(events.values().sum::<u64>(), manifest.counts.replayed, "{}", summary.name);
        for class in CHANGE_COLUMNS {
            let found = (requests.get(class).copied().unwrap_or(0), events.get(class).copied().unwrap_or(0));
            assert_eq!(found, (summary.requests[class], summary.events[class]), "{}: {class}", summary.name);
        }
        assert!(events.keys().all(|class| CHANGE_COLUMNS.contains(class)), "{}: {events:?}", summary.name);
    }
    assert_eq!(manifest.candidate_names(), BTreeSet::from(CANDIDATES));
}

#[test]
fn the_principals_add_up_to_the_changes() {
    let Estate { manifest, principals, .. } = shipped();
    for summary in &manifest.candidates {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        let mut arns = BTreeSet::new();
        for row in rows(principals).filter(|row| row.text("candidate") == summary.name) {
            let classes: u64 = CHANGE_COLUMNS.iter().map(|class| row.int(class)).sum();
            assert_eq!(classes, row.int("events"), "{}: {}", summary.name, row.text("principal_arn"));
            CHANGE_COLUMNS.iter().for_each(|class| *sums.entry(*class).or_default() += row.int(class));
            assert!(arns.insert(row.text("principal_arn")), "{}: {} stands twice", summary.name, row.text("principal_arn"));
        }
        for (class, events) in &summary.events {
            assert_eq!(sums.get(class.as_str()), Some(events), "{}: {class}", summary.name);
        }
    }
}

#[test]
fn agreement_adds_up_and_counts_the_planted_contradictions() {
    let agreement = shipped().manifest.agreement.unwrap();
    assert_eq!(agreement.events, agreement.agree + agreement.explained_by_opaque + agreement.open + agreement.contradict);
    assert!(agreement.events <= shipped().manifest.counts.replayed);
    assert_eq!(agreement.contradict, planted().len() as u64);
}

#[test]
fn change_ids_are_unique() {
    let mut seen = BTreeSet::new();
    for row in rows(&shipped().changes) {
        let id = row.text("change_id");
        assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id:?} is not 16 hex digits");
        assert!(seen.insert(id), "{id} stands twice");
    }
}

#[test]
fn the_rows_are_described_in_full() {
    for row in rows(&shipped().changes) {
        let id = row.text("change_id");
        for column in ["change", "change_from_log", "baseline_decision", "candidate_decision", "observed", "account_id", "action"] {
            assert_ne!(row.text(column), "", "{id}: {column}");
        }
        assert!(row.int("events") >= 1 && row.int("days_seen") >= 1, "{id}");
        let samples = row.texts("sample_event_ids").len() as u64;
        assert!(samples == row.int("events").min(5), "{id}: {samples} samples of {} events", row.int("events"));
        let contradicted = row.text("change") == "baseline_contradicted";
        assert_eq!(contradicted, !row.text("contradiction").is_empty(), "{id}: contradiction");
        if row.text("change") == "lost" {
            assert_ne!(row.text("candidate_reason"), "", "{id}: a loss has a reason");
        }
        if row.text("change") == "undetermined" || row.text("change").starts_with("potentially_") {
            assert!(!row.texts("missing_keys").is_empty() || row.text("observed") != "success", "{id}: what is missing is named");
        }
    }
}

#[test]
fn every_candidate_is_contradicted_by_the_planted_events_and_no_others() {
    let planted = planted();
    assert_eq!(planted.len(), 5, "the README lists five");
    for candidate in CANDIDATES {
        let found: Vec<Row<'_>> = changes(candidate, "baseline_contradicted").collect();
        assert_eq!(found.iter().map(|row| row.int("events")).sum::<u64>(), 5, "{candidate}");
        let ids: BTreeSet<String> = found.iter().flat_map(|row| row.texts("sample_event_ids")).collect();
        assert_eq!(ids, planted, "{candidate}");
        assert!(found.iter().all(|row| row.text("contradiction") == "success_but_implicit_deny"), "{candidate}");
    }
}

#[test]
fn every_candidate_takes_something_away() {
    for summary in &shipped().manifest.candidates {
        assert!(summary.events["lost"] > 0 && summary.requests["lost"] > 0, "{} loses nothing", summary.name);
    }
}

#[test]
fn the_region_lock_takes_list_roles_since_its_region_is_always_us_east_1() {
    let lost: Vec<Row<'_>> = changes("mfa-region-lock", "lost").filter(|row| row.text("action") == "iam:ListRoles").collect();
    assert!(lost.iter().all(|row| row.text("region") == "us-east-1"));
    let of_erin: Vec<&Row<'_>> = lost.iter().filter(|row| row.text("principal_arn").ends_with("user/mail/erin.wolf")).collect();
    assert!(!of_erin.is_empty(), "Erin has MFA and still loses iam:ListRoles");
    for row in of_erin {
        let reason = row.text("candidate_reason");
        assert!(reason.contains("aws:RequestedRegion"), "{reason}");
    }
}

#[test]
fn an_access_key_has_no_mfa_so_dario_loses_what_needs_it() {
    let of_dario: Vec<Row<'_>> =
        changes("mfa-region-lock", "lost").filter(|row| row.text("principal_arn").ends_with("user/mail/dario.rossi")).collect();
    assert!(of_dario.iter().map(|row| row.int("events")).sum::<u64>() > 0);
    for row in of_dario {
        let reason = row.text("candidate_reason");
        assert!(reason.contains("aws:MultiFactorAuthPresent"), "{}: {reason}", row.text("action"));
    }
}

#[test]
fn read_only_takes_password_resets_from_the_helpdesk() {
    for user in ["bjorn.dahl", "chloe.tan"] {
        let lost = changes("read-only", "lost").filter(|row| row.text("action") == "workmail:ResetPassword");
        let events: u64 =
            lost.filter(|row| row.text("principal_arn").ends_with(&format!("user/mail/{user}"))).map(|row| row.int("events")).sum();
        assert!(events > 0, "{user}");
    }
}

#[test]
fn read_only_gives_helpdesk_reads_from_outside_the_office() {
    let gained: BTreeSet<&str> = ["gained", "potentially_gained"]
        .into_iter()
        .flat_map(|change| changes("read-only", change))
        .filter(|row| row.text("observed") == "access_denied")
        .filter_map(|row| row.text("principal_arn").rsplit('/').next())
        .collect();
    assert!(gained.is_superset(&BTreeSet::from(["bjorn.dahl", "chloe.tan"])), "{gained:?}");
}

#[test]
fn wind_down_denies_the_provisioner_new_users() {
    let lost: Vec<Row<'_>> = changes("wind-down", "lost")
        .filter(|row| {
            row.text("action") == "workmail:CreateUser" && row.text("principal_arn").ends_with("role/automation/MailboxProvisioner")
        })
        .collect();
    assert!(!lost.is_empty());
    for row in lost {
        assert_eq!(row.text("candidate_decision"), "explicit_deny");
        assert_eq!(row.text("candidate_sid"), "NoNewMailboxes");
    }
}

#[test]
fn every_statement_that_a_change_names_is_in_the_table_of_statements() {
    let statements = table(&shipped().report(), "statements");
    let mut known = BTreeSet::new();
    for row in rows(&statements) {
        known.insert((row.text("side"), row.text("policy"), row.int("statement")));
        assert_ne!(row.text("text"), "", "{}: its text", row.text("policy"));
    }
    for row in rows(&shipped().changes) {
        for (side, name) in [("baseline", "baseline"), ("candidate", row.text("candidate"))] {
            if row.text(&format!("{side}_sid")).is_empty() {
                continue;
            }
            let policy = row.text(&format!("{side}_policy"));
            let statement = row.int(&format!("{side}_statement"));
            assert!(known.contains(&(name, policy, statement)), "{name}: statement {statement} of {policy}");
        }
    }
}

#[test]
fn a_policy_set_against_itself_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let baseline = baseline();
    let sets = CANDIDATES.map(|name| (name, candidate(name, &baseline)));
    for (name, set) in [("baseline", baseline.clone())].into_iter().chain(sets) {
        let options = Options { baseline: set.clone(), candidates: vec![("itself".to_owned(), set)], ..Options::default() };
        let folder = dir.path().join(name);
        let manifest = replay_into(&folder, &shipped().dataset, &options);
        assert_eq!(manifest.counts.replayed, shipped().manifest.counts.replayed, "{name}");
        for row in rows(&table(&folder, "changes")) {
            let change = row.text("change");
            assert!(
                change.starts_with("unchanged_") || change == "baseline_contradicted",
                "{name} against itself: {change}: {} of {}, {}",
                row.text("action"),
                row.text("principal_arn"),
                row.text("candidate_reason")
            );
        }
        for row in rows(&table(&folder, "principals")) {
            let changed = read::flag(row.batch, "changed_by_candidate").unwrap().value(row.row);
            assert!(!changed, "{name} against itself changes {}", row.text("principal_arn"));
        }
    }
}

#[test]
fn a_copy_of_the_baseline_that_is_loaded_anew_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { baseline: baseline(), candidates: vec![("copy".to_owned(), baseline())], ..Options::default() };
    let manifest = replay_into(&dir.path().join("report"), &shipped().dataset, &options);
    let changed: Vec<_> = manifest.candidates[0].events.iter().filter(|(_, events)| **events > 0).map(|(change, _)| change).collect();
    assert!(changed.iter().all(|change| change.starts_with("unchanged_") || *change == "baseline_contradicted"), "{changed:?}");
}

/// Asserts that a report has the bytes of the shipped one.
fn assert_equal_bytes(folder: &Path, what: &str) {
    for name in TABLES {
        let file = format!("{name}.parquet");
        let bytes = [shipped().report(), folder.to_path_buf()].map(|folder| std::fs::read(folder.join(&file)).unwrap());
        assert!(bytes[0] == bytes[1], "{file} differs: {what}");
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let dir = tempfile::tempdir().unwrap();
    shipped();
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let folder = dir.path().join(threads.to_string());
            let (dataset, _) = load_logs(&folder.join("events"), &[estate("logs")]);
            replay_into(&folder.join("report"), &dataset, &options());
            assert_equal_bytes(&folder.join("report"), &format!("{threads} threads"));
        });
    }
}

#[test]
fn the_order_and_grouping_of_the_logs_change_no_byte() {
    let dir = tempfile::tempdir().unwrap();
    let mut files: Vec<PathBuf> = find(&[estate("logs")], &Reading::default()).unwrap().files.into_iter().map(|file| file.path).collect();
    assert!(files.len() > 10);
    // An order that is neither the sorted one nor its reverse.
    files.sort_by_key(|path| path.to_string_lossy().bytes().rev().collect::<Vec<_>>());
    let shuffled = dir.path().join("shuffled");
    let (dataset, _) = load_logs(&shuffled.join("events"), &files);
    replay_into(&shuffled.join("report"), &dataset, &options());
    assert_equal_bytes(&shuffled.join("report"), "files in another order");

    let split = dir.path().join("split");
    let (odd, even): (Vec<_>, Vec<_>) = files.into_iter().enumerate().partition(|(index, _)| index % 2 == 1);
    for half in [odd, even] {
        let half: Vec<PathBuf> = half.into_iter().map(|(_, path)| path).collect();
        let (_, ingested) = load_logs(&split.join("events"), &half);
        assert_eq!(ingested.files, half.len() as u64);
    }
    let dataset = Dataset::open(&split.join("events")).unwrap();
    assert_eq!(dataset.ledger.counts, shipped().dataset.ledger.counts, "in two halves");
    replay_into(&split.join("report"), &dataset, &options());
    assert_equal_bytes(&split.join("report"), "logs loaded in two halves");
}

#[test]
fn the_order_of_the_candidates_and_other_candidates_change_no_row() {
    let dir = tempfile::tempdir().unwrap();
    let Options { baseline, mut candidates, .. } = options();
    candidates.reverse();
    let reversed = Options { baseline, candidates, ..Options::default() };
    replay_into(&dir.path().join("reversed"), &shipped().dataset, &reversed);
    assert_equal_bytes(&dir.path().join("reversed"), "candidates in another order");

    let Options { baseline, mut candidates, .. } = options();
    candidates.retain(|(name, _)| name == "wind-down");
    replay_into(&dir.path().join("alone"), &shipped().dataset, &Options { baseline, candidates, ..Options::default() });
    let alone = table(&dir.path().join("alone"), "changes");
    let line = |row: Row<'_>| format!("{} {} {}", row.text("change_id"), row.text("change"), row.int("events"));
    let among: Vec<String> = rows(&shipped().changes).filter(|row| row.text("candidate") == "wind-down").map(line).collect();
    assert_eq!(rows(&alone).map(line).collect::<Vec<_>>(), among);
}

#[test]
fn loading_the_same_logs_again_adds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (before, first) = load_logs(dir.path(), &[estate("logs")]);
    let counts = before.ledger.counts;
    let bytes = |dataset: &Dataset| dataset.files().unwrap().iter().map(|file| std::fs::read(file).unwrap()).collect::<Vec<_>>();
    let files = bytes(&before);

    let (after, second) = load_logs(dir.path(), &[estate("logs")]);
    assert_eq!((second.files, second.records, second.already_loaded), (0, 0, first.files));
    assert_eq!(after.ledger.counts, counts);
    assert_eq!(after.ledger.sources, before.ledger.sources);
    assert!(bytes(&after) == files, "the event files have other bytes");

    // Under another path they are read, and every record is a duplicate.
    let (third, again) = load_logs(dir.path(), &[estate("policies/../logs")]);
    assert_eq!((again.files, again.already_loaded), (first.files, 0));
    let doubled = third.ledger.counts;
    assert_eq!((doubled.events, doubled.records), (counts.events, counts.records * 2));
    assert_eq!(doubled.duplicates, counts.duplicates + counts.records);

    let rows = |dataset: &Dataset| -> usize {
        let batches = dataset.files().unwrap().into_iter().flat_map(|file| parquet::read(&file, Some(&["event_id"])).unwrap());
        batches.map(|batch| batch.num_rows()).sum()
    };
    assert_eq!(rows(&third) as u64, counts.events);
}

#[test]
fn every_event_file_holds_its_day_in_order_and_each_event_once() {
    let mut seen = BTreeSet::new();
    let mut days = BTreeSet::new();
    for file in shipped().dataset.files().unwrap() {
        let day = file.parent().unwrap().file_name().unwrap().to_string_lossy().replace("date=", "");
        let mut last: Option<(i64, String)> = None;
        for batch in parquet::read(&file, Some(&["event_time", "event_id", "account_id"])).unwrap() {
            let times = read::time(&batch, "event_time").unwrap();
            for row in rows(&batch) {
                let key = (times.value(row.row), row.text("event_id").to_owned());
                assert!(last.as_ref().is_none_or(|last| *last <= key), "{day}: not in order");
                assert!(seen.insert((key.1.clone(), row.text("account_id").to_owned())), "{} stands twice", key.1);
                let text = jiff::Timestamp::from_microsecond(key.0).unwrap().to_string();
                assert!(text.starts_with(&day), "{text} in the file of {day}");
                last = Some(key);
            }
        }
        assert!(days.insert(day));
    }
    assert_eq!(seen.len() as u64, shipped().manifest.counts.events);
    let window = shipped().manifest.window.clone().unwrap();
    assert_eq!((Some(&window.first), Some(&window.last)), (days.first(), days.last()));
}

/// Equal types, whatever the fields inside lists and maps are called.
fn same_type(a: &DataType, b: &DataType) -> bool {
    match (a, b) {
        (DataType::List(a), DataType::List(b)) => same_type(a.data_type(), b.data_type()),
        (DataType::Map(a, _), DataType::Map(b, _)) => same_type(a.data_type(), b.data_type()),
        (DataType::Struct(a), DataType::Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name() == b.name() && same_type(a.data_type(), b.data_type()))
        }
        _ => a == b,
    }
}

#[test]
fn every_file_has_the_columns_and_types_of_its_schema() {
    let report = shipped().report();
    let tables: [&Table; 5] = [&CHANGES, &PRINCIPALS, &STATEMENTS, &COVERAGE, &SKIPPED];
    assert_eq!(BTreeSet::from(TABLES), tables.iter().map(|table| table.name).collect::<BTreeSet<_>>());
    let events = shipped().dataset.files().unwrap().into_iter().map(|file| (file, &*EVENTS));
    for (file, table) in tables.map(|table| (report.join(format!("{}.parquet", table.name)), table)).into_iter().chain(events) {
        let schema = parquet::schema(&file).unwrap();
        let names = |fields: &retrial::arrow::datatypes::Schema| fields.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
        assert_eq!(names(&schema), names(&table.schema), "{}", file.display());
        for (found, wanted) in schema.fields().iter().zip(table.schema.fields()) {
            let (found_type, wanted_type) = (found.data_type(), wanted.data_type());
            assert!(same_type(found_type, wanted_type), "{}: {}: {found_type} is not {wanted_type}", file.display(), found.name());
        }
        assert_eq!(metadata(&file), ["retrial.schema", "retrial.version"], "{}", file.display());
    }
}

/// The keys of a file's metadata.
fn metadata(file: &Path) -> Vec<String> {
    use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
    let reader = SerializedFileReader::new(std::fs::File::open(file).unwrap()).unwrap();
    let pairs = reader.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
    pairs.into_iter().map(|pair| pair.key).collect()
}

#[test]
fn the_coverage_adds_up_and_shows_the_days_without_events() {
    let coverage = table(&shipped().report(), "coverage");
    let sum = |column: &str| rows(&coverage).map(|row| row.int(column)).sum::<u64>();
    let counts = &shipped().manifest.counts;
    assert_eq!((sum("events"), sum("replayed"), sum("skipped")), (counts.events, counts.replayed, counts.skipped));
    assert_eq!(sum("management") + sum("data"), counts.events);
    assert!(rows(&coverage).any(|row| row.int("events") == 0), "a gap is a row with zero");
    let accounts: BTreeSet<&str> = rows(&coverage).map(|row| row.text("account_id")).collect();
    assert!(["111122223333", "444455556666", "777788889999"].iter().all(|account| accounts.contains(account)), "{accounts:?}");
}

#[test]
fn a_filter_leaves_out_and_counts_what_it_leaves_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options();
    options.filter.regions = vec!["us-east-1".to_owned()];
    let filtered = replay_into(dir.path(), &shipped().dataset, &options);
    let all = &shipped().manifest.counts;
    assert!(filtered.counts.filtered > 0 && filtered.counts.events > 0);
    assert_eq!(filtered.counts.filtered + filtered.counts.events, all.events);
    assert_eq!((filtered.counts.records, filtered.counts.duplicates), (all.records, all.duplicates));
    assert!(rows(&table(dir.path(), "changes")).all(|row| row.text("region") == "us-east-1"));
}

#[test]
fn without_a_baseline_the_log_is_one_and_agreement_is_not_asked() {
    let dir = tempfile::tempdir().unwrap();
    let logged = load(&[]).unwrap().into_baseline().unwrap();
    let draft = estate("policies/mfa-region-lock/workmail-viewers-mfa-eu-west-1.json");
    let candidate = load(&[draft]).unwrap().into_candidate(&logged, CandidateType::Identity, &[]).unwrap();
    let options = Options { baseline: logged, candidates: vec![("draft".to_owned(), candidate)], ..Options::default() };
    let manifest = replay_into(dir.path(), &shipped().dataset, &options);
    assert_eq!((manifest.baseline.as_str(), manifest.agreement), ("logged", None));
    let summary = &manifest.candidates[0];
    assert_eq!(summary.events["baseline_contradicted"], 0);
    assert!(summary.events["lost"] > 0);
    let changes = table(dir.path(), "changes");
    assert!(rows(&changes).all(|row| row.text("change") == row.text("change_from_log")));
    assert!(rows(&changes).filter(|row| row.text("change") == "lost").all(|row| row.text("observed") == "success"));
    assert!(!read::text(&changes, "baseline_sid").unwrap().is_valid(0), "the log has no statements");
}

/// The resource-based policy of a call from another account is assumed to be absent, and the log shows that it was not.
#[test]
fn without_a_baseline_the_log_is_right_against_what_is_assumed() {
    let dir = tempfile::tempdir().unwrap();
    let logged = load(&[]).unwrap().into_baseline().unwrap();
    let draft = estate("policies/mfa-region-lock/workmail-viewers-mfa-eu-west-1.json");
    let candidate = load(&[draft]).unwrap().into_candidate(&logged, CandidateType::Identity, &[]).unwrap();
    let layers = [LayerKind::Scp, LayerKind::Rcp, LayerKind::Session, LayerKind::Endpoint, LayerKind::Resource, LayerKind::Boundary];
    let assume_absent = layers.into_iter().fold(Layers::NONE, Layers::with);
    let options = Options { baseline: logged, candidates: vec![("draft".to_owned(), candidate)], assume_absent, ..Options::default() };
    let manifest = replay_into(dir.path(), &shipped().dataset, &options);
    assert_eq!(manifest.candidates[0].events["baseline_contradicted"], 0);
    let changes = table(dir.path(), "changes");
    let against: Vec<_> = rows(&changes).filter(|row| row.texts("assumptions").contains(&"A-LOG".to_owned())).collect();
    assert!(!against.is_empty());
    assert!(
        against.iter().all(|row| row.text("baseline_decision") == "allowed" && row.text("baseline_reason").contains("the log says so"))
    );
}

/// The tables of a replay of the estate's events with one candidate.
fn tables_of(baseline: &PolicySet, path: &str) -> (TempDir, RecordBatch) {
    let folder = tempfile::tempdir().unwrap();
    let candidates = vec![("draft".to_owned(), candidate(path, baseline))];
    replay_into(folder.path(), &shipped().dataset, &Options { baseline: baseline.clone(), candidates, ..Options::default() });
    let changes = table(folder.path(), "changes");
    (folder, changes)
}

#[test]
fn the_same_change_as_change_set_and_as_terraform_plan_gives_the_same_bytes() {
    let baseline = baseline();
    let [(changed, rows), (planned, _)] = ["old-admins", "old-admins-plan"].map(|path| tables_of(&baseline, path));
    for name in ["changes.parquet", "principals.parquet", "coverage.parquet"] {
        let [changed, planned] = [&changed, &planned].map(|folder| std::fs::read(folder.path().join(name)).unwrap());
        assert!(changed == planned, "{name}");
    }
    let changes = read::text(&rows, "change").unwrap();
    assert!(changes.iter().flatten().any(|change| change == "lost"));
}

#[test]
fn a_region_lock_on_the_estates_organization_loses_the_other_regions_and_nothing_else() {
    let baseline = load(&[estate("policies/baseline"), estate("policies/organization")]).unwrap().into_baseline().unwrap();
    let (_folder, rows) = tables_of(&baseline, "region-lock");
    let [change, region, action, account, layer] =
        ["change", "region", "action", "account_id", "candidate_layer"].map(|name| read::text(&rows, name).unwrap());
    let mut lost = 0;
    for row in (0..rows.num_rows()).filter(|row| change.value(*row) == "lost") {
        lost += 1;
        let place = (region.value(row), action.value(row), account.value(row));
        assert!(place.0 != "eu-west-1" && place.1.starts_with("workmail:") && place.2 != "777788889999", "{place:?}");
        assert_eq!(layer.value(row), "scp", "{place:?}");
    }
    assert!(lost > 100, "{lost}");
    let gained = change.iter().flatten().filter(|change| change.ends_with("gained")).count();
    assert_eq!(gained, 0, "a Deny gains nobody anything");
}

#[test]
fn columns_read_by_their_grain_are_the_columns_that_the_parquet_crate_reads() {
    let names: Vec<&str> = EVENTS.schema.fields().iter().map(|field| field.name().as_str()).collect();
    let (mut read, mut distinct) = (0, 0);
    for file in shipped().dataset.files().unwrap() {
        let mut groups = Vec::new();
        EventReader::new()
            .unwrap()
            .read(&file, &names, |rows| {
                groups.push(rows);
                Ok(())
            })
            .unwrap();
        let plain = parquet::read(&file, None).unwrap();
        let plain = concat_batches(&plain[0].schema(), &plain).unwrap();
        let [rows] = groups.as_slice() else { panic!("{} row groups in {}", groups.len(), file.display()) };
        assert_eq!(rows.len(), plain.num_rows());
        read += rows.len();
        distinct += [Grain::Caller, Grain::Call].map(|grain| rows.batch(grain).num_rows()).iter().sum::<usize>();
        for name in &names {
            let (grain, plain) = (Grain::of(name), plain.column_by_name(name).unwrap());
            let column = rows.batch(grain).column_by_name(name).unwrap();
            let coded = match grain {
                Grain::Event => column.clone(),
                grain => take(column, &UInt32Array::from(rows.numbers(grain).to_vec()), None).unwrap(),
            };
            let coded = &coded;
            let is_text = plain.data_type() == &DataType::Utf8;
            let coded = if is_text { retrial::arrow::compute::cast(coded, &DataType::Utf8).unwrap() } else { coded.clone() };
            assert_eq!(coded.as_ref(), plain.as_ref(), "{name} of {}", file.display());
        }
    }
    assert!(distinct * 3 < read * 4, "{distinct} callers and calls of {read} events");
}
