//! CloudFormation templates: what they are said to do, what the policies then are, and what stays unknown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use retrial::Error;
use retrial::account::{Boundary, CandidateType, Deployment, PolicySet, Touched, load};
use serde_json::json;
use tempfile::TempDir;

const ACCOUNT: &str = "111122223333";

fn arn(resource: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:{resource}")
}

/// A small account: a role and a managed policy that a stack made, a user in a group, and what nobody's template has.
fn baseline() -> PolicySet {
    let allow = |action: &str| json!({"Version": "2012-10-17", "Statement": [{"Sid": "Old", "Effect": "Allow", "Action": action, "Resource": "*"}]});
    let policy = |name: &str| json!({"PolicyName": name, "PolicyArn": arn(&format!("policy/{name}"))});
    let managed = |name: &str| {
        json!({"PolicyName": name, "PolicyId": "ANPAEXAMPLE", "Arn": arn(&format!("policy/{name}")), "Path": "/", "DefaultVersionId": "v1",
               "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": true, "Document": allow("workmail:List*")}]})
    };
    let snapshot = json!({
        "UserDetailList": [{"UserName": "ada", "UserId": "AIDAEXAMPLEADA", "Arn": arn("user/ada"), "Path": "/", "GroupList": ["Old", "Mail"],
            "UserPolicyList": [], "AttachedManagedPolicies": []}],
        "GroupDetailList": [
            {"GroupName": "Old", "GroupId": "AGPAEXAMPLEOLD", "Arn": arn("group/Old"), "Path": "/", "GroupPolicyList": [], "AttachedManagedPolicies": []},
            {"GroupName": "Mail", "GroupId": "AGPAEXAMPLEMAIL", "Arn": arn("group/Mail"), "Path": "/", "GroupPolicyList": [], "AttachedManagedPolicies": []}],
        "RoleDetailList": [{"RoleName": "mail-stack-Worker-1A2B3C4D5E6F", "RoleId": "AROAEXAMPLEWORKER", "Arn": arn("role/mail-stack-Worker-1A2B3C4D5E6F"),
            "Path": "/", "AssumeRolePolicyDocument": {}, "InstanceProfileList": [], "Tags": [{"Key": "team", "Value": "mail"}],
            "RolePolicyList": [{"PolicyName": "old", "PolicyDocument": allow("workmail:*")}], "AttachedManagedPolicies": [policy("Shared"), policy("Extra")]}],
        "Policies": [managed("Shared"), managed("Extra"), managed("Edge")]
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("account.json");
    std::fs::write(&file, snapshot.to_string()).unwrap();
    load(&[file]).unwrap().into_baseline().unwrap()
}

struct Room(TempDir);

impl Room {
    fn new(name: &str, text: &str) -> (Self, PathBuf) {
        let room = tempfile::tempdir().unwrap();
        let file = room.path().join(name);
        std::fs::write(&file, text).unwrap();
        (Self(room), file)
    }
}

fn applied(text: &str, parameters: &[(&str, &str)]) -> (PolicySet, Touched) {
    let (_room, file) = Room::new("template.yaml", text);
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>();
    let deployment = Deployment { account: None, parameters };
    load(&[file]).unwrap().into_listed_candidate(&baseline(), CandidateType::Identity, &[], &deployment).unwrap()
}

fn refused(text: &str) -> (String, usize, String) {
    let (_room, file) = Room::new("template.yaml", text);
    let result = load(&[file]).and_then(|loaded| loaded.into_candidate(&baseline(), CandidateType::Identity, &[]));
    let Err(Error::Policy(error)) = result else { panic!("{text} was applied") };
    assert!(error.path.as_ref().is_some_and(|path| path.ends_with("template.yaml")), "{error}");
    (error.message.clone(), error.line, error.help.clone().unwrap_or_default())
}

/// A template of these resources, two spaces in.
fn template(resources: &str) -> String {
    format!("Resources:\n{resources}")
}

#[test]
fn a_role_of_a_stack_is_found_and_is_to_have_what_the_template_says_and_no_more() {
    let text = template(
        r#"  Worker:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {}
      PermissionsBoundary: !Sub "arn:aws:iam::${AWS::AccountId}:policy/Edge"
      ManagedPolicyArns: [!Ref Fresh]
      Tags: [{Key: stage, Value: test}]
      Policies:
        - PolicyName: own
          PolicyDocument:
            Statement: {Effect: Allow, Action: "workmail:Describe*", Resource: "*"}
  Fresh:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Statement: {Effect: Deny, Action: "workmail:Delete*", Resource: "*"}
  Shared:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      ManagedPolicyName: Shared
      Roles: [!Ref Worker]
      PolicyDocument:
        Statement: {Effect: Allow, Action: "workmail:Get*", Resource: "*"}
"#,
    );
    let (set, touched) = applied(&text, &[]);
    let role = &set.entities[&arn("role/mail-stack-Worker-1A2B3C4D5E6F")];
    assert_eq!(role.inline.keys().collect::<Vec<_>>(), ["own"]);
    assert_eq!(role.attached, [arn("policy/Shared"), arn("policy/<Fresh>")]);
    assert!(matches!(&role.boundary, Some(Boundary::Managed(boundary)) if *boundary == arn("policy/Edge")));
    assert_eq!((role.tags["team"].as_str(), role.tags["stage"].as_str()), ("mail", "test"));
    let lines = touched.changes.join("\n");
    assert!(lines.contains("detaches") && lines.contains("policy/Extra") && lines.contains("inline policy old"), "{lines}");
    assert!(touched.unresolved.iter().any(|line| line.contains("taken to be role mail-stack-Worker-1A2B3C4D5E6F")), "{touched:?}");
    let (_, sure) = applied(&text, &[("AWS::StackName", "mail-stack")]);
    assert!(sure.unresolved.is_empty() && sure.passed_over.iter().any(|line| line.contains("taken to be role")), "{sure:?}");
    let (_, other) = applied(&text, &[("AWS::StackName", "another")]);
    assert!(!other.passed_over.iter().any(|line| line.contains("taken to be role")), "{other:?}");
}

#[test]
fn every_type_of_resource_is_read() {
    let document = "{Statement: {Effect: Allow, Action: \"workmail:*\", Resource: \"*\"}}";
    let text = template(&format!(
        r#"  Ada: {{Type: AWS::IAM::User, Properties: {{UserName: ada, Groups: [Mail], Policies: [{{PolicyName: one, PolicyDocument: {document}}}]}}}}
  New: {{Type: AWS::IAM::User, Properties: {{UserName: new, Path: /mail/}}}}
  Join: {{Type: AWS::IAM::UserToGroupAddition, Properties: {{GroupName: Mail, Users: [!Ref New]}}}}
  Team: {{Type: AWS::IAM::Group, Properties: {{GroupName: Team, ManagedPolicyArns: ["{shared}"]}}}}
  Many: {{Type: AWS::IAM::Policy, Properties: {{PolicyName: many, Users: [!Ref Ada], Groups: [!Ref Team], PolicyDocument: {document}}}}}
  OfUser: {{Type: AWS::IAM::UserPolicy, Properties: {{PolicyName: own, UserName: !Ref New, PolicyDocument: {document}}}}}
  OfGroup: {{Type: AWS::IAM::GroupPolicy, Properties: {{PolicyName: own, GroupName: Mail, PolicyDocument: {document}}}}}
  OfRole: {{Type: AWS::IAM::RolePolicy, Properties: {{PolicyName: more, RoleName: mail-stack-Worker-1A2B3C4D5E6F, PolicyDocument: {document}}}}}
  Lock: {{Type: AWS::Organizations::Policy, Properties: {{Name: lock, Type: SERVICE_CONTROL_POLICY, TargetIds: [r-1], Content: {document}}}}}
  Tags: {{Type: AWS::Organizations::Policy, Properties: {{Name: tags, Type: TAG_POLICY, Content: {{}}}}}}
  Queue: {{Type: AWS::SQS::Queue}}
  App: {{Type: AWS::Serverless::Function}}
"#,
        shared = arn("policy/Shared")
    ));
    let (set, touched) = applied(&text, &[]);
    let ada = &set.entities[&arn("user/ada")];
    assert_eq!(
        (ada.groups.clone(), ada.inline.keys().cloned().collect::<Vec<_>>()),
        (vec!["Mail".to_owned()], vec!["many".to_owned(), "one".to_owned()])
    );
    let new = &set.entities[&arn("user/mail/new")];
    assert_eq!((new.groups.clone(), new.inline.len()), (vec!["Mail".to_owned()], 1));
    let team = &set.groups[&arn("group/Team")];
    assert_eq!((team.attached.clone(), team.inline.len()), (vec![arn("policy/Shared")], 1));
    assert!(set.groups[&arn("group/Mail")].inline.contains_key("own"));
    // The template does not have the role: what else it has stays.
    assert_eq!(set.entities[&arn("role/mail-stack-Worker-1A2B3C4D5E6F")].inline.keys().collect::<Vec<_>>(), ["more", "old"]);
    let unresolved = touched.unresolved.join("\n");
    assert!(
        unresolved.contains("Lock: no organization file is loaded") && unresolved.contains("AWS::Serverless::Function (1)"),
        "{unresolved}"
    );
    let passed_over = touched.passed_over.join("\n");
    assert!(passed_over.contains("TAG_POLICY") && passed_over.contains("AWS::SQS::Queue (1)"), "{passed_over}");
}

/// A template whose policy `Shared` has one statement.
fn of_statement(version: &str, statement: &str) -> String {
    format!(
        "Parameters:\n  Office: {{Type: String}}\n  Stored: {{Type: 'AWS::SSM::Parameter::Value<String>', Default: /mail/office}}\n\
         Conditions:\n  Here: !Equals [!Ref Office, x]\n  A: !Or [!Condition B, !Condition B]\n  B: !Or [!Condition A, !Condition A]\n{}",
        template(&format!(
            "  Queue: {{Type: AWS::SQS::Queue}}\n  P:\n    Type: AWS::IAM::ManagedPolicy\n    Properties:\n      ManagedPolicyName: Shared\n      PolicyDocument:\n        {version}\n        Statement:\n          - {statement}\n"
        ))
    )
}

/// The text of the statement; `None` where the document is open, which is said.
fn statement(version: &str, statement: &str, parameters: &[(&str, &str)]) -> Option<String> {
    let (set, touched) = applied(&of_statement(version, statement), parameters);
    let text = set.managed[&arn("policy/Shared")].as_ref().map(|policy| policy.document.statements[0].text.clone());
    let said = touched.unresolved.iter().any(|line| line.contains("what it permits is unknown"));
    assert_eq!(text.is_none(), said, "{statement}: {touched:?}");
    text
}

const NEW: &str = "Version: 2012-10-17";

/// Where a policy can say so, what is not known is a variable without a value; elsewhere the whole document is open.
#[test]
fn what_a_template_does_not_tell_stays_unknown() {
    let resource = |text: &str| format!("{{Effect: Allow, Action: '*', Resource: {text}}}");
    let in_last_part = resource("!Sub 'arn:aws:workmail:*:*:organization/${Office}'");
    assert!(statement(NEW, &in_last_part, &[]).unwrap().contains("organization/${template:Office}"));
    assert!(statement(NEW, &in_last_part, &[("Office", "m-1")]).unwrap().contains("organization/m-1"));
    let queue = resource("[!GetAtt Queue.Arn, !Sub '${Queue.Arn}/x']");
    let queue = statement(NEW, &queue, &[]).unwrap();
    assert!(queue.contains("arn:*:*:*:*:${template:Queue.Arn}\"") && queue.contains("arn:*:*:*:*:${template:Queue.Arn}/x"));
    // Variables do not act in the first parts of an ARN, in older documents, or in the place of what may be `*`.
    for text in [
        "!Sub 'arn:aws:workmail:${AWS::Region}:*:*'",
        "!Sub 'arn:${Office}'",
        "!Sub '${Office}:organization/*'",
        "!Sub '*${Office}'",
        "!Ref Office",
        "[a, !Ref Office]",
        "!ImportValue Org-Arn",
        "!If [Here, '*', !Ref AWS::NoValue]",
        "!Select [0, [!Ref Office]]",
        "!Split [',', !Ref Office]",
        "!FindInMap [M, a, !Ref Office, {DefaultValue: '*'}]",
        "'{{resolve:ssm:/x}}'",
        "!Join [':', [arn, aws, workmail, !Ref AWS::Region, '*', '*']]",
        "!GetAtt Nobody.Arn",
        "!GetAtt Queue.QueueName",
    ] {
        assert_eq!(statement(NEW, &resource(text), &[]), None, "{text}");
    }
    for version in ["Id: x", "Version: 2008-10-17"] {
        assert_eq!(statement(version, &in_last_part, &[]), None, "{version}");
    }
    assert_eq!(statement(NEW, "{Effect: Allow, Action: '*', NotResource: !Sub 'arn:aws:workmail:*:*:x/${Office}'}", &[]), None);
    for condition in [
        "{StringEquals: {'aws:x': !Ref Office}}",
        "{IpAddress: {'aws:SourceIp': [!Ref Office]}}",
        "{StringEquals: !Ref Office}",
        "!If [Here, {}, {Null: {'aws:x': true}}]",
    ] {
        assert_eq!(
            statement(NEW, &format!("{{Effect: Deny, Action: '*', Resource: '*', Condition: {condition}}}"), &[]),
            None,
            "{condition}"
        );
    }
    for action in [
        "!Ref Office",
        "!Ref Stored",
        "!ImportValue x",
        "!If [Here, a, b]",
        "!If [A, a, b]",
        "!Sub '{{resolve:ssm:x}}:List*'",
        "!Join ['', ['{{resolve:ssm:/x/', y, '}}']]",
        "!Select [1, [!If [Here, 'a:b', !Ref AWS::NoValue], 's3:*', 'workmail:*']]",
        "!GetAtt A.B",
        "!Cidr [a]",
    ] {
        assert_eq!(statement(NEW, &format!("{{Effect: Allow, Action: {action}, Resource: '*'}}"), &[("Stored", "a:b")]), None, "{action}");
    }
    // Both branches say the same; a condition that is known takes one.
    assert!(statement(NEW, "{Effect: Allow, Action: !If [Here, 'a:b', 'a:b'], Resource: '*'}", &[]).is_some());
    let known = "{Effect: Allow, Action: !If [Here, 'a:b', 'a:c'], Resource: '*'}";
    assert!(statement(NEW, known, &[("Office", "x")]).unwrap().contains("a:b"));
    assert!(statement(NEW, known, &[("Office", "y")]).unwrap().contains("a:c"));
    let null = "{Effect: Allow, Action: '*', Resource: '*', Condition: {Null: {'aws:TokenIssueTime': true}}}";
    assert!(statement(NEW, null, &[]).unwrap().contains("\"Null\""));
    // A literal of a policy is no reference.
    let literal = resource("!Sub 'arn:aws:iam::${AWS::AccountId}:user/${!aws:username}'");
    assert!(statement(NEW, &literal, &[]).unwrap().contains(&format!("{ACCOUNT}:user/${{aws:username}}")));
}

/// Of whom it is not known what else the template gives them, nothing is taken away for certain.
#[test]
fn who_may_get_more_is_open() {
    let worker = "  Worker: {Type: AWS::IAM::Role, Properties: {RoleName: mail-stack-Worker-1A2B3C4D5E6F}}\n";
    let ada = "  Ada: {Type: AWS::IAM::User, Properties: {UserName: ada, Groups: [Mail]}}\n";
    let document = "PolicyDocument: {Version: 2012-10-17, Statement: {Effect: Allow, Action: '*', Resource: '*'}}";
    let head = "Parameters:\n  X: {Type: String}\nConditions:\n  Y: !Equals [!Ref X, y]\n  No: !Equals [a, b]\n";
    let role = |more: &str| {
        let (set, touched) = applied(&format!("{head}{}", template(&format!("{worker}{more}"))), &[]);
        let role = set.entities[&arn("role/mail-stack-Worker-1A2B3C4D5E6F")].clone();
        (role, touched)
    };
    let (plain, _) = role("");
    assert!(plain.inline.is_empty() && plain.attached.is_empty());
    for more in [
        format!("  P: {{Type: AWS::IAM::Policy, Properties: {{PolicyName: p, Roles: !Ref X, {document}}}}}\n"),
        format!("  P: {{Type: AWS::IAM::RolePolicy, Properties: {{PolicyName: p, RoleName: !Ref X, {document}}}}}\n"),
        format!("  P: {{Type: AWS::IAM::Policy, Condition: Y, Properties: {{PolicyName: p, Roles: [!Ref Worker], {document}}}}}\n"),
    ] {
        let (role, touched) = role(&more);
        assert!(role.attached.iter().any(|arn| arn.starts_with('<')) && !touched.unresolved.is_empty(), "{more}: {role:?}");
    }
    // The name of an inline policy does not matter.
    let (named, _) =
        role(&format!("  P: {{Type: AWS::IAM::Policy, Properties: {{PolicyName: !Ref X, Roles: [!Ref Worker], {document}}}}}\n"));
    assert_eq!(named.inline.keys().collect::<Vec<_>>(), ["<P>"]);
    // What is not applied takes nothing away.
    let text = format!(
        "{head}{}",
        template(&format!(
            "{}  P: {{Type: AWS::IAM::Policy, Properties: {{PolicyName: p, Roles: [!Ref Worker], {document}}}}}\n",
            worker.replace("Role, P", "Role, Condition: No, P")
        ))
    );
    let (set, _) = applied(&text, &[]);
    assert_eq!(set.entities[&arn("role/mail-stack-Worker-1A2B3C4D5E6F")].inline.keys().collect::<Vec<_>>(), ["old", "p"]);
    for groups in ["!Ref X", "[!If [Y, Mail, !Ref AWS::NoValue]]"] {
        let (set, _) = applied(&format!("{head}{}", template(&ada.replace("[Mail]", groups))), &[]);
        let ada = &set.entities[&arn("user/ada")];
        assert!(ada.groups.contains(&"Old".to_owned()) && ada.attached.iter().any(|arn| arn.starts_with('<')), "{groups}: {ada:?}");
    }
    let (known, _) = applied(&template(ada), &[]);
    assert_eq!(known.entities[&arn("user/ada")].groups, ["Mail"]);
    // A name that is not known is nobody's that is there.
    let (set, touched) = applied(&format!("{head}{}", template("  Worker: {Type: AWS::IAM::Role, Properties: {RoleName: !Ref X}}\n")), &[]);
    assert_eq!(set.entities[&arn("role/mail-stack-Worker-1A2B3C4D5E6F")].inline.len(), 1);
    assert!(touched.unresolved.iter().any(|line| line.contains("its name is not known")), "{touched:?}");
}

/// Two expressions that are not known are two unknowns, in whatever letter case.
#[test]
fn different_unknowns_have_different_names() {
    let text = format!(
        "Parameters:\n  X: {{Type: String}}\n  x: {{Type: String}}\nConditions:\n  C: !Equals [!Ref X, a]\n{}",
        template(
            "  P:\n    Type: AWS::IAM::ManagedPolicy\n    Properties:\n      ManagedPolicyName: Shared\n      PolicyDocument:\n        Version: 2012-10-17\n        Statement:\n          - Effect: Allow\n            Action: '*'\n            Resource:\n              - !Sub ['arn:aws:workmail:*:*:organization/${V}', {V: !If [C, m-1, m-2]}]\n              - !Sub ['arn:aws:workmail:*:*:organization/${V}', {V: !If [C, m-2, m-1]}]\n              - !Sub 'arn:aws:workmail:*:*:organization/${X}'\n              - !Sub 'arn:aws:workmail:*:*:organization/${x}'\n"
        )
    );
    let (set, _) = applied(&text, &[]);
    let statement = &set.managed[&arn("policy/Shared")].as_ref().unwrap().document.statements[0].text.to_lowercase();
    let names: std::collections::BTreeSet<&str> =
        statement.split("${template:").skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

/// A resource that may be there or not, an inline policy whose name is not known, a group that is not known.
#[test]
fn what_may_be_or_not_leaves_those_open_whom_it_names() {
    let document = "PolicyDocument: {Version: 2012-10-17, Statement: {Effect: Deny, Action: '*', Resource: '*'}}";
    let text =
        |resource: &str| format!("Parameters:\n  X: {{Type: String}}\nConditions:\n  C: !Equals [!Ref X, a]\n{}", template(resource));
    let role = arn("role/mail-stack-Worker-1A2B3C4D5E6F");
    let bundle = |text: &str, arn: &str| {
        let (set, touched) = applied(text, &[]);
        assert!(!touched.unresolved.is_empty(), "{text}");
        set.bundle(&retrial::account::PrincipalKey { arn: arn.to_owned(), id: String::new(), account: ACCOUNT.to_owned() })
    };
    for resource in [
        format!(
            "  P: {{Type: AWS::IAM::RolePolicy, Condition: C, Properties: {{PolicyName: n, RoleName: mail-stack-Worker-1A2B3C4D5E6F, {document}}}}}\n"
        ),
        format!(
            "  P: {{Type: AWS::IAM::RolePolicy, Properties: {{PolicyName: !Ref X, RoleName: mail-stack-Worker-1A2B3C4D5E6F, {document}}}}}\n"
        ),
        format!("  P: {{Type: AWS::IAM::ManagedPolicy, Condition: C, Properties: {{ManagedPolicyName: Shared, {document}}}}}\n"),
        "  P: {Type: AWS::IAM::Role, Condition: C, Properties: {RoleName: mail-stack-Worker-1A2B3C4D5E6F}}\n".to_owned(),
    ] {
        assert!(bundle(&text(&resource), &role).identity_opaque.is_some(), "{resource}");
    }
    for resource in [
        "  A: {Type: AWS::IAM::UserToGroupAddition, Properties: {GroupName: !Ref X, Users: [ada]}}\n".to_owned(),
        "  A: {Type: AWS::IAM::UserToGroupAddition, Condition: C, Properties: {GroupName: Team, Users: [ada]}}\n".to_owned(),
        // Only a branch names her.
        "  A: {Type: AWS::IAM::UserToGroupAddition, Properties: {GroupName: Team, Users: !If [C, [ada], [bob]]}}\n".to_owned(),
        "  A: {Type: AWS::IAM::UserToGroupAddition, Properties: {GroupName: Team, Users: [!If [C, bob, !If [C, eve, ada]]]}}\n".to_owned(),
        "  A: {Type: AWS::IAM::UserToGroupAddition, Properties: {GroupName: Team, Users: [!Select [!Ref X, [bob, ada]]]}}\n".to_owned(),
        format!("  P: {{Type: AWS::IAM::Policy, Properties: {{PolicyName: n, Users: !If [C, [ada], [bob]], {document}}}}}\n"),
        // Only a part of her name is known.
        format!("  P: {{Type: AWS::IAM::Policy, Properties: {{PolicyName: n, Users: [!Sub 'a${{X}}'], {document}}}}}\n"),
        format!("  P: {{Type: AWS::IAM::Policy, Properties: {{PolicyName: n, Users: [!Join ['', [!Ref X, da]]], {document}}}}}\n"),
        format!("  U: {{Type: AWS::IAM::User, Properties: {{UserName: ada, Groups: [Mail]}}}}\n  P: {{Type: AWS::IAM::GroupPolicy, Properties: {{GroupName: !Ref X, PolicyName: n, {document}}}}}\n"),
        "  U: {Type: AWS::IAM::User, Properties: {UserName: ada, Groups: [Mail]}}\n  G: {Type: AWS::IAM::Group, Properties: {GroupName: !Ref X}}\n".to_owned(),
    ] {
        assert!(bundle(&text(&resource), &arn("user/ada")).identity_opaque.is_some(), "{resource}");
    }
}

#[test]
fn conditions_of_resources_hold_fail_or_are_not_known() {
    let text = |condition: &str| {
        format!(
            "Parameters:\n  A: {{Type: String, Default: x}}\n  B: {{Type: String}}\nConditions:\n  C: {condition}\n  X: !Equals [!Ref A, x]\n  Y: !Equals [!Ref B, x]\n{}",
            template("  New: {Type: AWS::IAM::User, Condition: C, Properties: {UserName: new}}\n")
        )
    };
    for (condition, is_there, open) in [
        ("!Equals [!Ref A, x]", true, false),
        ("!Equals [!Ref A, y]", false, false),
        ("!Equals [!Ref B, x]", false, true),
        ("!Or [!Condition X, !Condition Y]", true, false),
        ("!And [!Condition X, !Condition Y]", false, true),
        ("!And [!Not [!Condition X], !Condition Y]", false, false),
        ("!Condition C", false, true),
    ] {
        let (set, touched) = applied(&text(condition), &[]);
        assert_eq!(
            (set.entities.contains_key(&arn("user/new")), !touched.unresolved.is_empty()),
            (is_there, open),
            "{condition} {touched:?}"
        );
    }
}

#[test]
fn broken_templates_are_told_with_their_line() {
    let policy = "  P:\n    Type: AWS::IAM::ManagedPolicy\n    Properties:\n      PolicyDocument:\n        Statement:\n          - Effect: Allow\n            Acton: x\n            Resource: '*'\n";
    for (text, line, message) in [
        (template(policy), 8, "Acton"),
        (template("  P: {Properties: {}}\n"), 2, "the resource `P` has no `Type`"),
        (template("  P: {Type: AWS::IAM::User\n"), 3, ""),
        (template("  P: {Type: a}\n  P: {Type: b}\n"), 3, "`P` stands twice"),
        ("AWSTemplateFormatVersion: x\n".to_owned(), 1, "no `Resources`"),
    ] {
        let (found, at, help) = refused(&text);
        assert!(found.contains(message) && at == line && !help.is_empty(), "{text}\n{found} at {at}: {help}");
    }
    let (_room, file) =
        Room::new("template.json", r#"{"Resources": {"P": {"Type": "AWS::IAM::User", "Properties": {"UserName": "new"}}}}"#);
    let set = load(std::slice::from_ref(&file)).unwrap().into_candidate(&baseline(), CandidateType::Identity, &[]).unwrap();
    assert!(set.entities.contains_key(&arn("user/new")), "JSON is read as YAML is");
    let refused = load(&[file]).unwrap().into_baseline().unwrap_err().to_string();
    assert!(refused.contains("is a CloudFormation template") && refused.contains("--candidate"), "{refused}");
}

/// Other YAML stands beside policies.
#[test]
fn a_folder_may_hold_yaml_that_is_no_template() {
    let (room, _file) = Room::new("template.yml", &template("  P: {Type: AWS::IAM::User, Properties: {UserName: new}}\n"));
    std::fs::write(room.0.path().join("ci.yaml"), "on: push\njobs: {}\n").unwrap();
    let loaded = load(&[room.0.path().to_path_buf()]).unwrap();
    assert_eq!((loaded.templates.len(), loaded.files.len()), (1, 1));
}

#[test]
fn the_same_change_as_change_set_and_as_template_gives_the_same_bytes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let policies = root.join("datasets/workmail/policies");
    let baseline = load(&[policies.join("baseline")]).unwrap().into_baseline().unwrap();
    let room = tempfile::tempdir().unwrap();
    let catalog = retrial::catalog::Catalog::builtin();
    let mut dataset = retrial::ingest::Dataset::open_or_create(&room.path().join("events")).unwrap();
    let reading = retrial::ingest::Reading::default();
    retrial::ingest::ingest(&[root.join("datasets/workmail/logs")], &reading, &mut dataset, catalog, &retrial::progress::Silent).unwrap();
    let reports = [policies.join("old-admins"), root.join("tests/cases/cloudformation/old-admins.yaml")].map(|path| {
        let deployment = Deployment { account: Some(ACCOUNT.to_owned()), ..Deployment::default() };
        let loaded = load(std::slice::from_ref(&path)).unwrap();
        let (candidate, touched) = loaded.into_listed_candidate(&baseline, CandidateType::Identity, &[], &deployment).unwrap();
        assert_eq!(touched.unresolved, Vec::<String>::new());
        let report = room.path().join(format!("report-{}", path.file_stem().unwrap().to_string_lossy().len() + usize::from(path.is_dir())));
        std::fs::create_dir(&report).unwrap();
        let candidates = vec![("draft".to_owned(), candidate)];
        let options = retrial::replay::Options { baseline: baseline.clone(), candidates, ..Default::default() };
        retrial::replay::replay(&dataset, &options, catalog, &report, &retrial::progress::Silent).unwrap();
        report
    });
    for name in ["changes.parquet", "principals.parquet", "actions.parquet", "coverage.parquet"] {
        let [changes, template] = [&reports[0], &reports[1]].map(|report| std::fs::read(report.join(name)).unwrap());
        assert!(changes == template, "{name}");
    }
}

/// Each argument of a function is resolved once, however deep they stand in one another.
#[test]
fn deep_conditions_cost_no_more_than_they_are_long() {
    let nested = (0..40).fold("ada".to_owned(), |inner, _| format!("!If [C, {inner}, bob]"));
    let text = format!(
        "Parameters:\n  X: {{Type: String}}\nConditions:\n  C: !Equals [!Ref X, a]\n{}",
        template(&format!("  A: {{Type: AWS::IAM::UserToGroupAddition, Properties: {{GroupName: Team, Users: [{nested}]}}}}\n"))
    );
    let (set, _) = applied(&text, &[]);
    let ada = retrial::account::PrincipalKey { arn: arn("user/ada"), id: String::new(), account: ACCOUNT.to_owned() };
    assert!(set.bundle(&ada).identity_opaque.is_some());
}
