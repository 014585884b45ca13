//! Where logs come from: globs, standard input, links, pipes, and what cannot be read; how they are packed.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use retrial::catalog::Catalog;
use retrial::ingest::{Dataset, Reading, SkippedRow, find, ingest};
use retrial::progress::{Progress, Silent};
use tempfile::TempDir;

/// A folder to work in.
pub(crate) struct Room(TempDir);

impl Room {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// A dataset, and what its last run met.
pub(crate) struct Loaded {
    pub(crate) room: Room,
    pub(crate) dataset: Dataset,
}

impl Loaded {
    /// Records, events, duplicates; checks that they add up.
    fn counts(&self) -> (u64, u64, u64) {
        let counts = self.dataset.ledger.counts;
        assert_eq!(counts.records, counts.events + counts.duplicates + counts.skipped);
        (counts.records, counts.events, counts.duplicates)
    }

    pub(crate) fn skipped(&self) -> &[SkippedRow] {
        &self.dataset.ledger.skipped
    }

    /// The only thing that was skipped: reason and detail.
    pub(crate) fn only_skipped(&self) -> (&str, &str) {
        assert_eq!(self.skipped().len(), 1, "{:?}", self.skipped());
        (&self.skipped()[0].reason, &self.skipped()[0].detail)
    }
}

pub(crate) fn load_with(reading: &Reading, progress: &dyn Progress, paths: &[PathBuf]) -> Loaded {
    let room = Room::new();
    let mut dataset = Dataset::open_or_create(&room.path("events")).unwrap();
    ingest(paths, reading, &mut dataset, Catalog::builtin(), progress).unwrap();
    Loaded { room, dataset }
}

pub(crate) fn load(paths: &[PathBuf]) -> Loaded {
    load_with(&Reading::default(), &Silent, paths)
}

#[cfg(unix)]
#[test]
fn a_link_that_a_glob_matches_is_followed_and_each_file_is_read_once() {
    let room = Room::new();
    room.write("data1/a.json", record("a"));
    room.write("store/data2/b.json", record("b"));
    std::os::unix::fs::symlink(room.path("store/data2"), room.path("data2")).unwrap();
    std::os::unix::fs::symlink(room.path("data1"), room.path("data3")).unwrap();
    for glob in ["data*", "**", "data[23]"] {
        let logs = find(&[room.path(glob)], &Reading::default()).unwrap();
        assert_eq!(logs.files.len(), 2, "{glob}: {:?}", logs.files);
    }
}

fn record(id: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.11","eventTime":"2026-01-01T00:00:00Z","eventSource":"workmail.amazonaws.com","eventName":"ListUsers","eventID":"{id}","recipientAccountId":"111122223333"}}"#
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn names(paths: &[&Path]) -> Vec<String> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    let files = find(&paths, &Reading::default()).unwrap().files;
    files.into_iter().map(|file| file.path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

/// Four logs in folders, and a file that is none.
fn tree() -> Room {
    let room = Room::new();
    room.write("2026-01/eu/a.json.gz", gzip(record("a").as_bytes()));
    room.write("2026-01/us/b.json.gz", gzip(record("b").as_bytes()));
    room.write("2026-02/c.json", record("c"));
    room.write("d[1].json", record("d"));
    room.write("2026-01/notes.txt", "nothing");
    room
}

#[test]
fn globs_name_files_and_folders() {
    let room = tree();
    let found = |glob: &str| names(&[&room.path(glob)]);
    assert_eq!(found("**/*.gz"), ["a.json.gz", "b.json.gz"]);
    assert_eq!(found("*/*.json"), ["c.json"]);
    assert_eq!(found("2026-*"), ["a.json.gz", "b.json.gz", "c.json"]);
    assert_eq!(found("2026-0[12]/{eu,us}"), ["a.json.gz", "b.json.gz"]);
    // By a glob a file is named, so that it is taken whatever it looks like.
    assert_eq!(found("2026-01/*.txt"), ["notes.txt"]);
    // What is there under that very name is no glob.
    assert_eq!(found("d[1].json"), ["d[1].json"]);
    let error = find(&[room.path("*/*.zip")], &Reading::default()).unwrap_err().to_string();
    assert!(error.contains("no file matches") && error.contains("*/*.zip"), "{error}");
    let error = find(&[room.path("2026-[")], &Reading::default()).unwrap_err().to_string();
    assert!(error.contains("is no glob"), "{error}");
}

#[test]
fn files_of_any_name_are_found_in_folders_by_what_they_hold() {
    let room = Room::new();
    room.write("export/stream/000000", format!("2026-01-01T00:00:00.000Z {}\n", record("a")));
    room.write("tail", format!("2026-01-01T00:00:00.000000+00:00 stream {}\n", record("b")));
    room.write("event_history", "User name,AWS access key,Event time,Event source,Event name\n");
    room.write("lake.txt", "\"eventid\";\"eventname\"\n");
    room.write("payload.b64", "H4sIAAAA");
    room.write("utf16", [0xff, 0xfe, b'{', 0]);
    for (name, other) in
        [("a.md", "# notes"), ("b.txt", "2026-01-01 nothing"), ("c.txt", "name,time\n"), ("d.bin", "\u{0}\u{1}"), ("e", "")]
    {
        room.write(&format!("other/{name}"), other);
    }
    let logs = find(&[room.path("")], &Reading::default()).unwrap();
    let names = |paths: Vec<&PathBuf>| paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(
        names(logs.files.iter().map(|file| &file.path).collect()),
        ["event_history", "000000", "lake.txt", "payload.b64", "tail", "utf16"]
    );
    let mut passed_over = names(logs.passed_over.iter().collect());
    passed_over.sort();
    assert_eq!(passed_over, ["a.md", "b.txt", "c.txt", "d.bin", "e"]);
}

#[test]
fn a_file_under_two_names_is_read_once() {
    let room = tree();
    let (folder, again) = (room.path(""), room.path("2026-01/../2026-01/eu/a.json.gz"));
    let loaded = load(&[folder.clone(), folder.clone(), again, room.path("**/*.gz"), room.path("2026-02")]);
    assert_eq!(loaded.counts(), (4, 4, 0));
}

#[test]
fn what_cannot_be_read_with_these_flags_is_bad_usage() {
    let room = tree();
    let loaded = load(&[room.path("")]);
    let refused = |path: &Path| find(&[path.to_path_buf()], &Reading::default()).unwrap_err().to_string();
    assert!(refused(Path::new("gs://bucket/logs")).contains("only s3://BUCKET/PREFIX is"));
    assert!(refused(Path::new("s3:///logs")).contains(if cfg!(feature = "s3") { "names no bucket" } else { "without the feature" }));
    assert!(refused(&room.path("gone.json")).contains("cannot read"));
    // Inside a folder of logs a dataset is passed over; its files are told as what they are.
    loaded.room.write("e.json", record("e"));
    let logs = find(&[loaded.room.path("")], &Reading::default()).unwrap();
    assert_eq!((logs.files.len(), logs.passed_over.len()), (1, 1));
    let file = load(&[loaded.dataset.files().unwrap()[0].clone()]);
    assert!(file.only_skipped().1.contains("a file that this program wrote (`events/"), "{:?}", file.skipped());
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::process::Command;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn links_are_read_or_named_and_never_walked_in_circles() {
        let (room, outside) = (tree(), tree());
        symlink("..", room.path("2026-01/up")).unwrap();
        symlink("loop", room.path("loop")).unwrap();
        symlink(outside.path("2026-02/c.json"), room.path("linked.json")).unwrap();
        symlink(outside.path("2026-01"), room.path("elsewhere")).unwrap();
        symlink(room.path("nowhere.gz"), room.path("dangling.gz")).unwrap();
        let loaded = load(&[room.path("")]);
        let told: Vec<(String, bool)> = loaded
            .skipped()
            .iter()
            .map(|row| {
                assert_eq!((row.reason.as_str(), row.index), ("unreadable_file", None));
                (row.file.rsplit('/').next().unwrap().to_owned(), row.detail.contains("a link "))
            })
            .collect();
        assert_eq!(told, [("dangling.gz".to_owned(), true), ("elsewhere".to_owned(), true), ("loop".to_owned(), true)]);
        assert_eq!(loaded.counts(), (8, 4, 1), "the linked copy of a record is a duplicate");
        // A link that is named is walked.
        assert_eq!(load(&[room.path("elsewhere")]).counts(), (2, 2, 0));
    }

    #[test]
    fn pipes_and_sockets_in_a_folder_block_nobody_and_a_named_pipe_is_read() {
        let room = tree();
        let pipe = room.path("pipe.json.gz");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(room.path("socket.json")).unwrap();
        let folder = room.path("");
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(Box::new(load(&[folder]))));
        let loaded = receiver.recv_timeout(Duration::from_secs(20)).expect("a pipe blocks");
        assert_eq!(loaded.counts().1, 4);
        let details: Vec<&str> = loaded.skipped().iter().map(|row| row.detail.as_str()).collect();
        assert!(details.len() == 2 && details.iter().all(|detail| detail.contains("a pipe, socket or device")), "{details:?}");

        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, gzip(record("piped").as_bytes())).unwrap()
        });
        assert_eq!(load(&[pipe]).counts(), (1, 1, 0));
        writer.join().unwrap();
    }

    /// Deletes a file between finding and reading.
    struct Deletes(PathBuf);

    impl Progress for Deletes {
        fn begin(&self, phase: &str, _: u64, _: u64) {
            if phase == "reading logs" {
                std::fs::remove_file(&self.0).unwrap();
            }
        }
    }

    #[test]
    fn a_file_that_vanishes_is_named_and_costs_itself() {
        let room = tree();
        let loaded = load_with(&Reading::default(), &Deletes(room.path("2026-02/c.json")), &[room.path("")]);
        assert_eq!(loaded.counts(), (4, 3, 0));
        assert_eq!(loaded.only_skipped().0, "unreadable_file");
        assert!(loaded.only_skipped().1.contains("No such file"), "{:?}", loaded.skipped());
    }

    #[cfg(feature = "cli")]
    #[test]
    fn files_and_folders_without_permission_are_named() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        use std::os::unix::process::CommandExt as _;
        let allow = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        let room = tree();
        allow(&room.path(""), 0o777);
        // Root may read everything: somebody else runs a copy of the program that is sure to be within reach.
        let program = room.path("retrial");
        std::fs::copy(assert_cmd::cargo::cargo_bin("retrial"), &program).unwrap();
        let mut command = Command::new(&program);
        if std::fs::metadata(room.path("d[1].json")).unwrap().uid() == 0 {
            command.uid(65_534).gid(65_534);
        }
        allow(&room.path("2026-02/c.json"), 0o000);
        allow(&room.path("2026-01/us"), 0o000);
        command.args(["ingest", "--format", "json", "--progress", "never"]);
        let output = command.args([&room.path("2026-01"), &room.path("2026-02")]).arg("-o").arg(room.path("events")).output().unwrap();
        allow(&room.path("2026-01/us"), 0o755);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        for place in ["2026-02/c.json", "2026-01/us"] {
            let named = stderr.lines().any(|line| line.contains(place) && line.contains("ermission denied"));
            assert!(named, "{place} is not named:\n{stderr}");
        }
        let counts = &Dataset::open(&room.path("events")).unwrap().ledger.counts;
        assert_eq!((counts.records, counts.events, counts.skipped), (3, 1, 2));
    }
}

#[test]
fn every_packing_is_found_from_the_content() {
    let text = format!("{}\n{}\n", record("a"), record("b"));
    let utf16 = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> { format!("\u{feff}{text}").encode_utf16().flat_map(unit).collect() };
    let plain = text.as_bytes();
    let half = plain.len() / 2 + 1;
    let bare = |utf16: Vec<u8>| utf16[2..].to_vec();
    for (name, bytes) in [
        ("plain", plain.to_vec()),
        ("byte order mark", [b"\xef\xbb\xbf", plain].concat()),
        ("little-endian UTF-16", utf16(u16::to_le_bytes)),
        ("big-endian UTF-16", utf16(u16::to_be_bytes)),
        ("little-endian UTF-16 without its mark", bare(utf16(u16::to_le_bytes))),
        ("big-endian UTF-16 without its mark", bare(utf16(u16::to_be_bytes))),
        ("gzip", gzip(plain)),
        ("gzip with padding", [gzip(plain), vec![0; 512]].concat()),
        ("gzip in members with padding", [gzip(&plain[..half]), gzip(&plain[half..]), vec![0]].concat()),
        ("gzip in members", [gzip(&plain[..half]), gzip(&plain[half..])].concat()),
        ("gzip in gzip", gzip(&gzip(plain))),
        ("zstd", zstd(plain)),
        ("zstd in frames", [zstd(&plain[..half]), zstd(&plain[half..])].concat()),
        ("zstd in gzip", gzip(&zstd(plain))),
    ] {
        let room = Room::new();
        // The name lies.
        let loaded = load(&[room.write("log.csv.bz2", bytes)]);
        assert_eq!(loaded.counts(), (2, 2, 0), "{name}: {:?}", loaded.skipped());
    }
}

#[test]
fn damaged_and_foreign_files_are_told_as_what_they_are() {
    let text: String = (0..10_000).map(|n| record(&n.to_string()) + "\n").collect();
    for packed in [gzip(text.as_bytes()), zstd(text.as_bytes())] {
        let room = Room::new();
        let loaded = load(&[room.write("cut.json", &packed[..packed.len() / 2])]);
        let reasons: Vec<&str> = loaded.skipped().iter().map(|row| row.reason.as_str()).collect();
        assert!(loaded.counts().1 > 100 && reasons.contains(&"broken_compression"), "{:?} {reasons:?}", loaded.counts());
    }
    for (bytes, what) in [
        (&b"PK\x03\x04rest"[..], "a zip archive"),
        (b"BZh91AY", "bzip2"),
        (b"\xfd7zXZ\x00rest", "xz"),
        (b"PAR1", "damaged Parquet"),
        (b"PAR1 and no end of it", "damaged Parquet"),
        (b"PARE", "an encrypted Parquet file"),
    ] {
        let room = Room::new();
        let loaded = load(&[room.write("log.json", bytes)]);
        assert!(loaded.only_skipped().1.contains(what), "{what}: {:?}", loaded.skipped());
    }
    // What is before the rest is whole, and the rest is told with its size.
    let room = Room::new();
    let loaded = load(&[room.write("log.gz", [gzip(text.as_bytes()), b"rest".to_vec()].concat())]);
    assert_eq!(loaded.counts().1, 10_000);
    assert!(loaded.only_skipped().1.starts_with("no gzip in the last 4 bytes; what is before them was read"), "{:?}", loaded.skipped());
    assert!(loaded.skipped()[0].length > 4);
    let mut tar = vec![0; 1_024];
    tar[257..262].copy_from_slice(b"ustar");
    let room = Room::new();
    assert!(load(&[room.write("log.json.gz", gzip(&tar))]).only_skipped().1.contains("a tar archive that is damaged"));
}

pub(crate) fn zipped(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (at, (name, bytes)) in files.iter().enumerate() {
        let method = if at % 2 == 0 { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
        archive.start_file(*name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn tarred(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    archive.append_link(&mut link, "latest.json", "a.json").unwrap();
    archive.into_inner().unwrap()
}

/// Three records in three files, one of them compressed, and what macOS and people put beside them.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("logs/eu/a.json.gz", gzip(record("a").as_bytes())),
        ("__MACOSX/logs/eu/._a.json.gz", b"\0\x05\x16\x07".to_vec()),
        ("logs/us/b.json", format!(r#"{{"Records":["text",{}]}}"#, record("b")).into_bytes()),
        ("logs/CloudTrail-Digest/us/d.json", br#"{"digestS3Object":"x"}"#.to_vec()),
        ("README.txt", b"What this is".to_vec()),
        ("logs/c", record("c").into_bytes()),
    ]
}

#[test]
fn archives_are_read_file_by_file() {
    let files = files();
    let tar = tarred(&files);
    for (name, bytes) in [
        ("zip", zipped(&files)),
        ("tar", tar.clone()),
        ("tar.gz", gzip(&tar)),
        ("tar.zst", zstd(&tar)),
        ("zip in tar", tarred(&[("all.zip", zipped(&files))])),
        ("tar.gz in zip", zipped(&[("all.tgz", gzip(&tar))])),
    ] {
        let room = Room::new();
        // Archives are found in folders by what they hold.
        room.write("logs/everything", bytes);
        let loaded = load(&[room.path("logs")]);
        assert_eq!(loaded.counts(), (5, 3, 0), "{name}: {:?}", loaded.skipped());
        let told: Vec<(&str, Option<u64>, &str)> =
            loaded.skipped().iter().map(|row| (row.reason.as_str(), row.index, row.detail.as_str())).collect();
        let [(other, None, readme), (text, Some(1), quoted)] = told.as_slice() else { panic!("{name}: {told:?}") };
        assert_eq!((*other, *text), ("not_cloudtrail", "not_an_object"), "{name}");
        assert!(readme.ends_with("files in the archive that are no logs of calls: 2, such as `README.txt`"), "{name}: {readme}");
        assert!(quoted.ends_with("in `logs/us/b.json`: `\"text\"`"), "{name}: {quoted}");
        // Read again, and beside the files themselves, it brings nothing new.
        let again = load(&[room.path("logs"), room.write("a.json", record("a"))]);
        assert_eq!(again.counts(), (6, 3, 1), "{name}");
    }
    let room = Room::new();
    let parquet = std::fs::read(load(&[room.write("a.json", record("a"))]).dataset.files().unwrap().pop().unwrap()).unwrap();
    let loaded = load(&[room.write("own.zip", zipped(&[("own.parquet", parquet), ("b.json", record("b").into_bytes())]))]);
    assert_eq!(loaded.counts(), (2, 1, 0), "{:?}", loaded.skipped());
}

#[test]
fn of_damaged_archives_is_read_what_is_whole() {
    let files: Vec<(String, Vec<u8>)> = (0..50).map(|n| (format!("{n}.json"), record(&n.to_string()).into_bytes())).collect();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let (zip, tar) = (zipped(&files), tarred(&files));
    let load_bytes = |bytes: &[u8]| {
        let room = Room::new();
        load(&[room.write("logs.zip", bytes)])
    };
    for (name, bytes) in [("zip", &zip[..zip.len() / 2]), ("tar", &tar[..tar.len() / 2]), ("tar.gz", &gzip(&tar)[..600])] {
        let loaded = load_bytes(bytes);
        assert!((5..50).contains(&loaded.counts().1), "{name}: {:?} {:?}", loaded.counts(), loaded.skipped());
        assert!(loaded.skipped().iter().any(|row| row.reason == "broken_compression"), "{name}: {:?}", loaded.skipped());
    }
    // A file with a wrong checksum, one that is encrypted, one that is compressed in another way: the others are read.
    let place = zip.windows(6).position(|bytes| bytes == b"3.json").unwrap();
    let directory = zip.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").unwrap();
    let first = zip.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let mut checksum = zip.clone();
    // The third byte of the text of a file that is stored, not deflated.
    checksum[place + 6 + 20] ^= 1;
    let mut encrypted = zip.clone();
    encrypted[6] |= 1;
    encrypted[first + 8] |= 1;
    let mut method = zip.clone();
    method[directory + 10] = 14;
    for (name, bytes) in [("checksum", checksum), ("encrypted", encrypted), ("method", method)] {
        let loaded = load_bytes(&bytes);
        assert!(loaded.counts().1 >= 49, "{name}: {:?} {:?}", loaded.counts(), loaded.skipped());
        assert!(
            loaded.skipped().iter().any(|row| row.reason == "broken_compression" && row.detail.contains(".json`: ")),
            "{name}: {:?}",
            loaded.skipped()
        );
    }
    // Archives that were put together, with several files of one name, or more files than their directory says it has.
    let half = |from: usize, to: usize| files[from..to].to_vec();
    for (name, bytes) in [
        ("zips", [zipped(&half(0, 20)), zipped(&half(20, 21)), zipped(&half(21, 50))].concat()),
        ("tars", [tarred(&half(0, 20)), tarred(&half(20, 50))].concat()),
        ("tar.gz in members", [gzip(&tarred(&half(0, 20))), gzip(&tarred(&half(20, 50)))].concat()),
    ] {
        assert_eq!(load_bytes(&bytes).counts(), (50, 50, 0), "{name}");
    }
    let mut several = zip.clone();
    let places: Vec<usize> = (0..several.len() - 7).filter(|at| &several[*at..at + 7] == b"10.json").collect();
    places.into_iter().for_each(|at| several[at..at + 7].copy_from_slice(b"11.json"));
    assert_eq!(load_bytes(&several).counts(), (50, 50, 0), "two files of one name");
    let mut wrapped = zip.clone();
    let end = wrapped.len() - 22;
    wrapped[end + 8..end + 12].copy_from_slice(&[7, 0, 7, 0]);
    assert_eq!(load_bytes(&wrapped).counts(), (50, 50, 0), "a number that does not fit");
    // A header of tar that is damaged costs its file.
    let header = tar.windows(6).position(|bytes| bytes == b"7.json").unwrap();
    let mut damaged = tar.clone();
    damaged[header] = b'8';
    let loaded = load_bytes(&damaged);
    assert_eq!((loaded.counts().1, loaded.only_skipped().0), (49, "broken_compression"), "{:?}", loaded.skipped());
    let cut = load_bytes(&tar[..header]);
    assert_eq!((cut.counts().1, cut.only_skipped().0), (7, "broken_compression"), "between two files");
    let mut whole = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Continuous);
    header.set_size(files[0].1.len() as u64);
    whole.append_data(&mut header, "a.json", files[0].1.as_slice()).unwrap();
    assert_eq!(load_bytes(&whole.into_inner().unwrap()).counts(), (1, 1, 0), "of another kind");
    assert_eq!(load_bytes(&zipped(&[])).only_skipped().0, "empty_file");
    let workbook = zipped(&[("[Content_Types].xml", b"<x/>".to_vec()), ("xl/workbook.xml", b"<x/>".to_vec())]);
    assert!(load_bytes(&workbook).only_skipped().1.contains("save the sheet as CSV"));
}

#[test]
fn the_files_of_an_archive_come_to_the_limit_together() {
    let bomb = gzip(&vec![b' '; 1 << 20]);
    let files =
        [("a.json", record("a").into_bytes()), ("b.json.gz", bomb.clone()), ("c.json.gz", bomb), ("d.json", record("d").into_bytes())];
    for bytes in [zipped(&files), gzip(&tarred(&files))] {
        let room = Room::new();
        let file = room.write("logs.zip", bytes);
        let whole = load(std::slice::from_ref(&file));
        assert_eq!((whole.counts().1, whole.skipped().len()), (2, 2), "{:?}", whole.skipped());
        let loaded = load_with(&Reading { max_inflated: 1 << 18, ..Reading::default() }, &Silent, std::slice::from_ref(&file));
        assert_eq!(loaded.counts().1, 1, "{:?}", loaded.skipped());
        assert!(loaded.skipped().iter().all(|row| row.reason == "too_large" || row.reason == "empty_file"), "{:?}", loaded.skipped());
        // More is read when the limit is raised, and nothing twice.
        let Loaded { room: kept, mut dataset } = loaded;
        ingest(&[file], &Reading::default(), &mut dataset, Catalog::builtin(), &Silent).unwrap();
        assert_eq!(Loaded { room: kept, dataset }.counts(), whole.counts());
    }
}

#[test]
fn a_file_that_inflates_beyond_the_limit_keeps_what_is_within() {
    let text: String = (0..100).map(|n| record(&format!("{n:03}")) + "\n").collect();
    let line = text.len() as u64 / 100;
    let reading = Reading { max_inflated: 10 * line, ..Reading::default() };
    for packed in [gzip(text.as_bytes()), zstd(text.as_bytes()), text.clone().into_bytes()] {
        let room = Room::new();
        let loaded = load_with(&reading, &Silent, &[room.write("log", packed)]);
        assert_eq!(loaded.counts(), (11, 10, 0), "{:?}", loaded.skipped());
        assert_eq!(loaded.only_skipped().0, "too_large");
        assert!(loaded.only_skipped().1.contains("--max-inflated"));
    }
    // A bomb: 64 MiB in 64 kB, of which no more than the limit is held.
    let room = Room::new();
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 1 << 17);
    let loaded = load_with(&Reading { max_inflated: 1 << 17, ..Reading::default() }, &Silent, &[room.write("bomb.json.gz", bomb)]);
    assert!(loaded.counts().1 == 0 && loaded.skipped().iter().any(|row| row.reason == "too_large"), "{:?}", loaded.skipped());
}

#[cfg(feature = "cli")]
#[test]
fn standard_input_is_read_whatever_it_holds() {
    let text = format!("{{\"Records\":[{},{}]}}", record("a"), record("b"));
    let room = Room::new();
    let run = |input: &[u8], more: &[&str]| {
        let mut command = assert_cmd::Command::cargo_bin("retrial").unwrap();
        command.args(["ingest", "-", "--format", "json", "--progress", "never"]).args(more);
        let output = command.arg("-o").arg(room.path("events")).write_stdin(input).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, _, stderr) = run(&gzip(text.as_bytes()), &[]);
    assert_eq!(code, Some(0), "{stderr}");
    let counts = Dataset::open(&room.path("events")).unwrap().ledger.counts;
    assert_eq!((counts.records, counts.events), (2, 2));
    // Other bytes of the same records: another source, the same events.
    assert_eq!(run(&zstd(text.as_bytes()), &[]).0, Some(0));
    assert_eq!(run(&zstd(text.as_bytes()), &[]).0, Some(0));
    let ledger = Dataset::open(&room.path("events")).unwrap().ledger;
    assert_eq!(ledger.counts.events, 2);
    assert!(ledger.sources.iter().all(|source| source.file == "-"));
    let (_, _, stderr) = run(b"", &[]);
    assert!(stderr.contains("empty file"), "{stderr}");
    std::fs::remove_dir_all(room.path("events")).unwrap();
    let (code, _, stderr) = run(text.as_bytes(), &["--max-inflated", "100"]);
    assert!(code == Some(0) && stderr.contains("what is beyond 100 is not read"), "{stderr}");
}
