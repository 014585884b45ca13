//! What a user, a role and a group are, and the ids that IAM gives them.

use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

/// What kind of IAM identity a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Role,
}

/// How the snapshot knows a principal of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// As it is in the log.
    Present,
    /// Deleted before the snapshot was taken.
    Deleted,
    /// Deleted and created again: same ARN, another id. The log has the older id.
    Recreated,
}

/// An IAM user or role with everything that decides what it may do.
#[derive(Debug)]
pub(super) struct Principal<'a> {
    pub(super) kind: Kind,
    pub(super) account: &'a str,
    pub(super) path: &'a str,
    pub(super) name: &'a str,
    pub(super) groups: &'a [&'a str],
    /// Attached managed policies; `aws:` marks those of AWS.
    pub(super) managed: &'a [&'a str],
    /// Inline policies: name in IAM, name of the document.
    pub(super) inline: &'a [(&'a str, &'a str)],
    pub(super) boundary: Option<&'a str>,
    pub(super) tags: &'a [(&'a str, &'a str)],
    /// Who may assume a role: the kind of principal and its name.
    pub(super) trusts: (&'a str, &'a str),
    pub(super) presence: Presence,
}

impl Principal<'_> {
    /// The ARN in IAM, with the path.
    pub(super) fn arn(&self) -> String {
        let kind = if self.kind == Kind::User { "user" } else { "role" };
        format!("arn:aws:iam::{}:{kind}{}{}", self.account, self.path, self.name)
    }

    /// The unique id in the log.
    pub(super) fn logged_id(&self) -> String {
        self.id(if self.presence == Presence::Recreated { "first" } else { "" })
    }

    /// The unique id in the snapshot.
    pub(super) fn snapshot_id(&self) -> String {
        self.id("")
    }

    fn id(&self, generation: &str) -> String {
        let prefix = if self.kind == Kind::User { "AIDA" } else { "AROA" };
        example_id(prefix, &[self.account, self.name, generation])
    }

    /// The id of the long-term access key.
    pub(super) fn long_term_key(&self) -> String {
        let mut key = example_id("AKIA", &[self.account, self.name]);
        key.remove(4);
        key
    }
}

/// A stable unique id as IAM gives them, marked as an example.
pub(super) fn example_id(prefix: &str, parts: &[&str]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let digit = |place: u32| DIGITS.get((hash >> (place * 5)) as usize & 31).map_or('A', |byte| char::from(*byte));
    prefix.chars().chain((0..10).map(digit)).chain("EXAMPLE".chars()).collect()
}

/// The id of new temporary credentials, marked as an example.
pub(super) fn temporary_key(rng: &mut ChaCha8Rng) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut key = String::from("ASIA");
    key.extend((0..9).filter_map(|_| DIGITS.choose(rng).map(|digit| char::from(*digit))));
    key.push_str("EXAMPLE");
    key
}

/// A group of users with its policies.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) account: &'static str,
    pub(super) name: &'static str,
    pub(super) managed: &'static [&'static str],
    pub(super) inline: &'static [(&'static str, &'static str)],
}
