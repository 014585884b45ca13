//! Decisions a second, one thread: a snapshot of 500 principals with five policies each, a pool of distinct requests of
//! which half hit an action. A decision is one program and one request, without explanation.

#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::print_stderr, reason = "a bench fails where it must not go on")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use retrial::account::{Bundle, Layer, Policy};
use retrial::evaluate::{
    ActionState, BundleId, Compiler, ContextState, Decision, Evaluator, KnownKey, LayerKind, Layers, Program, Request, ResourceState,
    Subject,
};
use retrial::iam::principal::Caller;
use retrial::iam::{PolicyType, parse};

const PRINCIPALS: usize = 500;
const POOL: usize = 20_000;
const ORGANIZATIONS: [&str; 4] = ["m-0a1b2c3d4e5f", "m-1a2b3c4d5e6f", "m-2a3b4c5d6e7f", "m-3a4b5c6d7e8f"];

/// What is known of the request context.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    Everything,
    /// Two keys are not, nor what one layer says.
    Partly,
}

fn policy(name: String, text: &str) -> Arc<Policy> {
    let document = parse::document(text, PolicyType::Identity).expect("the policy loads");
    Arc::new(Policy { name, file: None, document })
}

/// Two managed policies that all have, one of a team, one inline policy of its own, one guard.
fn policies(principal: usize, shared: &[Arc<Policy>]) -> Vec<Arc<Policy>> {
    let team = principal % 20;
    let organization = ORGANIZATIONS[principal % 4];
    let team_policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[
        {{"Effect":"Allow","Action":["workmail:Create*","workmail:Update*","workmail:Put*"],
          "Resource":"arn:aws:workmail:*:111122223333:organization/{organization}",
          "Condition":{{"IpAddress":{{"aws:SourceIp":["10.{team}.0.0/16","192.0.2.0/24"]}}}}}},
        {{"Effect":"Allow","Action":"workmail:Delete*","Resource":"arn:aws:workmail:eu-west-1:111122223333:organization/{organization}",
          "Condition":{{"StringEquals":{{"aws:PrincipalTag/team":"team-{team}"}},"Bool":{{"aws:MultiFactorAuthPresent":"true"}}}}}}]}}"#
    );
    let own = format!(
        r#"{{"Version":"2012-10-17","Statement":[
        {{"Effect":"Allow","Action":["workmail:ResetPassword","workmail:RegisterToWorkMail"],"Resource":"arn:aws:workmail:us-east-1:111122223333:organization/{organization}"}},
        {{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::exports-{principal}/*"}}]}}"#
    );
    let mut all = shared.to_vec();
    all.push(policy(format!("team-{team}"), &team_policy));
    all.push(policy(format!("own-{principal}"), &own));
    all
}

fn shared() -> Vec<Arc<Policy>> {
    [
        r#"{"Version":"2012-10-17","Statement":[
        {"Sid":"Read","Effect":"Allow","Action":["workmail:Describe*","workmail:Get*","workmail:List*","ds:DescribeDirectories","ses:GetIdentity*"],"Resource":"*"},
        {"Sid":"Keys","Effect":"Allow","Action":["kms:ListAliases","ec2:DescribeVpcs","lambda:ListFunctions"],"Resource":"*"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[
        {"Sid":"Logs","Effect":"Allow","Action":["logs:DescribeLogGroups","logs:FilterLogEvents","cloudwatch:GetMetricData"],"Resource":"*"},
        {"Sid":"Roles","Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::111122223333:role/workmail-*",
         "Condition":{"StringEquals":{"iam:PassedToService":"workmail.amazonaws.com"}}}]}"#,
        r#"{"Version":"2012-10-17","Statement":[
        {"Sid":"NoExport","Effect":"Deny","Action":["workmail:StartMailboxExportJob","workmail:DeleteOrganization"],"Resource":"*",
         "Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}},
        {"Sid":"Regions","Effect":"Deny","NotAction":["iam:*","sts:*"],"Resource":"*",
         "Condition":{"StringNotEquals":{"aws:RequestedRegion":["us-east-1","eu-west-1","us-west-2"]}}}]}"#,
    ]
    .iter()
    .enumerate()
    .map(|(index, text)| policy(format!("shared-{index}"), text))
    .collect()
}

fn program() -> (Program, Vec<BundleId>) {
    let shared = shared();
    let mut compiler = Compiler::new();
    let bundles = (0..PRINCIPALS)
        .map(|principal| compiler.bundle(&Bundle { identity: policies(principal, &shared), boundary: Layer::Absent, ..Bundle::default() }));
    let bundles = bundles.collect();
    (compiler.finish(), bundles)
}

/// Half of the actions are some that a policy names, half are not.
const HIT: [&str; 10] = [
    "workmail:ListUsers",
    "workmail:DescribeUser",
    "workmail:CreateUser",
    "workmail:DeleteUser",
    "workmail:UpdateMailboxQuota",
    "workmail:ResetPassword",
    "workmail:GetMailboxDetails",
    "workmail:PutMailboxPermissions",
    "workmail:RegisterToWorkMail",
    "workmail:StartMailboxExportJob",
];
const MISSED: [&str; 10] = [
    "workmail:AssociateMemberToGroup",
    "workmail:TagResource",
    "workmail:AssumeImpersonationRole",
    "workmail:CancelMailboxExportJob",
    "sqs:SendMessage",
    "dynamodb:GetItem",
    "ec2:RunInstances",
    "sns:Publish",
    "rds:DescribeDBInstances",
    "glue:GetTable",
];

fn pool(program: &Program, bundles: &[BundleId], known: Known) -> Vec<(Request, BundleId)> {
    let opaque = if known == Known::Partly { Layers::NONE.with(LayerKind::Scp) } else { Layers::NONE };
    let state = |key: &str, index: usize| match key {
        "aws:sourceip" if known == Known::Partly => ContextState::Unknown,
        "aws:principaltag/team" if known == Known::Partly => ContextState::Unknown,
        "aws:sourceip" => ContextState::value(format!("10.{}.{}.7", index % 23, index % 200)),
        "aws:principaltag/team" => ContextState::value(format!("team-{}", index % 25)),
        "aws:multifactorauthpresent" => ContextState::value(if index.is_multiple_of(3) { "false" } else { "true" }),
        "aws:requestedregion" => ContextState::value(["us-east-1", "eu-west-1", "ap-south-1"][index % 3]),
        _ => ContextState::Absent,
    };
    // One fact for each distinct state, as a replay has it.
    let mut facts = std::collections::HashMap::new();
    let request = |index: usize| {
        let names = if index.is_multiple_of(2) { HIT } else { MISSED };
        let region = ["us-east-1", "eu-west-1", "us-west-2"][index / 7 % 3];
        let organization = ORGANIZATIONS[index / 3 % 4];
        let context = (0..program.key_count()).map(|key| {
            let state = state(program.key_name(key), index);
            let make = || KnownKey { cell: Arc::new(program.classify(key, &state)), state: Arc::new(state.clone()) };
            facts.entry((key, state.clone())).or_insert_with(make).clone()
        });
        let principal = index * 7 % PRINCIPALS;
        let request = Request {
            action: ActionState::known(names[index / 2 % 10]),
            resource: ResourceState::Arn(format!("arn:aws:workmail:{region}:111122223333:organization/{organization}")),
            context: context.collect(),
            subject: Arc::new(Subject {
                caller: Caller {
                    arn: format!("arn:aws:iam::111122223333:user/u{principal}"),
                    account: "111122223333".to_owned(),
                    ..Caller::default()
                },
                resource_account: Some("111122223333".to_owned()),
                opaque,
                rcps_act: false,
                no_permission: false,
                optional: false,
            }),
        };
        (request, bundles[principal])
    };
    (0..POOL).map(request).collect()
}

/// How often each decision comes out: what a run must come to.
fn decide(evaluator: &mut Evaluator<'_>, pool: &[(Request, BundleId)]) -> [usize; 5] {
    let mut counts = [0; 5];
    for (request, bundle) in pool {
        let evaluation = evaluator.evaluate(std::slice::from_ref(request), *bundle, *bundle);
        counts[Decision::of(evaluation.cases.iter().map(|case| case.candidate)) as usize] += 1;
    }
    counts
}

fn decisions(criterion: &mut Criterion) {
    let (program, bundles) = program();
    let mut group = criterion.benchmark_group("decisions");
    group.throughput(Throughput::Elements(POOL as u64));
    for (name, known) in [("known", Known::Everything), ("two_unknown_keys_and_an_opaque_layer", Known::Partly)] {
        let pool = pool(&program, &bundles, known);
        let expected = decide(&mut Evaluator::new(&program), &pool);
        assert!(expected[Decision::Allowed as usize] > 0 || known == Known::Partly, "{expected:?}");
        assert_eq!(expected[Decision::Undetermined as usize] > 0, known == Known::Partly, "{expected:?}");
        eprintln!("{name}: allowed, explicit, implicit, denied, undetermined: {expected:?}");
        let mut evaluator = Evaluator::new(&program);
        group.bench_function(name, |bencher| bencher.iter(|| assert_eq!(decide(&mut evaluator, black_box(&pool)), expected)));
        group.bench_function(format!("{name}_cold"), |bencher| {
            bencher.iter(|| assert_eq!(decide(&mut Evaluator::new(&program), black_box(&pool)), expected));
        });
    }
    group.finish();
}

fn simulate(criterion: &mut Criterion) {
    let lines: Vec<&str> = include_str!("../tests/cases/decisions.jsonl").lines().collect();
    let mut group = criterion.benchmark_group("simulate");
    group.throughput(Throughput::Elements(lines.len() as u64));
    group.bench_function("decisions.jsonl", |bencher| {
        bencher.iter(|| {
            lines.iter().map(|line| retrial::replay::simulate::answer(line).as_object().map_or(0, serde_json::Map::len)).sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, decisions, simulate);
criterion_main!(benches);
