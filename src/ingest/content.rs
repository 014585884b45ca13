//! The content of a log file: its bytes and their digest, and what they are, whatever the file is called.

use std::borrow::Cow;
use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Seek as _};
use std::path::Path;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::archive::{self, Part, is_archive};
use super::inflate::{Damage, Inflater, is_compressed};
use super::ledger::SourceFile;
use super::source::{LogFile, Reading};
use super::tabular;
use crate::cloudtrail::columns::Unknown;
use crate::cloudtrail::{Record, Sink, SkipReason, Skipped, decode, without_secrets, written_out};

/// The first bytes of a Parquet file.
const PARQUET: &[u8] = b"PAR1";

/// How often a file is inflated: exports of compressed files are compressed once more.
pub(super) const NESTED: u8 = 8;

/// Where the bytes of a log file are.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A file.
    File,
    /// A pipe or device that was named directly.
    Stream,
    /// Standard input.
    StandardInput,
    /// An object of an object store.
    #[cfg(feature = "s3")]
    Object(super::s3::Object),
    /// It cannot be read, and why.
    Unreadable(String),
}

/// A log file, opened.
#[derive(Debug)]
pub(super) struct Opened {
    /// Its size.
    pub(super) bytes: u64,
    /// SHA-256 of its bytes.
    pub(super) sha256: String,
    content: Content,
    /// That there is more than may be read.
    beyond: Option<Skipped>,
}

#[derive(Debug)]
enum Content {
    Bytes(Bytes),
    /// Parquet is read from the file, row group by row group.
    Parquet(File),
}

/// Reads a log file; Parquet only for its digest.
///
/// # Errors
/// Why it cannot be read: it stands in the ledger then.
pub(super) fn open(file: &LogFile, reading: &Reading) -> Result<Opened, Skipped> {
    let opened = match &file.origin {
        Origin::File => open_file(&file.path, reading.max_inflated),
        Origin::Stream => File::open(&file.path).map_err(unreadable).and_then(|pipe| whole(pipe, reading.max_inflated, 0)),
        Origin::StandardInput => whole(std::io::stdin().lock(), reading.max_inflated, 0),
        #[cfg(feature = "s3")]
        Origin::Object(object) if file.bytes > reading.max_inflated => {
            object.first(reading.max_inflated.saturating_add(1)).map(Content::Bytes).map_err(unreadable)
        }
        #[cfg(feature = "s3")]
        Origin::Object(object) => object.read().map(Content::Bytes).map_err(unreadable),
        Origin::Unreadable(why) => Err(unreadable(why)),
    };
    match opened? {
        Content::Parquet(mut file) => {
            let (bytes, sha256) = digest(&mut file).map_err(unreadable)?;
            Ok(Opened { bytes, sha256, content: Content::Parquet(file), beyond: None })
        }
        Content::Bytes(mut bytes) => {
            let limit = usize::try_from(reading.max_inflated).unwrap_or(usize::MAX);
            let beyond = (bytes.len() > limit).then(|| too_large(file.bytes.max(bytes.len() as u64), reading.max_inflated));
            bytes.truncate(limit);
            let sha256 = crate::account::load::hex(&Sha256::digest(&bytes));
            Ok(Opened { bytes: bytes.len() as u64, sha256, content: Content::Bytes(bytes), beyond })
        }
    }
}

/// Size and SHA-256 of a file that is not read into memory.
fn digest(file: &mut File) -> std::io::Result<(u64, String)> {
    let mut reader = BufReader::with_capacity(1 << 18, &mut *file);
    let (mut bytes, mut sha256) = (0, Sha256::new());
    loop {
        let read = reader.fill_buf()?;
        if read.is_empty() {
            break;
        }
        sha256.update(read);
        let length = read.len();
        bytes += length as u64;
        reader.consume(length);
    }
    file.rewind()?;
    Ok((bytes, crate::account::load::hex(&sha256.finalize())))
}

fn open_file(path: &Path, limit: u64) -> Result<Content, Skipped> {
    // It was a file when it was found; opening a pipe would block.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable("no longer a file"));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let mut first = Vec::new();
    (&mut file).take(PARQUET.len() as u64).read_to_end(&mut first).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    if first == PARQUET {
        return Ok(Content::Parquet(file));
    }
    // One byte more than there is: reading ends without growing to find that nothing is left.
    whole(file, limit, usize::try_from(metadata.len().min(limit)).unwrap_or_default().saturating_add(1))
}

/// All that there is, but for what is beyond the limit, of which there is a byte.
fn whole(reader: impl Read, limit: u64, expected: usize) -> Result<Content, Skipped> {
    let mut bytes = ROOM.take();
    if bytes.capacity() < expected {
        // With room to spare where it is kept: the files of a log are about as large as each other.
        let spare = if expected <= MOST_ROOM { expected / 4 } else { 0 };
        bytes = Vec::with_capacity(expected + spare);
    }
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(Content::Bytes(bytes.into()))
}

fn unreadable(why: impl ToString) -> Skipped {
    Skipped::new(None, SkipReason::UnreadableFile, why.to_string(), &[])
}

fn too_large(bytes: u64, limit: u64) -> Skipped {
    let detail = format!("{bytes} bytes or more, what is beyond {limit} is not read: split the file, or raise --max-inflated");
    Skipped::new(None, SkipReason::TooLarge, detail, &[])
}

/// The memory of a file with more bytes than this is not kept.
const MOST_ROOM: usize = 16 << 20;

/// Keeps the memory that the bytes of a file had for those of the thread's next one.
fn keep_room(bytes: Bytes) {
    if bytes.is_unique() && bytes.len() <= MOST_ROOM {
        let mut room = Vec::from(bytes);
        room.clear();
        ROOM.set(room);
    }
}

thread_local! {
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static INFLATER: Cell<Option<Box<Inflater>>> = const { Cell::new(None) };
}

impl Opened {
    /// The bytes, if the file is read as a whole: Parquet is not, and does not grow.
    pub(super) fn in_memory(&self) -> &[u8] {
        match &self.content {
            Content::Bytes(bytes) => bytes,
            Content::Parquet(_) => &[],
        }
    }

    /// The last event of what was loaded of the file before it has grown, or before more of it may be read. Of a table its row may
    /// have been cut, and stand there otherwise now.
    pub(super) fn last_of(&self, older: &SourceFile, reading: &Reading) -> Option<LastEvent> {
        let Content::Bytes(bytes) = &self.content else { return None };
        let before = bytes.get(..usize::try_from(older.bytes).ok()?)?;
        let ends_a_line = before.ends_with(b"\n") && !is_compressed(before) && !is_archive(before);
        if older.sha256.is_empty() || ends_a_line {
            return None;
        }
        let mut last = Last::default();
        decode_bytes(bytes.slice_ref(before), older.read_up_to.unwrap_or(reading.max_inflated), NESTED, &mut last);
        last.event
    }

    /// Hands every record to `sink`.
    pub(super) fn decode(self, reading: &Reading, sink: &mut impl Sink) {
        match self.content {
            Content::Parquet(file) => tabular::decode_table(file, reading.max_inflated, sink),
            Content::Bytes(bytes) => {
                decode_bytes(bytes.clone(), reading.max_inflated, NESTED, sink);
                keep_room(bytes);
            }
        }
        if let Some(beyond) = self.beyond {
            sink.skipped(beyond);
        }
    }
}

/// An event of an older state of a file.
#[derive(Debug)]
pub(super) struct LastEvent {
    /// Microseconds since 1970.
    pub(super) time: i64,
    /// Its position in the file.
    pub(super) index: u64,
    /// The record; empty for one that stood in the list of a trail, and so was whole.
    pub(super) text: String,
}

/// Keeps the last event.
#[derive(Debug, Default)]
struct Last {
    event: Option<LastEvent>,
}

impl Sink for Last {
    fn record(&mut self, index: u64, time: i64, _: &Record<'_>, text: &str) {
        self.event = Some(LastEvent { time, index, text: text.to_owned() });
    }

    fn skipped(&mut self, _: Skipped) {}
}

/// Decodes what the bytes come to, and returns how many those are.
fn decode_bytes(bytes: Bytes, limit: u64, nested: u8, sink: &mut impl Sink) -> u64 {
    let length = bytes.len() as u64;
    if bytes.starts_with(PARQUET) {
        tabular::decode_table(bytes, limit, sink);
    } else if nested > 0 && is_archive(&bytes) {
        return decode_archive(&bytes, limit, nested, sink);
    } else if nested > 0 && is_compressed(&bytes) {
        let mut inflater = INFLATER.take().unwrap_or_default();
        let length = decode_inflated(&mut inflater, &bytes, limit, nested, sink);
        inflater.trim();
        INFLATER.set(Some(inflater));
        return length;
    } else {
        decode_text(&bytes, sink);
    }
    length
}

fn decode_inflated(inflater: &mut Inflater, bytes: &[u8], limit: u64, nested: u8, sink: &mut impl Sink) -> u64 {
    let (plain, damage) = inflater.inflate(bytes, limit);
    let mut length = plain.len() as u64;
    if nested > 1 && is_archive(plain) {
        length = decode_archive(plain, limit, nested - 1, sink);
    } else if plain.starts_with(PARQUET) || is_compressed(plain) {
        length = decode_bytes(Bytes::copy_from_slice(plain), limit, nested - 1, sink);
    } else if !plain.is_empty() || damage.is_none() {
        decode_text(plain, sink);
    }
    let (reason, detail) = match damage {
        None => return length,
        Some(Damage::Broken(message)) => (SkipReason::BrokenCompression, format!("{message}; {} bytes compressed", bytes.len())),
        Some(Damage::TooLarge) => (
            SkipReason::TooLarge,
            format!("{} bytes inflate to more than {limit}, what is beyond is not read: raise --max-inflated if it is a log", bytes.len()),
        ),
    };
    sink.skipped(Skipped::new(None, reason, detail, bytes));
    length
}

/// Decodes the files of an archive that may be logs, one after the other.
fn decode_archive(bytes: &[u8], limit: u64, nested: u8, sink: &mut dyn Sink) -> u64 {
    let mut within = Within { sink, name: String::new(), first: 0, next: 0 };
    let (mut came, mut logs, mut others, mut other) = (0, 0, 0, String::new());
    archive::read(bytes, limit, &mut |part, left| {
        let (bytes, trouble) = match part {
            Part::Other(name) => {
                others += 1;
                other = name;
                return 0;
            }
            Part::File(name, bytes, trouble) => {
                within.name = name;
                (Bytes::from(bytes), trouble)
            }
            Part::End(trouble) => {
                within.name.clear();
                (Bytes::new(), Some(trouble))
            }
        };
        within.first = within.next;
        logs += 1;
        let length = if bytes.is_empty() && trouble.is_some() { 0 } else { decode_bytes(bytes.clone(), left, nested - 1, &mut within) };
        if let Some((reason, detail)) = trouble.map(|trouble| trouble.told(limit)) {
            within.skipped(Skipped::new(None, reason, detail, &bytes));
        }
        came += length;
        length
    });
    within.name.clear();
    if others > 0 {
        let detail = format!("files in the archive that are no logs of calls: {others}, such as `{other}`");
        within.skipped(Skipped::new(None, SkipReason::NotCloudtrail, detail, &[]));
    } else if logs == 0 {
        within.skipped(Skipped::new(None, SkipReason::EmptyFile, "the archive holds no file", bytes));
    }
    came
}

/// Counts the records of an archive through all of its files, and names the file of what is skipped.
struct Within<'s> {
    sink: &'s mut dyn Sink,
    /// The file in the archive; empty for the archive itself.
    name: String,
    /// The index that its first record has.
    first: u64,
    next: u64,
}

impl Sink for Within<'_> {
    fn record(&mut self, index: u64, time: i64, record: &Record<'_>, text: &str) {
        self.next = self.first + index + 1;
        self.sink.record(self.first + index, time, record, text);
    }

    fn records(&mut self, first: u64, records: &[(i64, Record<'_>)]) {
        self.next = self.first + first + records.len() as u64;
        self.sink.records(self.first + first, records);
    }

    fn skipped(&mut self, mut skipped: Skipped) {
        if let Some(index) = &mut skipped.index {
            *index += self.first;
            self.next = *index + 1;
        }
        if !self.name.is_empty() {
            skipped.detail = format!("in `{}`: {}", self.name, skipped.detail);
        }
        self.sink.skipped(skipped);
    }

    fn unknown(&mut self, unknown: Vec<Unknown>) {
        self.sink.unknown(unknown);
    }

    fn not_utf8(&mut self, near: String) {
        self.sink.not_utf8(near);
    }
}

fn decode_text(bytes: &[u8], sink: &mut impl Sink) {
    if let Some(what) = foreign(bytes) {
        sink.skipped(Skipped::new(None, SkipReason::NotCloudtrail, what, bytes));
        return;
    }
    let text = text(bytes);
    if matches!(text, Cow::Owned(_))
        && let Some(near) = not_utf8(bytes)
    {
        sink.not_utf8(near);
    }
    decode(&text, sink);
}

/// Bytes as text. Those that are not UTF-8 become U+FFFD; the records around them are whole.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match utf16(bytes) {
        Some(units) => Cow::Owned(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()),
        // Checked first: that takes a tenth of the time that replacing takes, also where there is nothing to replace.
        None => simdutf8::basic::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed),
    }
}

/// What stands around the first byte that is not UTF-8, with such bytes written out. A character that is cut at the end is none.
fn not_utf8(bytes: &[u8]) -> Option<String> {
    const AROUND: usize = 24;
    const BEFORE: usize = 4_096;
    let error = std::str::from_utf8(bytes).err()?;
    if error.error_len().is_none() || utf16(bytes).is_some() {
        return None;
    }
    let at = error.valid_up_to();
    let before = written_out(bytes.get(at.saturating_sub(BEFORE)..at)?);
    let around = before.clone() + &written_out(bytes.get(at..bytes.len().min(at + AROUND))?);
    Some(without_secrets(&around, before.floor_char_boundary(before.len().saturating_sub(AROUND))))
}

/// The units of a text in UTF-16, as PowerShell's `>` writes it, with its mark or without.
fn utf16(bytes: &[u8]) -> Option<impl Iterator<Item = u16>> {
    let (unit, mark): (fn([u8; 2]) -> u16, usize) = match bytes {
        [0xff, 0xfe, ..] => (u16::from_le_bytes, 2),
        [0xfe, 0xff, ..] => (u16::from_be_bytes, 2),
        [b'{' | b'[', 0, ..] => (u16::from_le_bytes, 0),
        [0, b'{' | b'[', ..] => (u16::from_be_bytes, 0),
        _ => return None,
    };
    Some(bytes.get(mark..)?.chunks_exact(2).map(move |pair| unit([pair.first().copied().unwrap_or(0), pair.last().copied().unwrap_or(0)])))
}

/// What is surely no log, by its first bytes.
fn foreign(bytes: &[u8]) -> Option<&'static str> {
    const KINDS: [(usize, &[u8], &str); 16] = [
        (0, b"PK\x03\x04\x14\x00\x06\x00", "an Excel workbook: save the sheet as CSV"),
        (0, b"\xd0\xcf\x11\xe0", "an old Excel workbook: save the sheet as CSV"),
        (0, b"PK\x03\x04", "a zip archive (or a workbook, of which the sheet is to be saved as CSV): unpack it first"),
        (0, b"SQLite format 3\0", "an SQLite database: write the table as CSV or JSON"),
        (0, b"ARROW1", "a Feather file, which is not read: write the table as Parquet"),
        (0, b"%PDF", "a PDF file"),
        (0, b"Rar!", "a RAR archive: unpack it first"),
        (0, b"\x80\x04\x95", "a pickle of Python, which is not read: write it as JSON or Parquet"),
        (257, b"ustar", "a tar archive: unpack it first"),
        (0, b"BZh", "compressed with bzip2, which is not read: decompress it first"),
        (0, b"\xfd7zXZ\x00", "compressed with xz, which is not read: decompress it first"),
        (0, b"\x04\x22\x4d\x18", "compressed with lz4, which is not read: decompress it first"),
        (0, b"7z\xbc\xaf", "a 7-Zip archive: unpack it first"),
        (0, b"ORC", "an ORC file, which is not read: write the table as Parquet"),
        (0, b"Obj\x01", "an Avro file, which is not read: write the table as Parquet"),
        (0, b"PARE", "an encrypted Parquet file, which is not read: write it without encryption"),
    ];
    KINDS.iter().find(|(at, magic, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic))).map(|(_, _, what)| *what)
}
