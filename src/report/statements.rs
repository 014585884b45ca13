//! The statements of a report, from `statements.parquet`.

use std::path::Path;

use hashbrown::HashMap;

use crate::error::Result;
use crate::frame::{parquet, read};

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// `baseline`, or the candidate's name.
    pub side: String,
    /// The layer.
    pub layer: String,
    /// Policy ARN, or `PRINCIPAL_ARN/POLICY_NAME`.
    pub policy: String,
    /// Position in the document, from 0.
    pub index: i64,
    /// `Sid`.
    pub sid: Option<String>,
    /// The file that the policy was read from.
    pub file: Option<String>,
    /// First and last line in it.
    pub lines: (i64, i64),
    /// Its JSON.
    pub text: String,
}

/// Statements, found by what changes name.
#[derive(Debug, Default)]
pub struct Statements {
    /// All of them, in the order of the table.
    pub all: Vec<Statement>,
    places: HashMap<(String, String, String), Vec<usize>>,
}

impl Statements {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut statements = Self::default();
        parquet::read_each(path, None, |batch| {
            let text = |name: &str, row| Ok::<_, crate::Error>(read::get(read::text(&batch, name)?, row).map(str::to_owned));
            for row in 0..batch.num_rows() {
                let number = |name: &str| Ok::<_, crate::Error>(read::int(&batch, name)?.value(row));
                statements.push(Statement {
                    side: text("side", row)?.unwrap_or_default(),
                    layer: text("layer", row)?.unwrap_or_default(),
                    policy: text("policy", row)?.unwrap_or_default(),
                    index: number("statement")?,
                    sid: text("sid", row)?,
                    file: text("file", row)?,
                    lines: (number("line")?, number("end_line")?),
                    text: text("text", row)?.unwrap_or_default(),
                });
            }
            Ok(())
        })?;
        Ok(statements)
    }

    fn push(&mut self, statement: Statement) {
        let of = (statement.side.clone(), statement.layer.clone(), statement.policy.clone());
        self.places.entry(of).or_default().push(self.all.len());
        self.all.push(statement);
    }

    /// A statement by its place.
    pub fn get(&self, place: Option<usize>) -> Option<&Statement> {
        self.all.get(place?)
    }

    /// The place of a statement.
    pub(super) fn find(&self, side: &str, layer: &str, policy: &str, index: i64) -> Option<usize> {
        self.find_by(side, layer, policy, |statement| statement.index == index)
    }

    fn find_by(&self, side: &str, layer: &str, policy: &str, fits: impl Fn(&Statement) -> bool) -> Option<usize> {
        let places = self.places.get(&(side.to_owned(), layer.to_owned(), policy.to_owned()))?;
        places.iter().copied().find(|place| self.all.get(*place).is_some_and(&fits))
    }

    /// What to show on the side without a statement that decides: the one that its reason names as nearest; else what became
    /// there of the other side's, if that says something else now: the statement of the same policy with the same `Sid`, else at
    /// the same place. The same statement, of a policy that the principal may no longer have, explains nothing.
    pub(super) fn counterpart(&self, before: Option<usize>, after: Option<usize>, candidate: &str, reasons: [&str; 2]) -> Option<usize> {
        let [baseline_reason, candidate_reason] = reasons;
        let (known, side, reason) = match (before, after) {
            (_, None) => (before, candidate, candidate_reason),
            (None, Some(_)) => (after, "baseline", baseline_reason),
            _ => return None,
        };
        if let Some(near) = self.named(side, reason) {
            return Some(near);
        }
        let known = self.all.get(known?)?;
        let changed = |other: &Statement| other.text != known.text;
        let find =
            |fits: &dyn Fn(&Statement) -> bool| self.find_by(side, &known.layer, &known.policy, |other| fits(other) && changed(other));
        let same_sid = find(&|other| other.sid.is_some() && other.sid == known.sid);
        same_sid.or_else(|| find(&|other| other.index == known.index && other.sid.is_none()))
    }

    /// The statement that a reason names: ``statement `SID` of `POLICY` ``, or its place.
    fn named(&self, side: &str, reason: &str) -> Option<usize> {
        let (_, rest) = reason.split_once("; statement ")?;
        let (statement, rest) = rest.split_once(" of `")?;
        let policy = rest.split('`').next()?;
        let sid = statement.strip_prefix('`').and_then(|sid| sid.strip_suffix('`'));
        let index = statement.parse::<i64>().ok();
        let is_policy = |known: &str| known == policy || known.ends_with(&format!("/{policy}"));
        let fits = |known: &Statement| {
            known.side == side
                && is_policy(&known.policy)
                && (sid.map_or(index == Some(known.index), |sid| known.sid.as_deref() == Some(sid)))
        };
        self.all.iter().position(fits)
    }
}
