//! Calls, and how likely each persona makes them: the repertoires.

use std::collections::HashMap;
use std::io;

use super::estate::{BRANCH, CORP, LAB_ELSEWHERE, Organization};

const REPERTOIRES: &str = include_str!("repertoires.json");

/// Where a call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Office,
    /// The office, by IPv6.
    OfficeV6,
    /// Anywhere else.
    Home,
    /// A data centre of AWS.
    Cloud,
    /// Through the VPC endpoint of WorkMail.
    Endpoint,
    /// A console page that hides the caller's address.
    ConsoleProxy,
}

/// What the policies of the baseline say to a call, and how AWS words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// Allowed, and it does not fail for another reason either.
    Succeeded,
    /// No identity-based policy allows the action.
    NotAllowed,
    /// An identity-based policy denies it.
    Denied,
    /// The permissions boundary does not allow it.
    Bounded,
    /// The role that the call hands over may not be passed.
    RoleNotPassed,
}

/// A call that a persona makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act {
    pub(super) weight: u32,
    pub(super) verdict: Verdict,
    /// Instead of the place of the persona.
    pub(super) place: Option<Place>,
    /// Instead of the organization that the persona works on.
    pub(super) organization: Option<&'static Organization>,
    /// The service that makes the call in the caller's name.
    pub(super) via: Option<&'static str>,
}

impl Act {
    /// A call from where the persona is, on what it works on.
    pub(super) const fn with(verdict: Verdict) -> Self {
        Self { weight: 1, verdict, place: None, organization: None, via: None }
    }

    /// Reads a line like `2 workmail:ListUsers from home, not allowed`; gives the name of the operation too.
    fn parse(line: &str) -> Option<(&str, Self)> {
        let (call, verdict) = line.split_once(", ").unwrap_or((line, "allowed"));
        let mut words = call.split(' ');
        let mut act = Self::with(match verdict {
            "allowed" => Verdict::Allowed,
            "not allowed" => Verdict::NotAllowed,
            "denied" => Verdict::Denied,
            "bounded" => Verdict::Bounded,
            "role not passed" => Verdict::RoleNotPassed,
            _ => return None,
        });
        act.weight = words.next()?.parse().ok()?;
        let name = words.next()?;
        while let Some(preposition) = words.next() {
            match (preposition, words.next()?) {
                ("from", "home") => act.place = Some(Place::Home),
                ("from", "cloud") => act.place = Some(Place::Cloud),
                ("on", "corp") => act.organization = Some(&CORP),
                ("on", "branch") => act.organization = Some(&BRANCH),
                ("on", "elsewhere") => act.organization = Some(&LAB_ELSEWHERE),
                ("via", "workmail") => act.via = Some("workmail.amazonaws.com"),
                _ => return None,
            }
        }
        Some((name, act))
    }
}

/// The calls of every repertoire.
#[derive(Debug)]
pub(super) struct Repertoires(HashMap<String, Vec<String>>);

impl Repertoires {
    /// Reads the built-in table.
    pub(super) fn load() -> io::Result<Self> {
        Ok(Self(serde_json::from_str(REPERTOIRES)?))
    }

    /// The calls of a repertoire, by the name of the operation.
    pub(super) fn get(&self, name: &str) -> io::Result<Vec<(&str, Act)>> {
        let lines = self.0.get(name);
        let lines = lines.ok_or_else(|| io::Error::other(format!("no repertoire named {name}")))?;
        let parse = |line| Act::parse(line).ok_or_else(|| io::Error::other(format!("`{line}` is not a call")));
        lines.iter().map(|line| parse(line)).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let (name, act) = Act::parse("2 workmail:ListUsers on branch from home, not allowed").unwrap();
        assert_eq!((name, act.weight), ("workmail:ListUsers", 2));
        assert_eq!((act.place, act.verdict), (Some(Place::Home), Verdict::NotAllowed));
        assert!(std::ptr::eq(act.organization.unwrap(), &BRANCH));
        assert!(Act::parse("workmail:ListUsers").is_none());
        assert!(Act::parse("1 workmail:ListUsers at home").is_none());
    }

    #[test]
    fn every_repertoire_can_be_read() {
        let repertoires = Repertoires::load().unwrap();
        for name in repertoires.0.keys() {
            assert!(!repertoires.get(name).unwrap().is_empty(), "{name}");
        }
        assert!(repertoires.get("nobody").is_err());
    }
}
