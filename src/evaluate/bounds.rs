//! The numbers and times that policies tell apart.

use super::domain::Question;
use super::program::Program;
use crate::iam::condition::Matcher;

impl Program {
    /// The instants that policies tell apart by some keys, in microseconds since 1970, sorted: between two of them all
    /// times are alike. `None` if a policy takes a value of theirs as it is.
    pub fn instants(&self, keys: &[&str]) -> Option<Vec<i64>> {
        const SECOND: i64 = 1_000_000;
        let mut instants = Vec::new();
        for matcher in self.matchers(keys)? {
            match matcher {
                Matcher::Date(_, instant) => instants.push(*instant),
                Matcher::Number(_, number) => {
                    instants.extend(number.around().map(|seconds| seconds.saturating_mul(SECOND)));
                }
                _ => {}
            }
        }
        Some(sorted(instants))
    }

    /// The whole numbers next to those that policies compare some keys with, sorted, as [`Program::instants`].
    pub fn numbers(&self, keys: &[&str]) -> Option<Vec<i64>> {
        let number = |matcher: &Matcher| if let Matcher::Number(_, number) = matcher { Some(number.around()) } else { None };
        Some(sorted(self.matchers(keys)?.iter().filter_map(|matcher| number(matcher)).flatten().collect()))
    }

    /// What policies compare some keys with; `None` if one of them is taken as it is.
    fn matchers(&self, keys: &[&str]) -> Option<Vec<&Matcher>> {
        let mut matchers = Vec::new();
        for key in keys.iter().filter_map(|key| self.keys.get(self.key_id(key)?)) {
            if key.by_value {
                return None;
            }
            for question in key.tests.iter().filter_map(|atom| self.question(*atom)) {
                if let Question::Test(test) = question {
                    matchers.extend(&test.matchers);
                }
            }
        }
        Some(matchers)
    }
}

fn sorted(mut numbers: Vec<i64>) -> Vec<i64> {
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
