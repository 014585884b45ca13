//! What the rows of a file have in common: who calls, and what is called.
//!
//! The events of a day come from few sessions, which ask for few things again and again. So each row has two numbers: rows of
//! one row group that agree in every column of a grain have one number of it, counted from 0 as they first occur. What such
//! columns tell is then read and worked out once for a number instead of once for a row.

use std::borrow::Cow;

use hashbrown::HashTable;

use super::{Flag, Text};

/// What the value of a column belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// The event.
    Event,
    /// Who calls, from where and how: equal for all rows with one `caller_number`.
    Caller,
    /// What is asked for, and what came of it: equal for all rows with one `call_number`.
    Call,
}

impl Grain {
    /// The columns with the numbers of callers and calls.
    pub const NUMBERS: [(Self, &'static str); 2] = [(Self::Caller, "caller_number"), (Self::Call, "call_number")];

    /// The grain of a text column.
    pub const fn of_text(text: Text) -> Self {
        match text {
            Text::AccessKeyId
            | Text::SourceIp
            | Text::PrincipalArn
            | Text::PrincipalId
            | Text::PrincipalAccountId
            | Text::IdentityType
            | Text::SessionName
            | Text::SessionIssuerArn
            | Text::SourceIdentity
            | Text::FederatedProvider
            | Text::InvokedBy
            | Text::VpcEndpointId
            | Text::VpcEndpointAccountId
            | Text::UserAgent
            | Text::Tls
            | Text::NotReplayable => Self::Caller,
            Text::Action
            | Text::Resource
            | Text::MappingSource
            | Text::ResourceSource
            | Text::Region
            | Text::AccountId
            | Text::Outcome
            | Text::DeniedBy
            | Text::EventVersion
            | Text::EventCategory => Self::Call,
            _ => Self::Event,
        }
    }

    /// The grain of a flag.
    pub const fn of_flag(flag: Flag) -> Self {
        match flag {
            Flag::Mfa | Flag::AssumedRoot | Flag::ConsoleSession => Self::Caller,
            Flag::RequestContextComplete => Self::Call,
            Flag::ReadOnly => Self::Event,
        }
    }

    /// The grain of a column of the events dataset.
    pub fn of(column: &str) -> Self {
        match (Text::named(column), Flag::named(column), column) {
            (Some(text), ..) => Self::of_text(text),
            (_, Some(flag), _) => Self::of_flag(flag),
            (.., "session_created") => Self::Caller,
            (.., "more_checks" | "request_context") => Self::Call,
            _ => Self::Event,
        }
    }
}

/// Numbers rows: those that agree in all columns have one number, counted from 0 as they first occur. Each column has a number
/// for each row that is another for another value.
pub(super) fn number(columns: &[Cow<'_, [u32]>], rows: usize) -> Vec<u32> {
    // Most columns say the same in all rows of a file, or nothing.
    let is_constant = |column: &[u32]| column.first().is_none_or(|first| column.iter().all(|number| number == first));
    let columns: Vec<&[u32]> = columns.iter().map(Cow::as_ref).filter(|column| !is_constant(column)).collect();
    let mut hashes = vec![0u64; rows];
    for column in &columns {
        for (hash, number) in hashes.iter_mut().zip(*column) {
            *hash = (hash.rotate_left(23) ^ u64::from(*number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
    }
    let at = |column: &&[u32], row: usize| column.get(row).copied();
    let mut known: HashTable<(u32, u32)> = HashTable::new();
    let mut numbers = Vec::with_capacity(rows);
    for (row, hash) in hashes.iter().enumerate() {
        let agrees = |(_, first): &(u32, u32)| columns.iter().all(|column| at(column, *first as usize) == at(column, row));
        let number = match known.find(*hash, agrees) {
            Some((number, _)) => *number,
            None => {
                let number = u32::try_from(known.len()).unwrap_or(u32::MAX);
                let first = u32::try_from(row).unwrap_or(u32::MAX);
                known.insert_unique(*hash, (number, first), |(_, first)| hashes.get(*first as usize).copied().unwrap_or_default());
                number
            }
        };
        numbers.push(number);
    }
    numbers
}

/// The first row of each number.
///
/// # Errors
/// The first number that is not counted as [`number`] counts.
pub(super) fn firsts(numbers: &[u32]) -> Result<Vec<u32>, u32> {
    let mut firsts = Vec::new();
    for (row, number) in (0u32..).zip(numbers) {
        let next = u32::try_from(firsts.len()).unwrap_or(u32::MAX);
        if *number == next {
            firsts.push(row);
        } else if *number > next {
            return Err(*number);
        }
    }
    Ok(firsts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::schema::EVENTS;

    #[test]
    fn every_column_has_its_grain() {
        let of = |grain| {
            let names = EVENTS.schema.fields().iter().map(|field| field.name().as_str());
            names.filter(|name| Grain::of(name) == grain).count()
        };
        assert_eq!([Grain::Caller, Grain::Call].map(of), [20, 13]);
        assert!(Grain::NUMBERS.iter().all(|(_, name)| EVENTS.schema.field_with_name(name).is_ok()));
    }

    proptest! {
        #[test]
        fn rows_have_one_number_where_they_agree(rows in proptest::collection::vec([0u32..3, 0..2, 5..6, 0..4], 0..200)) {
            let columns: Vec<Cow<'_, [u32]>> = (0..4).map(|at| rows.iter().map(|row| row[at]).collect()).collect();
            let numbers = number(&columns, rows.len());
            let firsts = firsts(&numbers).unwrap();
            prop_assert_eq!(numbers.len(), rows.len());
            for (row, number) in rows.iter().zip(&numbers) {
                let first = firsts[*number as usize] as usize;
                prop_assert_eq!(row, &rows[first]);
                prop_assert_eq!(rows.iter().position(|other| other == row), Some(first));
            }
        }
    }

    #[test]
    fn a_number_that_was_not_counted_is_told() {
        assert_eq!(firsts(&[0, 0, 1, 0, 2, 1]), Ok(vec![0, 2, 4]));
        assert_eq!(firsts(&[0, 2, 1]), Err(2));
        assert_eq!(firsts(&[]), Ok(vec![]));
    }
}
