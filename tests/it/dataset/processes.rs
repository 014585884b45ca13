//! The program, in processes of their own that can be killed.

use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use rand::{Rng as _, SeedableRng as _};

use super::*;

fn command(logs: &[PathBuf], events: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retrial"));
    command.arg("ingest").args(logs).arg("-o").arg(events).args(["--memory", "1", "--threads", "2", "-q"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(logs: &Path, events: &Path) -> Output {
    command(&[logs.to_path_buf()], events).output().unwrap()
}

#[track_caller]
fn says(output: &Output, code: i32, text: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(code) && stderr.contains(text) && !stderr.contains("panicked"), "{:?}: {stderr}", output.status);
}

/// Every day is as it was, or as it will be, and can be read.
fn assert_valid(events: &Path, before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
    let now = if events.is_dir() { events_of(events) } else { BTreeMap::new() };
    for (path, content) in &now {
        let expected = [before.get(path), after.get(path)];
        assert!(expected.contains(&Some(content)), "{} is neither old nor new", path.display());
    }
    assert!(before.keys().all(|path| now.contains_key(path)), "a day is gone");
}

/// How often the kill test kills: `RETRIAL_KILLS`.
fn kills() -> u32 {
    std::env::var("RETRIAL_KILLS").map_or(10, |text| text.parse().unwrap())
}

#[test]
fn a_run_that_is_killed_leaves_a_valid_dataset_that_the_next_run_completes() {
    let room = Room::new();
    let logs = room.generated(4_000);
    let (half, reference, work) = (room.path("half"), room.path("reference"), room.path("work"));
    let some: Vec<PathBuf> = bytes(&logs).into_keys().step_by(2).map(|file| logs.join(file)).collect();
    says(&command(&some, &half).output().unwrap(), 0, "");
    let begun = Instant::now();
    says(&run(&logs, &reference), 0, "");
    let took = begun.elapsed();
    let (expected, after, before) = (bytes(&reference), events_of(&reference), events_of(&half));
    assert!(!before.is_empty() && before.len() <= after.len() && before != after);

    let mut chance = rand_chacha::ChaCha8Rng::seed_from_u64(u64::from(std::process::id()));
    let (mut killed, mut stages) = (0, BTreeMap::<&str, u32>::new());
    while killed < kills() {
        let _ = std::fs::remove_dir_all(&work);
        let from_half = chance.random_bool(0.5);
        if from_half {
            copy(&half, &work);
        }
        for _ in 0..chance.random_range(1..=3) {
            let mut child: Child = command(std::slice::from_ref(&logs), &work).spawn().unwrap();
            if chance.random_bool(0.3) {
                // The moment in which the files are put in place is short: it is waited for.
                while child.try_wait().unwrap().is_none() && !work.join("_retrial/commit").is_dir() {}
                std::thread::sleep(took.mul_f64(chance.random_range(0.0..0.05)));
            } else {
                std::thread::sleep(took.mul_f64(chance.random_range(0.0..1.1)));
            }
            child.kill().unwrap();
            killed += u32::from(child.wait().unwrap().code().is_none());
            assert_valid(&work, if from_half { &before } else { const { &BTreeMap::new() } }, &after);
            let retrial = work.join("_retrial");
            let stage = match (retrial.join("commit").is_dir(), retrial.join("staging").is_dir(), retrial.join("ledger.json").is_file()) {
                (true, ..) => "putting in place",
                (_, true, _) => "loading",
                (_, _, true) => "before or after",
                _ => "nothing yet",
            };
            *stages.entry(stage).or_default() += 1;
        }
        says(&run(&logs, &work), 0, "");
        assert_same(&expected, &bytes(&work), "after a kill");
    }
    assert!(killed < 100 || stages.contains_key("putting in place"), "no kill in that moment: {stages:?}");
}

fn copy(from: &Path, to: &Path) {
    for (path, content) in bytes(from) {
        let path = to.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

#[test]
fn two_runs_at_once_do_each_others_work_no_harm() {
    let room = Room::new();
    let logs = room.generated(1_000);
    says(&run(&logs, &room.path("reference")), 0, "");
    let events = room.path("events");
    for round in 0..3 {
        let _ = std::fs::remove_dir_all(&events);
        let children: Vec<Child> = (0..2).map(|_| command(std::slice::from_ref(&logs), &events).spawn().unwrap()).collect();
        let outputs: Vec<Output> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
        assert!(outputs.iter().any(|output| output.status.success()), "round {round}: none was let in");
        for output in outputs.iter().filter(|output| !output.status.success()) {
            says(output, 2, "another run is loading into `");
        }
        assert_same(&bytes(&room.path("reference")), &bytes(&events), "two at once");
    }
}

#[test]
fn a_dataset_in_use_says_so_and_can_be_read() {
    let room = Room::new();
    let logs = room.generated(300);
    let events = room.path("events");
    says(&run(&logs, &events), 0, "");
    let held = std::fs::File::open(events.join("_retrial/lock")).unwrap();
    held.try_lock().unwrap();
    let output = run(&logs, &events);
    says(&output, 2, "wait for it to end, or give another folder to -o");
    says(&output, 2, &format!("`{}`", events.display()));
    assert!(Dataset::open(&events).is_ok_and(|dataset| !ids(&dataset).is_empty()));
    drop(held);
    says(&run(&logs, &events), 0, "");
}

#[test]
fn what_was_committed_is_put_in_place_from_wherever_it_was_interrupted() {
    let room = Room::new();
    let day = |day: u8| record(&format!("id-{day}"), &json!({ "eventTime": format!("2026-03-{day:02}T05:06:07Z") }));
    let (old, new) = (room.log("old.json", &[day(2), day(3)]), room.log("new.json", &(1..=6).map(day).collect::<Vec<_>>()));
    room.load("before", &[&old]);
    room.load("after", &[&old]);
    room.load("after", &[&new]);
    let after = bytes(&room.path("after"));
    let days = events_of(&room.path("after"));
    for moved in 0..=days.len() + 1 {
        let work = room.path(&format!("work-{moved}"));
        copy(&room.path("before"), &work);
        let staged = |path: &Path| path.parent().unwrap().to_string_lossy().replace("date=", "") + ".00.new";
        let write = |path: PathBuf, content: &[u8]| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        for (n, (path, content)) in days.iter().enumerate() {
            let to = if n < moved { work.join(path) } else { work.join("_retrial/commit").join(staged(path)) };
            write(to, content);
        }
        let ledger = &after[Path::new("_retrial/ledger.json")];
        let folder = if moved > days.len() { "_retrial" } else { "_retrial/commit" };
        write(work.join(folder).join("ledger.json"), ledger);
        std::fs::create_dir_all(work.join("_retrial/commit")).unwrap();
        assert_eq!(ids(&Dataset::open(&work).unwrap()).len(), 6, "{moved} moved");
        assert_same(&after, &bytes(&work), &format!("{moved} moved"));
    }
}

#[test]
fn a_full_disk_is_said_and_costs_nothing_that_was_there() {
    let room = Room::new();
    let logs = room.generated(2_000);
    let (events, first) = (room.path("events"), room.log("first.json", &[plain("a")]));
    says(&run(&first, &events), 0, "");
    let before = bytes(&events);
    // A limit for the size of files stands for the full disk: writing fails in the same way.
    for blocks in [8, 64] {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let plain = command(std::slice::from_ref(&logs), &events);
        let output = Command::new("sh").args(["-c", &script]).arg(plain.get_program()).args(plain.get_args()).output().unwrap();
        says(&output, 2, "cannot write `");
        says(&output, 2, "File too large");
        assert_same(&before, &bytes(&events), "after a full disk");
    }
    says(&run(&logs, &events), 0, "");
}
