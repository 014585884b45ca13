//! Quirks 19 to 22: names of events, denials, other errors, calls of services.

use serde_json::json;

use super::{Loaded, ORGANIZATION, identity, load_all, load_one, record, with};

#[test]
fn quirk_19_names_of_events_are_not_names_of_actions() {
    for (source, name, action) in [
        ("lambda.amazonaws.com", "ListFunctions20150331", "lambda:ListFunctions"),
        ("lambda.amazonaws.com", "UpdateFunctionCode20150331v2", "lambda:UpdateFunctionCode"),
        ("cloudfront.amazonaws.com", "CreateFunction2020_05_31", "cloudfront:CreateFunction"),
        ("monitoring.amazonaws.com", "GetMetricData", "cloudwatch:GetMetricData"),
        ("tagging.amazonaws.com", "GetResources", "tag:GetResources"),
        ("email.amazonaws.com", "SendEmail", "ses:SendEmail"),
        ("workmailMessageFlow.amazonaws.com", "GetRawMessageContent", "workmailmessageflow:GetRawMessageContent"),
        (" workmail.amazonaws.com", "DescribeUser", "workmail:DescribeUser"),
        ("workmail.amazonaws.com", "describeUser", "workmail:DescribeUser"),
        ("route53domains.amazonaws.com", "updateDomainContact", "route53domains:UpdateDomainContact"),
    ] {
        let loaded = load_one(&with(|record| (record["eventSource"], record["eventName"]) = (json!(source), json!(name))));
        assert_eq!(loaded.text(0, "action"), Some(action), "{source} {name}");
        assert_eq!(loaded.text(0, "event_source"), Some(source.trim()));
        assert_eq!(loaded.text(0, "event_name"), Some(name));
    }
    // Guesses: marked as such.
    for (source, name) in [
        ("apigateway.amazonaws.com", "GetRestApis"),
        ("s3.amazonaws.com", "HeadBucket"),
        ("sso.amazonaws.com", "https://x.awsapps.com/start/"),
    ] {
        let loaded = load_one(&with(|record| (record["eventSource"], record["eventName"]) = (json!(source), json!(name))));
        assert_eq!(loaded.text(0, "mapping_source"), Some("rule"), "{source} {name}");
    }
    for name in ["ConsoleLogin", "CheckMfa", "GetSigninToken"] {
        let loaded = load_one(&with(|record| (record["eventSource"], record["eventName"]) = (json!("signin.amazonaws.com"), json!(name))));
        assert_eq!(loaded.text(0, "not_replayable"), Some("sign_in"), "{name}");
    }
}

fn failed(code: &str, message: Option<&str>) -> Loaded {
    load_one(&with(|record| {
        record["errorCode"] = json!(code);
        record["requestParameters"] = json!(null);
        if let Some(message) = message {
            record["errorMessage"] = json!(message);
        }
    }))
}

#[test]
fn quirk_20_denials_and_what_their_messages_tell() {
    for code in [
        "AccessDenied",
        "Client.UnauthorizedOperation",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "VpceAccessDenied",
        "ForbiddenException",
        "UnauthorizedException",
    ] {
        assert_eq!(failed(code, None).text(0, "outcome"), Some("access_denied"), "{code}");
    }
    assert_eq!(failed("Client.DryRunOperation", None).text(0, "outcome"), Some("success"));
    let arn = format!("arn:aws:workmail:eu-west-1:111122223333:organization/{ORGANIZATION}");
    let who = "User: arn:aws:iam::111122223333:user/mail/erin is not authorized to perform: workmail:DescribeUser";
    for (message, denied_by, resource) in [
        ("Access Denied".to_owned(), None, None),
        ("Encoded authorization failure message: 5dVQ".to_owned(), None, None),
        (
            format!("{who} on resource: {arn} because no identity-based policy allows the workmail:DescribeUser action"),
            Some("identity"),
            Some(arn.as_str()),
        ),
        (format!("{who} on resource: {arn} with an explicit deny in a service control policy"), Some("scp"), Some(arn.as_str())),
        (
            format!("{who} on resource: {arn} because no resource-based policy allows the workmail:DescribeUser action"),
            Some("resource"),
            Some(arn.as_str()),
        ),
        (format!("{who} on resource: user erin because no identity-based policy allows it"), Some("identity"), None),
        (format!("{who} because public policies are blocked by the BlockPublicPolicy block public access setting"), None, None),
    ] {
        let loaded = failed("AccessDenied", Some(&message));
        assert_eq!(loaded.text(0, "denied_by"), denied_by, "{message}");
        match resource {
            Some(resource) => assert_eq!(loaded.text(0, "resource"), Some(resource), "{message}"),
            None => assert!(loaded.text(0, "resource").is_none_or(|resource| resource.contains("<?>")), "{message}"),
        }
        assert_eq!(loaded.text(0, "action"), Some("workmail:DescribeUser"), "{message}");
    }
    let topics = load_one(&with(|record| {
        (record["eventSource"], record["eventName"], record["errorCode"]) =
            (json!("sns.amazonaws.com"), json!("ListTopics"), json!("AccessDenied"));
        record["errorMessage"] =
            json!("User: x is not authorized to perform: SNS:ListTopics on resource: arn:aws:sns:eu-west-1:111122223333:*");
    }));
    assert_eq!(topics.text(0, "action"), Some("sns:ListTopics"), "upper-case prefix");
}

#[test]
fn quirk_21_other_errors_prove_nothing() {
    for code in ["NoSuchBucketPolicy", "ThrottlingException", "EntityNotFoundException", "ValidationException", "KMSAccessDeniedException"]
    {
        let loaded = failed(code, None);
        assert_eq!((loaded.text(0, "outcome"), loaded.text(0, "not_replayable")), (Some("other_error"), None), "{code}");
    }
    assert_eq!(failed("ExpiredToken", None).text(0, "not_replayable"), Some("unauthenticated"));
}

#[test]
fn quirk_22_calls_of_services_are_rows_like_any_other() {
    let service = identity(json!({"type": "AWSService", "invokedBy": "kms.amazonaws.com"}));
    let loaded = load_all([service.clone(), service.clone(), service, record()]);
    assert_eq!(loaded.texts("identity_type"), ["AWSService", "AWSService", "AWSService", "IAMUser"]);
    assert_eq!(loaded.counts.skipped, 0);
}

#[test]
fn quirk_20_a_code_that_is_no_text_is_an_error_all_the_same() {
    for (code, kept) in [(json!(["AccessDenied"]), r#"["AccessDenied"]"#), (json!({"code": 1}), r#"{"code":1}"#), (json!(403), "403")] {
        let loaded = load_one(&with(|record| record["errorCode"] = code.clone()));
        assert_eq!((loaded.text(0, "outcome"), loaded.text(0, "error_code")), (Some("other_error"), Some(kept)), "{code}");
    }
    for code in ["Client.AccessDeniedException", "Client.UnauthorizedOperation", "AccessDenied"] {
        assert_eq!(load_one(&with(|record| record["errorCode"] = json!(code))).text(0, "outcome"), Some("access_denied"), "{code}");
    }
    assert_eq!(
        load_one(&with(|record| record["errorCode"] = json!("Client.ExpiredToken"))).text(0, "not_replayable"),
        Some("unauthenticated")
    );
}
