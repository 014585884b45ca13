//! Files: the delivery of records as a trail does it, the policies, the description.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use rand::Rng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use super::estate::{ACCOUNTS, ORGANIZATION_TRAIL};
use super::policies::{BESIDE, CANDIDATES, Documents};
use super::traffic::Contradiction;
use super::values::{date, time_text};
use super::{Options, Written};

/// The folder of management events below an account.
pub(super) const MANAGEMENT: &str = "CloudTrail";
/// The folder of network activity events below an account.
pub(super) const NETWORK: &str = "CloudTrail-NetworkActivity";

/// One record in so many is delivered twice.
const DUPLICATES: u32 = 200;

/// Takes records as they are made.
pub(super) trait Trail {
    /// Takes one record: its account, region and folder, its time in seconds since 1970.
    ///
    /// # Errors
    /// What writing fails with.
    fn push(
        &mut self,
        account: &'static str,
        region: &'static str,
        folder: &'static str,
        time: u64,
        record: &str,
        rng: &mut ChaCha8Rng,
    ) -> io::Result<()>;
}

/// The trail: collects the records of each account and region and writes a file whenever there are enough.
pub(super) struct Delivery<'d> {
    out: &'d Path,
    progress: &'d mut dyn FnMut(u64),
    /// Records of a full file.
    capacity: usize,
    pending: BTreeMap<(&'static str, &'static str, &'static str), Pending>,
    pub(super) written: Written,
    pub(super) duplicates: u64,
}

impl std::fmt::Debug for Delivery<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Delivery").field("out", &self.out).field("written", &self.written).finish_non_exhaustive()
    }
}

/// A file that is being filled.
#[derive(Debug, Default)]
struct Pending {
    text: String,
    records: Vec<Range<usize>>,
    latest: u64,
    /// Records that the next file has again.
    repeated: Vec<String>,
}

impl<'d> Delivery<'d> {
    /// A trail that delivers below a folder.
    pub(super) fn new(out: &'d Path, events: u64, progress: &'d mut dyn FnMut(u64)) -> Self {
        let capacity = usize::try_from((events / 80).clamp(20, 3_000)).unwrap_or(3_000);
        let written = Written { events: 0, files: 0, bytes: 0 };
        Self { out, progress, capacity, pending: BTreeMap::new(), written, duplicates: 0 }
    }

    /// Writes what has been collected.
    pub(super) fn finish(&mut self, rng: &mut ChaCha8Rng) -> io::Result<()> {
        for (place, mut file) in std::mem::take(&mut self.pending) {
            if !file.records.is_empty() {
                self.deliver(place, &mut file, rng)?;
            }
        }
        Ok(())
    }

    fn deliver(&mut self, (account, region, folder): (&str, &str, &str), file: &mut Pending, rng: &mut ChaCha8Rng) -> io::Result<()> {
        // A file is delivered some minutes after its last call, at a multiple of five minutes.
        let time = (file.latest / 300 + 2) * 300;
        let (year, month, day) = date(time / 86_400);
        let path = format!("logs/AWSLogs/{ORGANIZATION_TRAIL}/{account}/{folder}/{region}/{year}/{month:02}/{day:02}");
        let path = self.out.join(path);
        fs::create_dir_all(&path)?;
        let stamp = format!("{year}{month:02}{day:02}T{:02}{:02}Z", time / 3600 % 24, time / 60 % 60);
        let path = path.join(format!("{account}_{folder}_{region}_{stamp}_{}.json.gz", suffix(rng)));
        file.records.shuffle(rng);
        self.written.bytes += file.write(&path)?;
        self.written.files += 1;
        (self.progress)(self.written.events);
        Ok(())
    }
}

impl Trail for Delivery<'_> {
    fn push(
        &mut self,
        account: &'static str,
        region: &'static str,
        folder: &'static str,
        time: u64,
        record: &str,
        rng: &mut ChaCha8Rng,
    ) -> io::Result<()> {
        self.written.events += 1;
        let file = self.pending.entry((account, region, folder)).or_default();
        if file.records.is_empty() {
            for repeated in std::mem::take(&mut file.repeated) {
                file.add(&repeated);
                self.duplicates += 1;
            }
        }
        file.add(record);
        file.latest = file.latest.max(time);
        if rng.random_ratio(1, DUPLICATES) {
            file.repeated.push(record.to_owned());
        }
        if file.records.len() >= self.capacity
            && let Some(mut file) = self.pending.remove(&(account, region, folder))
        {
            self.deliver((account, region, folder), &mut file, rng)?;
            let repeated = std::mem::take(&mut file.repeated);
            self.pending.insert((account, region, folder), Pending { repeated, ..Pending::default() });
        }
        Ok(())
    }
}

impl Pending {
    fn add(&mut self, record: &str) {
        let start = self.text.len();
        self.text.push_str(record);
        self.records.push(start..self.text.len());
    }

    fn write(&self, path: &Path) -> io::Result<u64> {
        let mut gzip = GzEncoder::new(fs::File::create(path)?, Compression::new(4));
        gzip.write_all(b"{\"Records\":[")?;
        for (index, record) in self.records.iter().enumerate() {
            if index > 0 {
                gzip.write_all(b",")?;
            }
            gzip.write_all(self.text.get(record.clone()).unwrap_or_default().as_bytes())?;
        }
        gzip.write_all(b"]}")?;
        Ok(gzip.finish()?.metadata()?.len())
    }
}

fn suffix(rng: &mut ChaCha8Rng) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..16).filter_map(|_| LETTERS.choose(rng).map(|letter| char::from(*letter))).collect()
}

/// Writes the snapshots of the accounts, the organization and the candidates. `more` says which users there are because of one.
pub(super) fn policies(out: &Path, more: &dyn Fn(&serde_json::Value) -> Vec<serde_json::Value>) -> io::Result<()> {
    let documents = Documents::load()?;
    let folder = out.join("policies");
    let baseline = folder.join("baseline");
    fs::create_dir_all(&baseline)?;
    for account in ACCOUNTS {
        let mut text = serde_json::to_string_pretty(&documents.snapshot(account, more)?)?;
        text.push('\n');
        fs::write(baseline.join(format!("account-{account}.json")), text)?;
    }
    let plan = folder.join("old-admins-plan");
    fs::create_dir_all(&plan)?;
    fs::write(plan.join("plan.json"), format!("{:#}\n", super::plan::plan(&documents)?))?;
    for (path, text) in CANDIDATES.into_iter().chain(BESIDE) {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

/// Writes the description of the estate.
pub(super) fn readme(out: &Path, options: &Options, delivery: &Delivery<'_>, contradictions: &[Contradiction]) -> io::Result<()> {
    let mut planted = String::new();
    for Contradiction { id, time, text } in contradictions {
        // Writing to a string does not fail.
        let _ = writeln!(planted, "- `{id}`, {}: {text}.", time_text(*time));
    }
    if planted.is_empty() {
        planted.push_str("- none: there are too few events.\n");
    }
    let text = include_str!("estate.md")
        .replace("{events}", &delivery.written.events.to_string())
        .replace("{seed}", &options.seed.to_string())
        .replace("{files}", &delivery.written.files.to_string())
        .replace("{duplicates}", &delivery.duplicates.to_string())
        .replace("{contradictions}", planted.trim_end());
    fs::write(out.join("README.md"), text)
}
