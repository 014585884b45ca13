//! Archives of log files: zip and tar.

use std::io::{Cursor, Read};
use std::path::Path;

use zip::ZipArchive;
use zip::read::{ZipFile, ZipReadOptions, read_zipfile_from_stream, read_zipfile_from_stream_with_options};

use super::source::{HEAD, is_log, is_without_calls};
use crate::cloudtrail::SkipReason;

/// How an archive of zip begins, and one that is empty.
const ZIP: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// Where the first header of tar says what it is.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// Of what tar consists.
const BLOCK: usize = 512;

/// How many zip archives in one are looked for.
const MOST_PARTS: usize = 1_000;

/// The most bytes of a name that are told.
const MOST_NAME: usize = 256;

/// What every document of Office has.
const OFFICE: &str = "[Content_Types].xml";

/// What reading an archive comes upon.
pub(super) enum Part {
    /// A file in it: its name, its bytes as far as they could be had, and what is wrong with it.
    File(String, Vec<u8>, Option<Trouble>),
    /// A file that is passed over in folders too: its name.
    Other(String),
    /// That no more of it can be read.
    End(Trouble),
}

/// Why a file of an archive is not whole.
pub(super) enum Trouble {
    /// It is damaged, encrypted or compressed in a way that is not read.
    Broken(String),
    /// There is more in it than may be read.
    TooLarge,
    /// The archive is a document.
    Document,
}

impl Trouble {
    /// As what is skipped of an archive of which at most so many bytes are read.
    pub(super) fn told(self, limit: u64) -> (SkipReason, String) {
        match self {
            Self::Broken(why) => (SkipReason::BrokenCompression, why),
            Self::Document => (SkipReason::NotCloudtrail, "an Excel workbook, or another document: save the sheet as CSV".to_owned()),
            Self::TooLarge => (
                SkipReason::TooLarge,
                format!("the files of the archive come to more than {limit} bytes, what is beyond is not read: raise --max-inflated"),
            ),
        }
    }
}

/// Whether the bytes begin as an archive does.
pub(super) fn is_archive(bytes: &[u8]) -> bool {
    is_zip(bytes) || is_tar(bytes)
}

fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1))
}

fn is_zip(bytes: &[u8]) -> bool {
    ZIP.iter().any(|beginning| bytes.starts_with(beginning))
}

/// Hands out what is in an archive, in its order. `each` is told how many bytes may come of a file, and says how many did: the
/// files of an archive come to `limit` together.
pub(super) fn read(bytes: &[u8], limit: u64, each: &mut dyn FnMut(Part, u64) -> u64) {
    let mut files = Files { left: limit, each };
    if is_zip(bytes) { files.zip(bytes) } else { files.tar(bytes) }
}

struct Files<'e> {
    /// How many bytes may still be read.
    left: u64,
    each: &'e mut dyn FnMut(Part, u64) -> u64,
}

impl Files<'_> {
    /// Archives that were put together, each with its directory at its end.
    fn zip(&mut self, bytes: &[u8]) {
        let (mut parts, mut rest) = (Vec::new(), bytes);
        while is_zip(rest) {
            let archive = (parts.len() < MOST_PARTS).then(|| ZipArchive::new(Cursor::new(rest)));
            let before = archive.as_ref().and_then(|archive| archive.as_ref().ok()).map_or(0, ZipArchive::offset);
            parts.push((rest, archive));
            rest = usize::try_from(before).ok().and_then(|before| rest.get(..before)).unwrap_or_default();
        }
        for (bytes, archive) in parts.into_iter().rev() {
            let goes_on = match archive {
                Some(Ok(archive)) => self.zip_with_directory(bytes, archive),
                Some(Err(error)) => self.zip_without_directory(bytes, &error.to_string()),
                None => self.zip_without_directory(bytes, "more archives in one than are looked for"),
            };
            if !goes_on {
                return;
            }
        }
    }

    fn zip_with_directory(&mut self, bytes: &[u8], mut archive: ZipArchive<Cursor<&[u8]>>) -> bool {
        if archive.file_names_raw().any(|name| name == OFFICE.as_bytes()) {
            self.end(Trouble::Document);
            return true;
        }
        // Of several files of one name the library has the last, and of more than 65,535 what the number modulo 65,536 says.
        let listed = listed(bytes, archive.central_directory_start());
        if listed.len() > archive.len() {
            let offset = archive.offset();
            return listed.iter().all(|file| self.listed(bytes, offset, file));
        }
        (0..archive.len()).all(|at| {
            let named = archive.name_for_index(at).and_then(Result::ok).map(|name| name.into_owned());
            match archive.by_index(at) {
                Ok(file) => self.zipped(file),
                Err(error) => self.file(named.unwrap_or_default(), Vec::new(), Some(Trouble::Broken(error.to_string()))),
            }
        })
    }

    /// Reads a file where the directory says that it stands.
    fn listed(&mut self, bytes: &[u8], offset: u64, file: &Listed) -> bool {
        let at = usize::try_from(offset.saturating_add(file.at)).ok();
        let mut stream = at.and_then(|at| bytes.get(at..)).unwrap_or_default();
        let options = ZipReadOptions::default().override_compressed_size(file.compressed).override_crc(file.crc);
        match read_zipfile_from_stream_with_options(&mut stream, options) {
            Ok(Some(file)) => self.zipped(file),
            Ok(None) => true,
            Err(error) => self.file(file.name.clone(), Vec::new(), Some(Trouble::Broken(error.to_string()))),
        }
    }

    /// Of an archive whose end is missing, what stands whole before that.
    fn zip_without_directory(&mut self, mut bytes: &[u8], why: &str) -> bool {
        while let Ok(Some(file)) = read_zipfile_from_stream(&mut bytes) {
            if !self.zipped(file) {
                return false;
            }
        }
        self.end(Trouble::Broken(format!("a zip archive that is damaged or cut: {why}")));
        true
    }

    fn zipped(&mut self, file: ZipFile<'_, impl Read>) -> bool {
        let name = file.name().map_or_else(|_| String::from_utf8_lossy(file.name_raw()).into_owned(), |name| name.into_owned());
        !file.is_file() || self.entry(name, file)
    }

    /// Archives that were put together too; after a header that is damaged, what stands behind the next one.
    fn tar(&mut self, bytes: &[u8]) {
        let mut from = 0;
        let mut first = None;
        while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
            match self.tar_from(rest) {
                Ok(true) => break,
                Ok(false) => return,
                Err((at, error)) => {
                    first.get_or_insert(error.to_string());
                    let next = (at / BLOCK + 1..rest.len() / BLOCK).find(|block| is_tar(rest.get(block * BLOCK..).unwrap_or_default()));
                    from = next.map_or(bytes.len(), |block| from + block * BLOCK);
                }
            }
        }
        // There are empty blocks behind the last file.
        let is_cut = bytes.len() < BLOCK || bytes.iter().rev().take(BLOCK).any(|byte| *byte != 0);
        if let Some(why) = first.or(is_cut.then(|| "it has no end".to_owned())) {
            self.end(Trouble::Broken(format!("a tar archive that is damaged or cut: {why}")));
        }
    }

    /// Whether more may be read after all files; where a header is that cannot be read.
    fn tar_from(&mut self, bytes: &[u8]) -> Result<bool, (usize, std::io::Error)> {
        let mut archive = tar::Archive::new(bytes);
        archive.set_ignore_zeros(true);
        let mut at = 0;
        for entry in archive.entries().map_err(|error| (0, error))? {
            let entry = entry.map_err(|error| (at, error))?;
            let end = entry.raw_file_position().saturating_add(entry.header().entry_size().unwrap_or(0));
            at = usize::try_from(end).unwrap_or(usize::MAX).div_ceil(BLOCK).saturating_mul(BLOCK);
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            // Links and folders hold nothing; all else is a file, whatever it is called.
            let kind = entry.header().entry_type();
            let holds_nothing = kind.is_dir()
                || kind.is_symlink()
                || kind.is_hard_link()
                || kind.is_fifo()
                || kind.is_character_special()
                || kind.is_block_special()
                || kind.is_pax_global_extensions()
                || matches!(kind.as_byte(), b'D' | b'V');
            if !holds_nothing && !self.entry(name, entry) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads a file; whether more may be read after it.
    fn entry(&mut self, name: String, mut reader: impl Read) -> bool {
        // What macOS adds to each file of its own.
        if name.split('/').any(|part| part == "__MACOSX" || part == ".DS_Store" || part.starts_with("._")) {
            return true;
        }
        let path = Path::new(&name);
        let most = self.left.saturating_add(1);
        let mut bytes = Vec::new();
        let head = (&mut reader).take(most.min(HEAD)).read_to_end(&mut bytes);
        if path.iter().any(is_without_calls) || (head.is_ok() && !is_log(path, &bytes)) {
            (self.each)(Part::Other(shortened(name)), self.left);
            return true;
        }
        let trouble = match head.and_then(|head| reader.take(most - head as u64).read_to_end(&mut bytes)) {
            Err(error) => Some(Trouble::Broken(error.to_string())),
            Ok(_) if bytes.len() as u64 > self.left => Some(Trouble::TooLarge),
            Ok(_) => None,
        };
        bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.file(name, bytes, trouble)
    }

    fn file(&mut self, name: String, bytes: Vec<u8>, trouble: Option<Trouble>) -> bool {
        let goes_on = !matches!(trouble, Some(Trouble::TooLarge));
        let came = (self.each)(Part::File(shortened(name), bytes, trouble), self.left);
        self.left = self.left.saturating_sub(came);
        goes_on
    }

    fn end(&mut self, trouble: Trouble) {
        (self.each)(Part::End(trouble), self.left);
    }
}

/// A name as it is told: the end of a path tells more.
fn shortened(name: String) -> String {
    let begin = name.ceil_char_boundary(name.len().saturating_sub(MOST_NAME));
    if begin == 0 { name } else { format!("...{}", name.get(begin..).unwrap_or_default()) }
}

/// What the directory of a zip archive says of a file.
struct Listed {
    name: String,
    /// Where its header begins, from the beginning of the archive.
    at: u64,
    compressed: u64,
    crc: u32,
}

/// All that the directory of a zip archive lists, which begins at `start` (PKWARE, APPNOTE, 4.3.12).
fn listed(bytes: &[u8], start: u64) -> Vec<Listed> {
    let mut listed = Vec::new();
    let mut rest = usize::try_from(start).ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
    while rest.starts_with(b"PK\x01\x02") {
        let Some((file, length)) = one_listed(rest) else { break };
        listed.push(file);
        rest = rest.get(length..).unwrap_or_default();
    }
    listed
}

/// What the directory says of a file, and the length of that.
fn one_listed(entry: &[u8]) -> Option<(Listed, usize)> {
    let short = |at: usize| Some(usize::from(u16::from_le_bytes(entry.get(at..at + 2)?.try_into().ok()?)));
    let long = |at: usize| Some(u32::from_le_bytes(entry.get(at..at + 4)?.try_into().ok()?));
    let (name, extra, comment) = (short(28)?, short(30)?, short(32)?);
    let name = entry.get(46..46 + name)?;
    let fields = entry.get(46 + name.len()..46 + name.len() + extra)?;
    // What does not fit stands in a field of its own, in this order.
    let mut large =
        zip64(fields).unwrap_or_default().chunks_exact(8).filter_map(|number| Some(u64::from_le_bytes(number.try_into().ok()?)));
    let mut number = |at: usize| match long(at)? {
        u32::MAX => large.next(),
        fits => Some(u64::from(fits)),
    };
    let _inflated = number(24)?;
    let (compressed, at) = (number(20)?, number(42)?);
    let file = Listed { name: String::from_utf8_lossy(name).into_owned(), at, compressed, crc: long(16)? };
    Some((file, 46 + name.len() + extra + comment))
}

/// The extra field of numbers that need 64 bits.
fn zip64(mut fields: &[u8]) -> Option<&[u8]> {
    loop {
        let (head, rest) = fields.split_at_checked(4)?;
        let (id, length) = (head.first_chunk::<2>()?, head.last_chunk::<2>()?);
        let (field, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        if u16::from_le_bytes(*id) == 1 {
            return Some(field);
        }
        fields = rest;
    }
}
