//! What the message of a denied call tells: who, which action on which resource, and which layer denied.
//!
//! The forms are those of `User: ARN is not authorized to perform: ACTION on resource: RESOURCE because REASON` and
//! `... with an explicit deny in a TYPE policy: ARN`; the resource and the reason may be missing, and the resource need not be an ARN.

/// A denial message, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Denial<'a> {
    /// `service:Action` as AWS spells it.
    pub action: Option<&'a str>,
    /// The resource, if the message names an ARN or `*`.
    pub resource: Option<&'a str>,
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

/// Takes a message apart; what is not there is `None`.
pub fn parse(message: &str) -> Denial<'_> {
    let mut denial = Denial::default();
    if let Some((_, after)) = message.split_once("not authorized to perform: ") {
        denial.action =
            after.split_whitespace().next().map(|action| action.trim_end_matches(['.', ','])).filter(|action| action.contains(':'));
        if let Some((_, resource)) = after.split_once("on resource: ") {
            let resource = resource.split_whitespace().next().unwrap_or("").trim_end_matches([',', '.']).trim_matches('"');
            denial.resource = Some(resource).filter(|text| *text == "*" || text.starts_with("arn:"));
        }
    }
    let reason = message.split_once("with an explicit deny in ").map(|(_, reason)| (reason, true));
    let reason = reason.or_else(|| message.split_once(" because no ").map(|(_, reason)| (reason, false)));
    if let Some((reason, explicit)) = reason
        && let Some((name, layer)) = LAYERS.iter().find(|(name, _)| starts_with_layer(reason, name))
    {
        denial.layer = Some(layer);
        denial.explicit = explicit;
        let after = reason.split_once(name).map_or("", |(_, after)| after);
        denial.policy = after.strip_prefix(": ").and_then(|text| text.split_whitespace().next()).filter(|text| text.starts_with("arn:"));
    }
    denial
}

fn starts_with_layer(reason: &str, name: &str) -> bool {
    let reason = reason.strip_prefix("an ").or_else(|| reason.strip_prefix("a ")).unwrap_or(reason);
    reason.starts_with(name)
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
        assert_eq!(denial.resource, Some("arn:aws:workmail:eu-west-1:1:organization/m-1"));
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
        assert_eq!((implicit.resource, implicit.layer, implicit.explicit), (Some("*"), Some("identity"), false));
        assert_eq!(parse("Access Denied"), Denial::default());
    }
}
