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

    /// What became, on the side without a statement that decides, of the one that decides on the other: that of the same
    /// policy with the same `Sid`, else at the same place.
    pub(super) fn counterpart(&self, before: Option<usize>, after: Option<usize>, candidate: &str) -> Option<usize> {
        let (known, side) = match (before, after) {
            (Some(before), None) => (before, candidate),
            (None, Some(after)) => (after, "baseline"),
            _ => return None,
        };
        let known = self.all.get(known)?;
        let find = |fits: &dyn Fn(&Statement) -> bool| self.find_by(side, &known.layer, &known.policy, fits);
        let same_sid = find(&|other| other.sid.is_some() && other.sid == known.sid);
        same_sid.or_else(|| find(&|other| other.index == known.index))
    }
}
