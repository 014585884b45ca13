//! What the message of a denied call tells: who, which action on which resource, and which layer denied.
//!
//! The forms are those of `User: ARN is not authorized to perform: ACTION on resource: RESOURCE because REASON` and
//! `... with an explicit deny in a TYPE policy: ARN`; the resource and the reason may be missing, and the resource need not be an ARN.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

/// A denial message, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Denial<'a> {
    /// `service:Action` as AWS spells it.
    pub action: Option<&'a str>,
    /// The resource, if the message names an ARN or `*`; with `<?>` at its end where it cannot be told how it goes on.
    pub resource: Option<Cow<'a, str>>,
    /// The layer that denied, by the name that [`crate::evaluate::LayerKind`] has for it.
    pub layer: Option<&'static str>,
    /// Whether a Deny statement did it.
    pub explicit: bool,
    /// The ARN of the denying policy.
    pub policy: Option<&'a str>,
}

const LAYERS: [(&str, &str); 9] = [
    ("service control policy", "scp"),
    ("resource control policy", "rcp"),
    ("VPC endpoint policy", "endpoint"),
    ("permissions boundary", "boundary"),
    ("session policy", "session"),
    ("identity-based policy", "identity"),
    ("resource-based policy", "resource"),
    ("role trust policy", "resource"),
    ("assume role policy", "resource"),
];

/// What stands between the parts of a message, found as fast as it can be: an estate may be denied millions of times.
struct Words {
    action: Finder<'static>,
    resource: Finder<'static>,
    explicit: Finder<'static>,
    implicit: Finder<'static>,
    transitive: Finder<'static>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| Words {
    action: Finder::new("not authorized to perform: "),
    resource: Finder::new("on resource: "),
    explicit: Finder::new("with an explicit deny in "),
    implicit: Finder::new(" because no "),
    transitive: Finder::new("transitively through "),
});

/// What follows the resource in a message; resources may have spaces in them.
const AFTER_RESOURCE: [&str; 3] = [" because ", " with an explicit deny", " transitively through "];

/// CloudTrail keeps so many bytes of a message.
const LONGEST: usize = 1_024;

/// What stands for the rest of a resource that is not told.
const UNTOLD: &str = "<?>";

/// What follows the first of some words.
fn after<'m>(message: &'m str, words: &Finder<'_>) -> Option<&'m str> {
    message.get(words.find(message.as_bytes())? + words.needle().len()..)
}

/// Takes a message apart; what is not there is `None`.
pub fn parse(message: &str) -> Denial<'_> {
    let mut denial = Denial::default();
    if let Some(after_action) = after(message, &WORDS.action) {
        let action = after_action.split_whitespace().next().map(|action| action.trim_end_matches(['.', ',']));
        denial.action = action.filter(|action| action.contains(':'));
        if let Some(resource) = after(after_action, &WORDS.resource) {
            let is_cut = message.len() >= LONGEST;
            denial.resource = named(resource, is_cut).filter(|text| text == "*" || text.starts_with("arn:"));
        }
    }
    let reason = after(message, &WORDS.explicit).map(|reason| (reason, true));
    let reason = reason.or_else(|| after(message, &WORDS.implicit).map(|reason| (reason, false)));
    let reason = reason.or_else(|| after(message, &WORDS.transitive).map(|reason| (reason, false)));
    if let Some((reason, explicit)) = reason
        && let Some((layer, rest)) = LAYERS.iter().find_map(|(name, layer)| Some((layer, after_layer(reason, name)?)))
    {
        denial.layer = Some(layer);
        denial.explicit = explicit;
        let policy = rest.strip_prefix(": ").and_then(|text| text.split_whitespace().next());
        denial.policy = policy.map(|policy| policy.trim_end_matches(['.', ','])).filter(|policy| policy.starts_with("arn:"));
    }
    denial
}

/// The resource that a part of a message begins with.
fn named(text: &str, is_cut: bool) -> Option<Cow<'_, str>> {
    if let Some(quoted) = text.strip_prefix('"') {
        return match quoted.split_once('"') {
            Some((resource, _)) => Some(Cow::Borrowed(resource)),
            None => Some(Cow::Owned(format!("{quoted}{UNTOLD}"))),
        };
    }
    for space in memchr::memchr_iter(b' ', text.as_bytes()) {
        let (before, after) = text.split_at_checked(space)?;
        if AFTER_RESOURCE.iter().any(|words| after.starts_with(words)) {
            return Some(Cow::Borrowed(before));
        }
        if let Some(sentence) = before.strip_suffix('.') {
            return Some(Cow::Borrowed(sentence));
        }
    }
    let first = text.split_whitespace().next()?;
    let is_all = text.trim_end().len() == first.len();
    let resource = first.trim_end_matches([',', '.']);
    // What follows a space may belong to it, and so may what a message was cut off before.
    if resource == "*" || (is_all && !is_cut) { Some(Cow::Borrowed(resource)) } else { Some(Cow::Owned(format!("{resource}{UNTOLD}"))) }
}

/// What follows the name of a layer, if the reason begins with it.
fn after_layer<'r>(reason: &'r str, name: &str) -> Option<&'r str> {
    ["an ", "a ", "the "].iter().find_map(|article| reason.strip_prefix(article)).unwrap_or(reason).strip_prefix(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_are_found() {
        let message = "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: workmail:DescribeUser on resource: \
                       arn:aws:workmail:eu-west-1:1:organization/m-1 with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o-1/service_control_policy/p-1";
        let denial = parse(message);
        assert_eq!(denial.action, Some("workmail:DescribeUser"));
        assert_eq!(denial.resource.as_deref(), Some("arn:aws:workmail:eu-west-1:1:organization/m-1"));
        assert_eq!((denial.layer, denial.explicit), (Some("scp"), true));
        assert_eq!(denial.policy, Some("arn:aws:organizations::1:policy/o-1/service_control_policy/p-1"));
    }

    #[test]
    fn resources_that_are_no_arn_are_left_out() {
        let denial = parse("User: arn:aws:iam::1:user/u is not authorized to perform: workmail:DescribeGroup on resource: group");
        assert_eq!((denial.action, denial.resource, denial.layer), (Some("workmail:DescribeGroup"), None, None));
        let implicit = parse(
            "User: x is not authorized to perform: iam:ListUsers on resource: * because no identity-based policy allows the iam:ListUsers action",
        );
        assert_eq!((implicit.resource.as_deref(), implicit.layer, implicit.explicit), (Some("*"), Some("identity"), false));
        assert_eq!(parse("Access Denied"), Denial::default());
    }

    #[test]
    fn resources_with_spaces_are_whole_or_open() {
        let long = "x".repeat(1_000);
        for (rest, resource) in [
            (
                "arn:aws:cloudwatch:eu-west-1:1:alarm:High CPU because no identity-based policy allows",
                "arn:aws:cloudwatch:eu-west-1:1:alarm:High CPU",
            ),
            (
                "arn:aws:cloudwatch:eu-west-1:1:alarm:High CPU with an explicit deny in a session policy",
                "arn:aws:cloudwatch:eu-west-1:1:alarm:High CPU",
            ),
            ("\"arn:aws:s3:::b/my key.txt\" because no", "arn:aws:s3:::b/my key.txt"),
            ("\"arn:aws:s3:::b/my k", "arn:aws:s3:::b/my k<?>"),
            ("arn:aws:cloudwatch:eu-west-1:1:alarm:High CPU", "arn:aws:cloudwatch:eu-west-1:1:alarm:High<?>"),
            ("arn:aws:s3:::b. Encoded authorization failure message: 4GIO", "arn:aws:s3:::b"),
            ("arn:aws:s3:::b.", "arn:aws:s3:::b"),
            ("arn:aws:s3:::b", "arn:aws:s3:::b"),
            ("* (some words)", "*"),
            (&format!("arn:aws:s3:::{long}"), &format!("arn:aws:s3:::{long}<?>")),
        ] {
            let message = format!("User: u is not authorized to perform: a:B on resource: {rest}");
            assert_eq!(parse(&message).resource.as_deref(), Some(resource), "{message}");
        }
    }

    #[test]
    fn the_layer_and_its_policy_are_named_without_the_end_of_the_sentence() {
        let denial = parse("not authorized to perform: a:B on resource: * transitively through a service control policy");
        assert_eq!((denial.layer, denial.explicit), (Some("scp"), false));
        let denial =
            parse("with an explicit deny in a service control policy: arn:aws:x:policy/p-1. Encoded authorization failure message: 4GIO");
        assert_eq!((denial.layer, denial.policy), (Some("scp"), Some("arn:aws:x:policy/p-1")));
    }
}
