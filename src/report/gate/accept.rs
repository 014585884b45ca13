//! Changes that somebody looked at and meant: the file of `--accept`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::class_names;
use crate::error::{Error, Result};
use crate::iam::Pattern;
use crate::iam::condition::date;
use crate::iam::json::Source;
use crate::ingest::dataset::{date_text, day_of};

/// What is accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The file.
    path: PathBuf,
    entries: Vec<Entry>,
}

/// One `[[accept]]`.
#[derive(Debug)]
struct Entry {
    line: usize,
    change: Pattern,
    principal: Pattern,
    permission_set: Option<Pattern>,
    action: Pattern,
    resource: Option<Pattern>,
    candidate: Option<Pattern>,
    /// The last day on which it accepts, as days since 1970.
    expires: i32,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    accept: Vec<Spanned<Written>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    change: Spanned<String>,
    principal: Spanned<String>,
    action: Spanned<String>,
    reason: Spanned<String>,
    expires: Spanned<toml::Value>,
    resource: Option<String>,
    candidate: Option<String>,
}

/// A change that may be accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Its row; one that is asked for as two classes counts once.
    pub(super) row: usize,
    pub(super) class: &'a str,
    pub(super) candidate: &'a str,
    pub(super) principal: &'a str,
    pub(super) permission_set: Option<&'a str>,
    pub(super) action: &'a str,
    pub(super) resource: Option<&'a str>,
}

const HELP: &str = "each `[[accept]]` has `change`, `principal`, `action`, `reason` and `expires`, and may have `resource` and `candidate`";

impl Accepted {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Policy`] with the place.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
        Self::parse(path, &text)
    }

    /// Reads its text.
    ///
    /// # Errors
    /// [`Error::Policy`] with the place.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let source = Source::new(text);
        let refuse = |span: std::ops::Range<usize>, message: String, help: &str| -> Error {
            let mut error = source.error_in(span, message, Some(help));
            error.path = Some(path.to_path_buf());
            error.into()
        };
        let file: File = toml::from_str(text).map_err(|error| {
            let message = format!("not a list of accepted changes: {}", error.message().replace('\n', ", "));
            refuse(error.span().unwrap_or(0..0), message, HELP)
        })?;
        let mut entries = Vec::new();
        for entry in file.accept {
            let line = source.line(entry.span().start);
            let Written { change, principal, action, reason, expires, resource, candidate } = entry.into_inner();
            let pattern = Pattern::glob(change.get_ref());
            if !class_names().any(|class| pattern.matches(class)) {
                let classes = class_names().collect::<Vec<_>>().join(", ");
                return Err(refuse(change.span(), format!("`{}` is no change", change.get_ref()), &format!("there are: {classes}")));
            }
            if reason.get_ref().trim().is_empty() {
                return Err(refuse(reason.span(), "the reason is empty".to_owned(), "say who accepts it, and why"));
            }
            let written = match expires.get_ref() {
                toml::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let Some(day) = date::parse(&written).filter(|_| written.len() == 10).map(day_of) else {
                let help = "write the last day on which it counts: \"2026-12-31\"";
                return Err(refuse(expires.span(), format!("`{written}` is no date"), help));
            };
            let permission_set = principal.get_ref().strip_prefix("permission-set/").map(Pattern::glob);
            entries.push(Entry {
                line,
                change: pattern,
                principal: Pattern::glob(principal.get_ref()),
                permission_set,
                action: Pattern::glob(&action.get_ref().to_ascii_lowercase()),
                resource: resource.as_deref().map(Pattern::glob),
                candidate: candidate.as_deref().map(Pattern::glob),
                expires: day,
                reason: reason.into_inner(),
            });
        }
        Ok(Self { path: path.to_path_buf(), entries })
    }

    /// The use that is made of it on a day.
    pub(super) fn on(&self, today: i32) -> Using<'_> {
        Using { accepted: self, today, used: vec![Used::default(); self.entries.len()] }
    }
}

impl Entry {
    fn covers(&self, asked: Asked<'_>) -> bool {
        let principal = match &self.permission_set {
            Some(set) => asked.permission_set.is_some_and(|known| set.matches(known)),
            None => self.principal.matches(asked.principal),
        };
        principal
            && self.change.matches(asked.class)
            && self.action.matches(&asked.action.to_ascii_lowercase())
            && self.resource.as_ref().is_none_or(|pattern| asked.resource.is_some_and(|resource| pattern.matches(resource)))
            && self.candidate.as_ref().is_none_or(|pattern| pattern.matches(asked.candidate))
    }
}

/// Accepted changes, with how often each entry was used.
#[derive(Debug)]
pub(super) struct Using<'a> {
    accepted: &'a Accepted,
    today: i32,
    used: Vec<Used>,
}

/// How many rows an entry covers, and the last of them.
#[derive(Debug, Clone, Default)]
struct Used {
    rows: u64,
    last: Option<usize>,
}

impl Using<'_> {
    /// Whether a change is accepted; every entry that covers it counts as used.
    pub(super) fn accepts(&mut self, asked: Asked<'_>) -> bool {
        let mut found = false;
        for (entry, used) in self.accepted.entries.iter().zip(&mut self.used) {
            if entry.covers(asked) {
                used.rows += u64::from(used.last != Some(asked.row));
                used.last = Some(asked.row);
                found |= entry.expires >= self.today;
            }
        }
        found
    }

    /// What is to be said of the entries: those that accept, with their reasons, and those that accept nothing.
    pub(super) fn lines(&self) -> Vec<String> {
        let place = |entry: &Entry| format!("gate: {}:{}", self.accepted.path.display(), entry.line);
        let line = |(entry, used): (&Entry, &Used)| match used.rows {
            _ if entry.expires < self.today => {
                format!("{}: expired on {}, it accepts nothing: decide again, or remove it", place(entry), date_text(entry.expires))
            }
            0 => format!("{}: no change is as it says, it accepts nothing: remove it", place(entry)),
            rows => {
                let requests = super::counted(rows, "distinct request");
                format!("{}: accepts {requests} until {}: {}", place(entry), date_text(entry.expires), entry.reason)
            }
        };
        self.accepted.entries.iter().zip(&self.used).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "[[accept]]\nchange = \"lost\"\nprincipal = \"arn:aws:iam::*:user/hr-*\"\naction = \"workmail:Create*\"\nreason = \"moves to SCIM\"\nexpires = 2026-12-31\n";

    fn asked(action: &str) -> Asked<'_> {
        let principal = "arn:aws:iam::111122223333:user/hr-sync";
        Asked {
            row: action.len(),
            class: "lost",
            candidate: "draft",
            principal,
            permission_set: None,
            action,
            resource: Some("arn:aws:workmail:::x"),
        }
    }

    #[test]
    fn an_entry_accepts_what_it_says_until_its_last_day() {
        let accepted = Accepted::parse(Path::new("a.toml"), ENTRY).unwrap();
        let last_day = day_of("2026-12-31T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond());
        let mut using = accepted.on(last_day);
        assert!(using.accepts(asked("workmail:CreateUser")) && using.accepts(asked("WorkMail:createGroup")));
        assert!(!using.accepts(asked("workmail:DeleteUser")) && !using.accepts(Asked { class: "gained", ..asked("workmail:CreateUser") }));
        assert_eq!(using.lines(), ["gate: a.toml:1: accepts 2 distinct requests until 2026-12-31: moves to SCIM"]);
        let mut using = accepted.on(last_day + 1);
        assert!(!using.accepts(asked("workmail:CreateUser")));
        assert!(using.lines()[0].contains("expired on 2026-12-31"), "{:?}", using.lines());
        assert!(accepted.on(0).lines()[0].contains("no change is as it says"));
    }

    #[test]
    fn what_has_no_one_meaning_is_refused_at_its_line() {
        for (from, to, line, message) in [
            ("\"lost\"", "\"losst\"", 2, "`losst` is no change"),
            ("\"moves to SCIM\"", "\" \"", 5, "the reason is empty"),
            ("2026-12-31", "\"soon\"", 6, "`soon` is no date"),
            ("reason = \"moves to SCIM\"\n", "", 1, "missing field `reason`"),
            ("action", "actions", 4, "unknown field `actions`"),
        ] {
            let Err(Error::Policy(error)) = Accepted::parse(Path::new("a.toml"), &ENTRY.replace(from, to)) else { panic!("{to}") };
            assert!(error.message.contains(message) && error.line == line && error.help.is_some(), "{to}: {error}");
        }
    }

    #[test]
    fn optional_members_narrow() {
        let text = format!("{ENTRY}candidate = \"other\"\n");
        assert!(!Accepted::parse(Path::new("a"), &text).unwrap().on(0).accepts(asked("workmail:CreateUser")));
        let text = format!("{ENTRY}resource = \"arn:aws:workmail:*\"\n");
        let accepted = Accepted::parse(Path::new("a"), &text).unwrap();
        assert!(accepted.on(0).accepts(asked("workmail:CreateUser")));
        assert!(!accepted.on(0).accepts(Asked { resource: None, ..asked("workmail:CreateUser") }));
    }
}
