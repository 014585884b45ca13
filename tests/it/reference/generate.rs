//! Strategies for case lines: small and adversarial, so that statements hit often.
//!
//! Where the specification leaves a form open, the strategies stay away from it: empty lists for `boundary`, `session`
//! and `endpoint`, short ARNs that their layer does not pad, RCP levels without the full-access document, endpoint and
//! RCP statements without `Principal`, `Allow` with `NotPrincipal`, non-integer JSON numbers, keys differing by case.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use super::condition::{self, BASES};
use super::layers::LAYERS;
use super::policy::{Kind, statements, texts};

const ACCOUNT: &str = "111122223333";
const ACTIONS: [&str; 4] = ["workmail:ListUsers", "workmail:DeleteUser", "s3:GetObject", "iam:PassRole"];
const ACTION_PATTERNS: [&str; 20] = [
    "*",
    "*",
    "*",
    "*",
    "*",
    "*",
    "*",
    "workmail:*",
    "workmail:List*",
    "workmail:*User",
    "WORKMAIL:listusers",
    "*:*",
    "*:List*",
    "s3:*",
    "S3:Get?bject",
    "iam:PassRole",
    "workmail:List",
    "workmail:ListUsers,DeleteUser",
    "ListUsers",
    "**",
];
const RESOURCES: [&str; 4] = [
    "arn:aws:workmail:us-east-1:111122223333:organization/m-1a",
    "arn:aws:workmail:eu-west-1:111122223333:organization/m-2b",
    "arn:aws:s3:::b/a:x/y",
    "*",
];
const RESOURCE_PATTERNS: [&str; 34] = [
    "*",
    "*",
    "*",
    "*",
    "*",
    "*",
    "*",
    "*",
    "*",
    "*",
    "*",
    "*",
    "*",
    "**",
    "arn:aws:workmail:*:*:organization/*",
    "arn:aws:workmail:us-east-1:111122223333:organization/m-1a",
    "arn:aws:workmail:us-*-1:111122223333:organization/m-?a",
    "arn:aws:workmail:us*:organization/m-1a",
    "arn:aws:workmail:u?-east-1:1111*3333:*/m-1a",
    "arn:aws:workmail:eu-west-1:444455556666:organization/*",
    "arn:*:*:*:*:*",
    "arn:aws:WorkMail:*:*:*",
    "arn:aws:workmail:*:*:*:organization/m-1a",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b/?:x/*",
    "arn:aws:s3:::*:x/y",
    "arn:aws:s3:::b/${k:a}:x/y",
    "arn:aws:s3:::b/${aws:username}:*",
    "arn:aws:s3:::b/${aws:PrincipalTag/team}*",
    "arn:aws:*:*:*:organization/m-${k:a, '1a'}",
    "arn:aws:s3:::b/${K:A, 'def'}:x/${*}",
    "arn:aws:s3:::b/${*}",
    "arn:aws:workmail:${k:a}:111122223333:organization/m-1a",
    "arn:aws:s3:::b/${k:a",
];
/// 2.3 rule 4: identity, boundary and session pad any short ARN; the other layers not all, RCPs none.
const SHORT_ARNS: [&str; 5] =
    ["arn:aws:workmail", "arn:aws:s3", "arn:aws:workmail:us-east-1", "arn:aws:s3:*:x/y", "arn:aws:workmail:*:organization/m-1a"];
const SHORT_STAR_ARNS: [&str; 4] = ["arn:aws:workmail:*", "arn:aws:*", "arn:aws:s3::*", "arn:aws:workmail:us-east-1:*"];

const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
const ROLE: &str = "arn:aws:iam::111122223333:role/MailAdmin";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/MailAdmin/s1";
const CAROL: &str = "arn:aws:sts::111122223333:federated-user/Carol";
const ROOT: &str = "arn:aws:iam::111122223333:root";

/// A context key with its family of operators, what policies ask and what requests carry.
struct Key {
    name: &'static str,
    family: &'static str,
    asked: &'static [&'static str],
    carried: &'static [&'static str],
}

const STRINGS: &[&str] = &["a", "a", "b", "A", "ab", "a*", "*b", "?", "*", "", "${aws:username}", "${k:a, 'b'}", "${*}", "${k:a}"];
const WORDS: &[&str] = &["a", "a", "b", "A", "ab", "*"];
const KEYS: [Key; 10] = [
    Key { name: "k:a", family: "String", asked: STRINGS, carried: WORDS },
    Key { name: "aws:username", family: "String", asked: STRINGS, carried: WORDS },
    Key { name: "aws:PrincipalTag/team", family: "String", asked: STRINGS, carried: &["a", "b", "A", "ab", "", "${k:a}"] },
    Key {
        name: "k:num",
        family: "Numeric",
        asked: &["5", "5.0", "10", "1e1", "10.5", "-1", "9007199254740993", "10abc", "${k:a}"],
        carried: &["5", "10", "7", "-1.0", "+5", "9007199254740992", "9007199254740993", "10abc", "a"],
    },
    Key {
        name: "k:date",
        family: "Date",
        asked: &[
            "2024-06-15T12:00:00Z",
            "2024-06-15",
            "1718452800",
            "2024-06-15T14:00:00+02:00",
            "2024-06",
            "2024",
            "2024-*",
            "2024-02-30",
        ],
        carried: &["2024-06-15T12:00:00Z", "2024-06-15t12:00:00.500z", "1718452800", "2024-06-14T23:59:59Z", "2024-07-01", "a"],
    },
    Key {
        name: "aws:MultiFactorAuthPresent",
        family: "Bool",
        asked: &["true", "true", "false", "TRUE", "yes"],
        carried: &["true", "false", "True", "yes"],
    },
    Key {
        name: "aws:SourceIp",
        family: "Ip",
        asked: &["10.0.0.0/8", "10.1.1.77/16", "10.1.1.1", "0.0.0.0/0", "::/0", "2001:db8::/32", "2001:DB8::1", "10.0.0.0/33", "a"],
        carried: &["10.1.1.1", "10.2.0.1", "203.0.113.1", "2001:db8:0:0:0:0:0:1", "::ffff:10.1.1.1", "AWS Internal"],
    },
    Key {
        name: "aws:SourceArn",
        family: "Arn",
        asked: &[
            "arn:aws:s3:::b/*",
            "arn:aws:s3:::*",
            "arn:aws:sns:*:1111:t?",
            "arn:aws:sns:*:t:x",
            "arn:aws:s3:*",
            "*",
            "arn:aws:s3:::${k:a}",
            "arn:*:*:*:*:*",
        ],
        carried: &["arn:aws:s3:::b/a", "arn:aws:s3:::a", "arn:aws:sns:us-east-1:1111:tx", "arn:aws:sns:us-east-1:1111:t:x", "b"],
    },
    Key { name: "k:bin", family: "Binary", asked: &["YQ==", "YWI=", "%%%%"], carried: &["YQ==", "YWI=", "a b!"] },
    Key { name: "aws:TagKeys", family: "String", asked: &["a", "b", "c", "a*", "", "${aws:username}"], carried: &["a", "b", "c", "A", ""] },
];

/// How adversarial the conditions are: in `Typed` ones a key only meets operators of its own family, so that the
/// type of an unknown key is beyond dispute (5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Any,
    Typed,
}

fn bases(family: &str) -> Vec<&'static str> {
    let mine = |base: &&str| base.trim_start_matches("Not").starts_with(family);
    BASES.into_iter().filter(mine).collect()
}

/// True once in `n` times.
fn rarely(n: u32) -> impl Strategy<Value = bool> {
    prop_oneof![1 => Just(true), n - 1 => Just(false)]
}

/// A name in another case now and then.
fn recased(name: String) -> impl Strategy<Value = String> {
    prop_oneof![12 => Just(name.clone()), 1 => Just(name.to_uppercase()), 1 => Just(name.to_lowercase())]
}

/// One string as it is, or a list of a few.
fn scalar_or_list(item: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Value> {
    prop_oneof![
        5 => item.clone(),
        4 => prop::collection::vec(item, 1..3).prop_map(Value::Array),
    ]
}

/// (operator, key, values) of one condition entry.
fn entry(style: Style) -> impl Strategy<Value = (String, String, Value)> {
    (0..KEYS.len(), rarely(12), rarely(10)).prop_flat_map(move |(index, foreign, null)| {
        let key = &KEYS[index];
        let multivalued = key.name == "aws:TagKeys";
        let base = match (null, foreign && style == Style::Any) {
            (true, _) => vec!["Null"],
            (false, true) => BASES.to_vec(),
            (false, false) => bases(key.family),
        };
        let sets = if multivalued { ["ForAllValues:", "ForAnyValue:", "ForAnyValue:", ""] } else { ["", "", "", ""] };
        let set = prop_oneof![9 => select(sets.to_vec()), 1 => select(vec!["ForAllValues:", "ForAnyValue:", ""])];
        let operator = (set, select(base), rarely(3)).prop_flat_map(|(set, base, if_exists)| {
            let if_exists = if if_exists && base != "Null" { "IfExists" } else { "" };
            let name = format!("{set}{base}{if_exists}");
            prop_oneof![24 => Just(name.clone()), 1 => Just(name.to_lowercase())]
        });
        // JSON booleans and integers instead of strings now and then.
        let asked = if null { vec!["true", "false", "a"] } else { key.asked.to_vec() };
        let value = (select(asked), any::<bool>()).prop_map(|(text, bare)| match text {
            "true" | "false" | "5" | "10" | "9007199254740993" if bare => serde_json::from_str(text).unwrap(),
            text => json!(text),
        });
        let values = prop_oneof![20 => scalar_or_list(value), 1 => Just(json!([]))];
        (operator, recased(key.name.to_owned()), values)
    })
}

fn condition(style: Style) -> impl Strategy<Value = Option<Value>> {
    let none = if style == Style::Typed { 1 } else { 4 };
    let entries = prop_oneof![none => Just(0_usize), 5 => Just(1), 2 => Just(2)];
    entries.prop_flat_map(move |count| prop::collection::vec(entry(style), count)).prop_map(|entries| {
        let mut operators = Map::new();
        for (operator, key, values) in entries {
            let block = operators.entry(operator).or_insert_with(|| json!({}));
            // Two keys that differ only by case in one block are a matter of `check` (1.5).
            let taken = block.as_object().unwrap().keys().any(|name| name.eq_ignore_ascii_case(&key));
            if !taken {
                block[key] = values;
            }
        }
        (!operators.is_empty()).then_some(Value::Object(operators))
    })
}

fn resource_pattern(kind: Kind) -> BoxedStrategy<Value> {
    let long = select(RESOURCE_PATTERNS.to_vec());
    let short = match kind {
        Kind::Identity | Kind::Boundary | Kind::Session => [&SHORT_ARNS[..], &SHORT_STAR_ARNS[..]].concat(),
        Kind::Rcp => vec!["*"],
        Kind::Scp | Kind::Resource | Kind::Endpoint => SHORT_STAR_ARNS.to_vec(),
    };
    prop_oneof![8 => long, 1 => select(short), 2 => select(RESOURCES.to_vec())].prop_map(|text| json!(text)).boxed()
}

/// `Principal` or `NotPrincipal` with its value (2.5); for endpoint policies and RCPs mostly everyone.
fn principals(kind: Kind, deny: bool) -> BoxedStrategy<(&'static str, Value)> {
    let everyone = select(vec![json!("*"), json!({"AWS": "*"})]);
    let named =
        select(vec![ALICE, ROLE, SESSION, CAROL, ROOT, ACCOUNT, "444455556666", "arn:aws:iam::111122223333:user/Alice", "AIDAEXAMPLE"]);
    let aws = scalar_or_list(named.prop_map(|name| json!(name)).boxed()).prop_map(|names| json!({ "AWS": names }));
    let service = Just(json!({"Service": "events.amazonaws.com"}));
    match kind {
        Kind::Rcp => everyone.prop_map(|value| ("Principal", value)).boxed(),
        Kind::Endpoint => prop_oneof![4 => everyone, 1 => aws].prop_map(|value| ("Principal", value)).boxed(),
        _ => (prop_oneof![2 => everyone, 8 => aws, 1 => service], rarely(4))
            .prop_map(move |(value, not)| (if not && deny { "NotPrincipal" } else { "Principal" }, value))
            .boxed(),
    }
}

fn statement(kind: Kind, style: Style, effect: Option<&'static str>) -> impl Strategy<Value = Value> {
    let effect = match effect {
        Some(effect) => Just(effect).boxed(),
        None => prop_oneof![4 => Just("Allow"), 1 => Just("Deny")].boxed(),
    };
    let action = scalar_or_list(select(ACTION_PATTERNS.to_vec()).prop_map(|text| json!(text)).boxed());
    let resource = scalar_or_list(resource_pattern(kind));
    let lists = (prop_oneof![40 => action, 1 => Just(json!([]))], prop_oneof![40 => resource, 1 => Just(json!([]))]);
    (effect, lists, rarely(8), rarely(8), condition(style), rarely(2)).prop_flat_map(
        move |(effect, (action, resource), not_action, not_resource, condition, wide)| {
            let mut statement = json!({ "Effect": effect });
            if wide && style == Style::Typed {
                statement = json!({ "Effect": effect, "Action": "*", "Resource": "*" }); // the condition decides
            } else {
                statement[if not_action { "NotAction" } else { "Action" }] = action;
                statement[if not_resource { "NotResource" } else { "Resource" }] = resource;
            }
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            (principals(kind, effect == "Deny"), Just(statement)).prop_map(move |((element, who), mut statement)| {
                if kind.names_principals() {
                    statement[element] = who;
                }
                statement
            })
        },
    )
}

/// `Version` 2012-10-17 mostly, the old one, or none.
fn document_of(statements: impl Strategy<Value = Vec<Value>>) -> impl Strategy<Value = Value> {
    let version = prop_oneof![8 => Just(Some("2012-10-17")), 1 => Just(Some("2008-10-17")), 1 => Just(None)];
    (version, statements, any::<bool>()).prop_map(|(version, mut statements, bare)| {
        let list = if bare && statements.len() == 1 { statements.remove(0) } else { Value::Array(statements) };
        let mut document = json!({ "Statement": list });
        if let Some(version) = version {
            document["Version"] = json!(version);
        }
        document
    })
}

fn document(kind: Kind, style: Style) -> impl Strategy<Value = Value> {
    let count = prop_oneof![1 => Just(0), 10 => Just(1), 10 => Just(2), 5 => Just(3)];
    document_of(count.prop_flat_map(move |count| prop::collection::vec(statement(kind, style, None), count)))
}

fn full_access(kind: Kind) -> Value {
    let mut statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    if kind.names_principals() {
        statement["Principal"] = json!("*");
    }
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

/// `min..=max` documents; with `open` of 10 odds the first is full access.
fn list(kind: Kind, style: Style, min: usize, max: usize, open: u32) -> impl Strategy<Value = Vec<Value>> {
    let documents = prop::collection::vec(document(kind, style), min..=max);
    let first = prop_oneof![open => Just(true), 10 - open.min(9) => Just(false)];
    (documents, first).prop_map(move |(mut documents, first)| {
        if first {
            documents.insert(0, full_access(kind));
        }
        documents
    })
}

fn principal() -> impl Strategy<Value = Value> {
    let slr = "arn:aws:iam::111122223333:role/aws-service-role/events.workmail.amazonaws.com/AWSServiceRoleForAmazonWorkMailEvents";
    let who = prop_oneof![
        6 => Just(json!({"type": "User", "arn": ALICE})),
        6 => Just(json!({"type": "AssumedRole", "arn": SESSION, "roleArn": ROLE})),
        3 => Just(json!({"type": "FederatedUser", "arn": CAROL, "userArn": ALICE})),
        1 => Just(json!({"type": "FederatedUser", "arn": CAROL, "userArn": ROOT})),
        2 => Just(json!({"type": "Root", "arn": ROOT})),
        1 => Just(json!({"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForAmazonWorkMailEvents/x",
            "roleArn": slr, "serviceLinkedRole": true})),
    ];
    (who, rarely(10)).prop_map(|(mut who, management)| {
        who["account"] = json!(ACCOUNT);
        if management {
            who["inManagementAccount"] = json!(true);
        }
        who
    })
}

/// Each key absent or known; single-valued keys with two values now and then [A-MULTI].
fn context() -> impl Strategy<Value = Value> {
    let one = |key: &'static Key| {
        let many = match key.name {
            "aws:TagKeys" => prop_oneof![1 => 0..1_usize, 9 => 1..4_usize].boxed(),
            _ => prop_oneof![24 => 1..2_usize, 1 => 2..3_usize].boxed(),
        };
        let values = (many, prop::collection::vec(select(key.carried.to_vec()), 4)).prop_map(|(count, mut values)| {
            values.truncate(count);
            values
        });
        (prop::option::weighted(0.65, values), recased(key.name.to_owned()))
    };
    KEYS.iter().map(one).collect::<Vec<_>>().prop_map(|keys| {
        let known = keys.into_iter().filter_map(|(values, name)| Some((name, json!(values?))));
        Value::Object(known.collect())
    })
}

fn styled(style: Style) -> impl Strategy<Value = Value> {
    // Unknown keys show where few other things decide.
    let (layers, open) = if style == Style::Typed { (0.5, 1) } else { (1.0, 4) };
    let optional = move |odds: f64, kind: Kind| prop::option::weighted(odds * layers, list(kind, style, 1, 2, 4));
    let levels = |kind: Kind, open: u32| prop::collection::vec(list(kind, style, 0, 2, open), 0..=3);
    let request = (select(ACTIONS.to_vec()), select(RESOURCES.to_vec()), principal(), context(), rarely(12));
    let own = (
        list(Kind::Identity, style, usize::from(style == Style::Typed), 2, open),
        optional(0.25, Kind::Boundary),
        optional(0.4 / layers, Kind::Session),
        prop::option::weighted(0.4 * layers, levels(Kind::Scp, 20)),
    );
    let other = (
        optional(0.15, Kind::Endpoint),
        prop::option::weighted(0.5, document(Kind::Resource, style)),
        prop::option::weighted(0.3, levels(Kind::Rcp, 1)),
    );
    (request, own, other).prop_map(|(request, (identity, boundary, session, scps), (endpoint, resource, rcps))| {
        let (action, resource_name, principal, context, foreign) = request;
        let root = principal["type"] == "Root";
        let service_linked = principal["serviceLinkedRole"] == true;
        let mut policies = json!({ "identity": if root { Vec::new() } else { identity } });
        let mut put = |member: &str, value: Option<Value>, may: bool| {
            if let Some(value) = value.filter(|_| may) {
                policies[member] = value;
            }
        };
        // 4.2: root has neither boundary nor session policy, a service-linked role neither.
        put("boundary", boundary.map(Value::Array), !root && !service_linked);
        put("session", session.map(Value::Array), !root && !service_linked);
        put("scps", scps.map(|levels| json!(levels)), true);
        put("endpoint", endpoint.map(Value::Array), true);
        // 4.4: WorkMail and IAM policies are no resources with policies; S3 objects are.
        put("resource", resource, action == "s3:GetObject");
        // 4.3: the full-access RCP cannot be detached from any level.
        let closed = |level: Vec<Value>| [vec![full_access(Kind::Rcp)], level].concat();
        put("rcps", rcps.map(|levels| json!(levels.into_iter().map(closed).collect::<Vec<_>>())), true);
        json!({
            "id": "generated",
            "request": {
                "action": action,
                "resource": resource_name,
                "resourceAccount": if foreign { "444455556666" } else { ACCOUNT },
                "principal": principal,
                "context": context,
                "multivaluedKeys": ["aws:TagKeys"],
            },
            "policies": policies,
        })
    })
}

/// A fully known case; keys may meet operators of other families.
pub(crate) fn case() -> impl Strategy<Value = Value> {
    styled(Style::Any)
}

/// A case whose document set has something that must be refused (section 1): `PolicyError`.
pub(crate) fn refused_case() -> impl Strategy<Value = Value> {
    let allow = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let with = |member: &str, value: Value| {
        let mut statement = allow.clone();
        statement[member] = value;
        statement
    };
    let without = |member: &str| {
        let mut statement = allow.clone();
        statement.as_object_mut().unwrap().remove(member);
        statement
    };
    let broken = vec![
        with("Effect", json!("allow")),
        with("effect", json!("Allow")),
        with("NotAction", json!("iam:*")),
        with("NotResource", json!("*")),
        with("Principal", json!("*")),
        with("NotPrincipal", json!({"AWS": "*"})),
        with("Sid", json!(1)),
        with("Condition", json!({"StringMatches": {"k:a": "a"}})),
        with("Condition", json!({"NullIfExists": {"k:a": "true"}})),
        with("Condition", json!({"ForSomeValues:StringEquals": {"k:a": "a"}})),
        with("Condition", json!({"StringEquals": {"k:a": {"a": 1}}})),
        with("Condition", json!({"StringEquals": {"k:a": [["a"]]}})),
        with("Condition", json!({"StringEquals": ["k:a"]})),
        without("Effect"),
        without("Action"),
        without("Resource"),
    ];
    (case(), select(broken), any::<bool>()).prop_map(|(mut case, statement, version)| {
        let mut document = json!({"Version": "2012-10-17", "Statement": [statement]});
        if version {
            document = full_access(Kind::Identity);
            document["Version"] = json!("2012-10-18");
        }
        case["policies"]["identity"].as_array_mut().unwrap().push(document);
        case
    })
}

/// A case in which one to three keys are unknown.
pub(crate) fn partial_case() -> impl Strategy<Value = Value> {
    let unknown = prop::sample::subsequence((0..KEYS.len()).collect::<Vec<_>>(), 1..=3);
    (styled(Style::Typed), unknown, any::<[bool; 3]>(), any::<[Index; 3]>()).prop_map(|(mut case, chosen, present, picks)| {
        // Mostly keys that the policies ask about.
        let text = case["policies"].to_string().to_lowercase();
        let asked: Vec<usize> = (0..KEYS.len()).filter(|index| text.contains(&KEYS[*index].name.to_lowercase())).collect();
        let (mut maybe, mut some) = (Vec::new(), Vec::new());
        for ((index, present), pick) in chosen.into_iter().zip(present).zip(picks) {
            let index = if asked.is_empty() { index } else { asked[pick.index(asked.len())] };
            let name = KEYS[index].name;
            if !maybe.contains(&name) && !some.contains(&name) {
                if present {
                    some.push(name)
                } else {
                    maybe.push(name)
                }
                case["request"]["context"].as_object_mut().unwrap().retain(|key, _| !key.eq_ignore_ascii_case(name));
            }
        }
        case["request"]["unknownKeys"] = json!(maybe);
        case["request"]["presentUnknownKeys"] = json!(some);
        case
    })
}

/// A fully known case that a partial one stands for, with values of the keys' own types.
pub(crate) fn witness(case: Value) -> impl Strategy<Value = Value> {
    let plain = |name: &str| {
        let key = KEYS.iter().find(|key| key.name == name).unwrap();
        let fits = |value: &&str| match key.family {
            "Numeric" => condition::compare_decimals(value, value).is_some(),
            "Date" => condition::instant(value).is_some(),
            "Bool" => ["true", "false"].contains(value),
            "Ip" => condition::range(value).is_some() && !value.contains('/'),
            _ => !value.is_empty() || name == "aws:PrincipalTag/team",
        };
        key.carried.iter().chain(key.asked).copied().filter(fits).collect::<Vec<_>>()
    };
    let state = |(name, absent): (String, bool)| {
        let count = if name == "aws:TagKeys" { 1..=3 } else { 1..=1 };
        let values = prop::collection::vec(select(plain(&name)), count);
        (Just(name), values, rarely(3)).prop_map(move |(name, values, gone)| (name, (!gone || !absent).then_some(values)))
    };
    let names =
        |member: &str, absent: bool| texts(&case["request"][member]).into_iter().map(move |name| (name, absent)).collect::<Vec<_>>();
    let keys = [names("unknownKeys", true), names("presentUnknownKeys", false)].concat();
    keys.into_iter().map(state).collect::<Vec<_>>().prop_map(move |states| {
        let mut case = case.clone();
        for (name, values) in states {
            if let Some(values) = values {
                case["request"]["context"][name] = json!(values);
            }
        }
        case["request"]["unknownKeys"] = json!([]);
        case["request"]["presentUnknownKeys"] = json!([]);
        case
    })
}

/// The case with one more statement of an effect, in a document of its own, in a layer that the case has. A level of
/// SCPs or RCPs gets it as one more document; a new level would be another question.
fn with_added(case: Value, effect: &'static str) -> BoxedStrategy<Value> {
    let has = |(member, _): &&(&str, Kind)| match &case["policies"][*member] {
        Value::Array(list) => *member != "scps" && *member != "rcps" || !list.is_empty(),
        other => other.is_object(),
    };
    let places: Vec<(&'static str, Kind)> = LAYERS.iter().filter(has).copied().collect();
    if places.is_empty() {
        return Just(case).boxed();
    }
    select(places)
        .prop_flat_map(move |(member, kind)| {
            let statement = statement(kind, Style::Typed, Some(effect)).prop_map(|statement| vec![statement]);
            (Just(member), document_of(statement), any::<Index>())
        })
        .prop_map(move |(member, document, level)| {
            let mut case = case.clone();
            let layer = &mut case["policies"][member];
            match (member, &mut *layer) {
                ("scps" | "rcps", Value::Array(levels)) => {
                    let level = level.index(levels.len());
                    levels[level].as_array_mut().unwrap().push(document);
                }
                (_, Value::Array(documents)) => documents.push(document),
                // The one resource policy takes the statement itself, under its own version.
                (_, single) => {
                    let mut all: Vec<Value> = statements(single).into_iter().cloned().collect();
                    all.extend(statements(&document).into_iter().cloned());
                    single["Statement"] = Value::Array(all);
                }
            }
            case
        })
        .boxed()
}

/// Law: never turns `Allowed` into a denial, and never adds or removes an explicit denial.
pub(crate) fn with_added_allow(case: Value) -> BoxedStrategy<Value> {
    with_added(case, "Allow")
}

/// Law: never turns a denial into `Allowed`, and an explicit denial stays one.
pub(crate) fn with_added_deny(case: Value) -> BoxedStrategy<Value> {
    with_added(case, "Deny")
}

/// Law: the order of statements in a document, of documents in a list and of SCP and RCP levels changes nothing.
pub(crate) fn shuffled(mut case: Value, seed: u64) -> Value {
    let mut state = seed;
    let policies = case["policies"].as_object_mut().unwrap();
    policies.values_mut().for_each(|layer| shuffle(layer, &mut state));
    case
}

fn shuffle(layer: &mut Value, state: &mut u64) {
    let list = match layer {
        Value::Array(list) => {
            list.iter_mut().for_each(|item| shuffle(item, state));
            list
        }
        // Statements are not looked into.
        document => match document.get_mut("Statement") {
            Some(Value::Array(list)) => list,
            _ => return,
        },
    };
    for end in (1..list.len()).rev() {
        // A linear congruential generator is random enough here.
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        list.swap(end, (*state >> 33) as usize % (end + 1));
    }
}
