//! The numbers, times and addresses that policies tell apart.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::domain::Question;
use super::program::{KeyId, Program};
use super::request::ContextState;
use crate::iam::condition::{Matcher, ip};

/// The addresses at which ranges begin, and those after their ends: between two of them all addresses are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    four: Vec<u32>,
    six: Vec<u128>,
}

impl Addresses {
    /// Those of the ranges among some matchers.
    pub(super) fn of<'m>(matchers: impl Iterator<Item = &'m Matcher>) -> Self {
        let (mut four, mut six) = (BTreeSet::from([0u32]), BTreeSet::from([0u128]));
        for matcher in matchers {
            match matcher {
                Matcher::Ip(ipnet::IpNet::V4(net)) => {
                    four.insert(net.network().to_bits());
                    four.extend(net.broadcast().to_bits().checked_add(1));
                }
                Matcher::Ip(ipnet::IpNet::V6(net)) => {
                    six.insert(net.network().to_bits());
                    six.extend(net.broadcast().to_bits().checked_add(1));
                }
                _ => {}
            }
        }
        Self { four: four.into_iter().collect(), six: six.into_iter().collect() }
    }

    /// An address of every stretch between two of them, in both families.
    pub(super) fn points(&self) -> impl Iterator<Item = IpAddr> {
        let six = self.six.iter().map(|bits| IpAddr::from(Ipv6Addr::from_bits(*bits)));
        self.four.iter().map(|bits| IpAddr::from(Ipv4Addr::from_bits(*bits))).chain(six)
    }

    /// The number of the stretch in which a known address lies; `None` for any other state.
    pub fn stretch(&self, state: &ContextState) -> Option<usize> {
        let ContextState::Known(values) = state else { return None };
        let [value] = values.as_slice() else { return None };
        Some(match ip::address(value)? {
            IpAddr::V4(address) => self.four.partition_point(|begin| *begin <= address.to_bits()),
            IpAddr::V6(address) => self.four.len() + self.six.partition_point(|begin| *begin <= address.to_bits()),
        })
    }
}

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

    /// The addresses that policies tell apart by a key; `None` if they look at its values as something else too.
    pub fn addresses(&self, key: KeyId) -> Option<Addresses> {
        let key = self.keys.get(key).filter(|key| !key.by_value && !key.tests.is_empty())?;
        let of = |atom: &usize| match self.question(*atom) {
            Some(Question::Test(test)) => Some(test.matchers.as_slice()),
            _ => None,
        };
        let matchers = key.tests.iter().map(of).collect::<Option<Vec<&[Matcher]>>>()?;
        let mut matchers = matchers.into_iter().flatten();
        let are_ranges = matchers.clone().all(|matcher| matches!(matcher, Matcher::Ip(_) | Matcher::Never));
        are_ranges.then(|| Addresses::of(&mut matchers))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::condition::{Base, Piece, Value};

    #[test]
    fn addresses_of_one_stretch_are_in_the_same_ranges() {
        let ranges = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "255.255.255.255", "0.0.0.0/0", "2001:db8::/32", "2001:db8::1", "::/0"];
        let piece = |text: &str| [Piece { text: text.to_owned(), literal: false }];
        let matchers: Vec<Matcher> = ranges.iter().map(|range| Matcher::new(Base::IpAddress, &piece(range))).collect();
        let addresses = Addresses::of(matchers.iter());
        let values = [
            "0.0.0.0",
            "9.255.255.255",
            "10.0.0.0",
            "10.0.255.255",
            "10.1.0.0",
            "10.1.2.2",
            "10.1.2.3",
            "10.1.2.4",
            "10.1.255.255",
            "10.2.0.0",
            "10.255.255.255",
            "11.0.0.0",
            "255.255.255.254",
            "255.255.255.255",
            "::",
            "2001:db7:ffff::",
            "2001:db8::",
            "2001:db8::1",
            "2001:db8::2",
            "2001:db9::",
            "ffff::",
        ];
        let said = |value: &str| matchers.iter().map(|matcher| matcher.matches(&Value::new(value))).collect::<Vec<_>>();
        let stretch = |value: &str| addresses.stretch(&ContextState::value(value)).unwrap();
        let mut told = 0;
        for a in values {
            for b in values {
                assert!(stretch(a) != stretch(b) || said(a) == said(b), "{a} {b}");
                told += usize::from(stretch(a) != stretch(b));
            }
        }
        assert!(told > values.len() * 10 && stretch("10.1.2.4") == stretch("10.1.255.255"));
        assert!(["x", "", "10.0.0.0/8"].iter().all(|other| addresses.stretch(&ContextState::value(*other)).is_none()));
        assert!(addresses.stretch(&ContextState::Absent).is_none());
    }
}
