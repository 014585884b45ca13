//! A part of a replay: the events of some of the principals.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The events whose principal hashes to `index`, of `of`. All events of a principal, known by its ARN, are in one shard, and
/// so are those of all principals without an ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    /// Less than `of`.
    pub index: u32,
    /// How many shards there are.
    pub of: u32,
}

impl Shard {
    /// Whether the events of a principal belong to it.
    pub fn takes(self, principal_arn: Option<&str>) -> bool {
        let digest = Sha256::digest(principal_arn.unwrap_or_default().as_bytes());
        let hash = digest.iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte));
        hash % u64::from(self.of.max(1)) == u64::from(self.index)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As it is mostly asked for: counted from 1.
        let index = if self.index == 0 { self.of } else { self.index };
        write!(f, "{index}/{}", self.of)
    }
}

/// `I/N`, counted from 0 or from 1: the shards are those of I modulo N, so that `3/3` is `0/3`.
impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once('/').and_then(|(index, of)| Some((index.parse::<u32>().ok()?, of.parse::<u32>().ok()?)));
        match numbers {
            Some((index, of)) if of > 0 && index <= of => Ok(Self { index: index % of, of }),
            _ => Err("write I/N, such as 1/4 for the first of four".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_principal_is_in_one_shard() {
        let arns: Vec<Option<String>> = (0..200).map(|n| (n > 0).then(|| format!("arn:aws:iam::111122223333:user/{n}"))).collect();
        for of in [1, 2, 3, 7] {
            let taken = |arn: &Option<String>| (0..of).filter(|index| Shard { index: *index, of }.takes(arn.as_deref())).count();
            assert!(arns.iter().all(|arn| taken(arn) == 1));
            let first = arns.iter().filter(|arn| Shard { index: 0, of }.takes(arn.as_deref())).count();
            assert!((first * of as usize).abs_diff(arns.len()) < arns.len() / 2, "{first} of {}", arns.len());
        }
    }

    #[test]
    fn shards_are_counted_from_zero_or_from_one() {
        let parse = |text: &str| text.parse::<Shard>().ok().map(|shard| shard.to_string());
        assert_eq!(["0/3", "3/3", "1/3", "1/1"].map(parse), ["3/3", "3/3", "1/3", "1/1"].map(|text| Some(text.to_owned())));
        assert!(["", "1", "4/3", "0/0", "-1/3", "a/b"].iter().all(|text| parse(text).is_none()));
    }
}
