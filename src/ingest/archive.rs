//! Archives of log files: zip and tar.

use std::io::{Cursor, Read};
use std::path::Path;

use zip::ZipArchive;
use zip::read::{ZipFile, read_zipfile_from_stream};

use super::source::{HEAD, is_log, is_without_calls};
use crate::cloudtrail::SkipReason;

/// How an archive of zip begins, and one that is empty.
const ZIP: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// Where the first header of tar says what it is.
const TAR: (usize, &[u8]) = (257, b"ustar");

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
            Self::Broken(why) => (SkipReason::BrokenCompression, format!("{why}; what is whole before was read")),
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
    is_zip(bytes) || bytes.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1))
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
    fn zip(&mut self, bytes: &[u8]) {
        let mut archive = match ZipArchive::new(Cursor::new(bytes)) {
            Ok(archive) => archive,
            Err(error) => return self.zip_without_directory(bytes, &error.to_string()),
        };
        if archive.file_names_raw().any(|name| name == OFFICE.as_bytes()) {
            return self.end(Trouble::Document);
        }
        for at in 0..archive.len() {
            let named = archive.name_for_index(at).and_then(Result::ok).map(|name| name.into_owned());
            let goes_on = match archive.by_index(at) {
                Ok(file) => self.zipped(file),
                Err(error) => {
                    let name = named.unwrap_or_else(|| format!("file {at}"));
                    self.file(name, Vec::new(), Some(Trouble::Broken(error.to_string())))
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Of an archive whose end is missing, what stands whole before that.
    fn zip_without_directory(&mut self, mut bytes: &[u8], why: &str) {
        while let Ok(Some(file)) = read_zipfile_from_stream(&mut bytes) {
            if !self.zipped(file) {
                return;
            }
        }
        self.end(Trouble::Broken(format!("a zip archive that is damaged or cut: {why}")));
    }

    fn zipped(&mut self, file: ZipFile<'_, impl Read>) -> bool {
        let name = file.name().map_or_else(|_| String::from_utf8_lossy(file.name_raw()).into_owned(), |name| name.into_owned());
        !file.is_file() || self.entry(name, file)
    }

    fn tar(&mut self, bytes: &[u8]) {
        let mut archive = tar::Archive::new(bytes);
        let entries = match archive.entries() {
            Ok(entries) => entries,
            Err(error) => return self.end(damaged(&error)),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.end(damaged(&error)),
            };
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if entry.header().entry_type().is_file() && !self.entry(name, entry) {
                return;
            }
        }
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
            (self.each)(Part::Other(name), self.left);
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
        let came = (self.each)(Part::File(name, bytes, trouble), self.left);
        self.left = self.left.saturating_sub(came);
        goes_on
    }

    fn end(&mut self, trouble: Trouble) {
        (self.each)(Part::End(trouble), self.left);
    }
}

fn damaged(error: &std::io::Error) -> Trouble {
    Trouble::Broken(format!("a tar archive that is damaged or cut: {error}"))
}
