//! What decoding finds in each container, in broken ones and in hostile ones; through the library, without a dataset.

use std::io::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use retrial::cloudtrail::{Record, Sink, SkipReason, Skipped, decode};

#[derive(Default)]
struct Collected {
    /// Index, name, and whether it is put together from an incomplete table.
    records: Vec<(u64, String, bool)>,
    skipped: Vec<Skipped>,
}

impl Sink for Collected {
    fn record(&mut self, index: u64, _: i64, record: &Record<'_>, _: &str) {
        self.records.push((index, record.event_name.get().unwrap_or_default().to_owned(), record.partial));
    }
    fn skipped(&mut self, skipped: Skipped) {
        self.skipped.push(skipped);
    }
}

impl Collected {
    fn names(&self) -> Vec<&str> {
        self.records.iter().map(|(_, name, _)| name.as_str()).collect()
    }

    fn reasons(&self) -> Vec<(Option<u64>, SkipReason)> {
        self.skipped.iter().map(|skipped| (skipped.index, skipped.reason)).collect()
    }
}

fn collect(text: &str) -> Collected {
    let mut collected = Collected::default();
    decode(text, &mut collected);
    let mut indices: Vec<u64> = collected.records.iter().map(|record| record.0).collect();
    indices.extend(collected.skipped.iter().filter_map(|skipped| skipped.index));
    indices.sort_unstable();
    assert!(indices.iter().zip(0..).all(|(index, expected)| *index == expected), "{indices:?} has gaps or repeats");
    collected
}

fn record(name: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.11","userIdentity":{{"type":"IAMUser"}},"eventTime":"2026-01-01T00:00:00Z","eventSource":"workmail.amazonaws.com","eventName":"{name}"}}"#
    )
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// In base64 of gzip, as CloudWatch Logs hands it to subscribers.
fn packed(text: &str) -> String {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    base64::engine::general_purpose::STANDARD.encode(encoder.finish().unwrap())
}

/// The payload of a subscription.
fn payload(messages: &[&str]) -> String {
    let events: Vec<String> =
        messages.iter().map(|message| format!(r#"{{"id":"1","timestamp":1,"message":{}}}"#, quoted(message))).collect();
    format!(r#"{{"messageType":"DATA_MESSAGE","owner":"1","logEvents":[{}]}}"#, events.join(","))
}

#[test]
fn every_plain_container_gives_its_records() {
    let (a, b) = (record("A"), record("B"));
    for text in [
        format!("{{\"Records\":[{a},{b}]}}"),
        format!("{{\"x\":1,\"Records\":[{a}],\"Records\":[{b}]}}"),
        format!("[{a},{b}]"),
        format!("{a}\n{b}\n"),
        format!("{a}{b}"),
        format!("\u{feff}{a}\n\n{{\"Records\":[{b}]}}"),
        format!("[{{\"Records\":[{a}]}},{{\"Records\":[{b}]}}]"),
        format!("2026-01-01T00:00:00.000Z {a}\n2026-01-01T00:00:01.000Z {b}\n"),
        format!("2026-01-01T00:00:00.123000+00:00 111122223333_CloudTrail_eu-west-1 {a}\n2026-01-01T00:00:01+00:00 stream {b}\n"),
        // `jq -s 'map(.Records)'`, and lists of lists of any kind.
        format!("[[{a}],[{b}]]"),
        format!("[[{a},{b}],[]]").replace(",[]", ""),
        format!("[[{{\"Records\":[{a}]}}],[[{b}]]]"),
        // The texts of records, as `--query 'Events[].CloudTrailEvent'` and `jq` without `-r` leave them.
        format!("[{},{}]", quoted(&a), quoted(&b)),
        format!("{}\n{}\n", quoted(&a), quoted(&b)),
        format!("[[{}],[{}]]", quoted(&a), quoted(&b)),
        packed(&format!("{{\"Records\":[{a},{b}]}}")),
        format!("{}\n{}\n", packed(&a), packed(&b)),
    ] {
        let collected = collect(&text);
        assert_eq!(collected.names(), ["A", "B"], "{text}");
        assert!(collected.skipped.is_empty(), "{text}");
    }
}

#[test]
fn every_wrapper_gives_its_records() {
    let (a, b) = (record("A"), record("B"));
    let (qa, qb) = (quoted(&a), quoted(&b));
    let bridge = |detail: &str| {
        format!(
            r#"{{"version":"0","id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.workmail","resources":[],"detail":{detail}}}"#
        )
    };
    for text in [
        // lookup-events, times in both forms.
        format!(
            r#"{{"Events":[{{"EventId":"1","EventName":"A","EventTime":"2026-01-01T00:00:00+00:00","Resources":[],"CloudTrailEvent":{qa}}},{{"EventTime":1767225600.0,"CloudTrailEvent":{qb}}}],"NextToken":"t"}}"#
        ),
        format!("{}\n{}", bridge(&a), bridge(&b)),
        format!("[{},{}]", bridge(&a), bridge(&b)),
        format!(r#"{{"events":[{{"logStreamName":"s","timestamp":1,"message":{qa}}},{{"message":{qb}}}],"searchedLogStreams":[]}}"#),
        format!(
            r#"{{"messageType":"DATA_MESSAGE","owner":"1","logEvents":[{{"id":"1","timestamp":1,"message":{qa}}},{{"id":"2","message":{qb}}}]}}"#
        ),
        format!(
            r#"{{"results":[[{{"field":"@timestamp","value":"2026"}},{{"field":"@message","value":{qa}}}],[{{"field":"@message","value":{qb}}}]],"statistics":{{}}}}"#
        ),
        format!(r#"{{"QueryStatus":"FINISHED","QueryResultRows":[[{{"eventData":{qa}}}],[{{"eventID":"1"}},{{"eventJson":{qb}}}]]}}"#),
        format!("eventid,eventjson\n1,{}\n2,{}\n", csv_cell(&a), csv_cell(&b)),
        format!("@timestamp,@message\r\n1,{}\r\n2,{}\r\n", csv_cell(&a), csv_cell(&b)),
        format!(r#"[[{{"CloudTrailEvent":{qa}}},{{"CloudTrailEvent":{qb}}}]]"#),
        format!(r#"[[{{"_source":{a}}}],[{{"detail":{b}}}]]"#),
        format!(r#"{{"hits":{{"total":2,"hits":[{{"_index":"i","_source":{a}}},{{"_source":{b}}}]}}}}"#),
        format!(r#"[{{"_raw":{qa},"eventName":"flattened","eventSource":"x","eventTime":"2026-01-01T00:00:00Z"}},{{"_raw":{qb}}}]"#),
        format!(r#"{{"integration":"aws","aws":{a}}}{{"input":{{"message":{qb}}}}}"#),
        format!(r#"{{"@version":"1","message":{qa}}}{{"rule":{{"id":"1"}},"data":{{"aws":{b}}}}}"#),
        format!(r#"{{"awslogs":{{"data":"{}"}}}}"#, packed(&payload(&[&a, &b]))),
        format!(
            r#"{{"Records":[{{"kinesis":{{"data":"{}"}},"eventSource":"aws:kinesis","eventName":"aws:kinesis:record"}},{{"kinesis":{{"data":"{}"}}}}]}}"#,
            packed(&payload(&[&a])),
            base64::engine::general_purpose::STANDARD.encode(&b),
        ),
        format!(r#"{{"userIdentity":{},{}}}{b}"#, quoted(r#"{"type":"IAMUser"}"#), &members(&a)),
    ] {
        let collected = collect(&text);
        assert_eq!(collected.names(), ["A", "B"], "{text}");
        assert_eq!(collected.reasons(), [], "{text}");
        assert!(collected.records.iter().all(|(_, _, partial)| !partial), "{text}");
    }
}

/// The members of a record but for its identity.
fn members(record: &str) -> String {
    record.replacen(r#""userIdentity":{"type":"IAMUser"},"#, "", 1).trim_matches(['{', '}']).to_owned()
}

fn csv_cell(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[test]
fn a_broken_record_costs_itself() {
    let (a, b) = (record("A"), record("B"));
    let broken = r#"{"eventVersion":"1.11","eventName":"X",,}"#;
    for text in [
        format!("{{\"Records\":[{a},{broken},{b}]}}"),
        format!("{a}\n{broken}\n{b}\n"),
        format!("[{a},{broken},{b}]"),
        format!("2026-01-01T00:00:00Z {a}\n2026-01-01T00:00:00Z {broken}\n2026-01-01T00:00:00Z {b}\n"),
        format!(
            r#"{{"events":[{{"timestamp":1,"message":{}}},{{"timestamp":2,,}},{{"timestamp":3,"message":{}}}],"searchedLogStreams":[],"nextToken":"x"}}"#,
            quoted(&a),
            quoted(&b)
        ),
        format!(
            r#"{{"Events":[{{"EventId":"1","CloudTrailEvent":{}}},{{"EventId":"2","CloudTrailEvent":{}}},{{"EventId":"3","CloudTrailEvent":{}}}]}}"#,
            quoted(&a),
            quoted(broken),
            quoted(&b)
        ),
    ] {
        let collected = collect(&text);
        assert_eq!(collected.names(), ["A", "B"], "{text}");
        assert_eq!(collected.reasons(), [(Some(1), SkipReason::BrokenJson)], "{text}");
    }
    let text = format!("{{\"Records\":[{a},\"oops\",{b},42]}}");
    let collected = collect(&text);
    assert_eq!(collected.names(), ["A", "B"]);
    assert_eq!(collected.reasons(), [(Some(1), SkipReason::NotAnObject), (Some(3), SkipReason::NotAnObject)]);
}

#[test]
fn what_is_broken_is_quoted_and_what_is_something_else_is_named() {
    let a = record("A");
    for (text, told) in [
        (
            format!("{{\"Records\":[\n{a},\n{{\"eventVersion\":\"1.11\",\n \"eventName\": Create}},\n{a}]}}"),
            "expected value at line 2 column 15 of the record, near `",
        ),
        ("AnalysisType: rule\nEnabled: true\n".to_owned(), "expected value: it begins `AnalysisType: rule Enabled: true`"),
        ("\u{fffd}\u{fffd}\u{1}x".to_owned(), "expected value: it begins with bytes that are no text"),
        (format!("{{\"Records\":[{a},{{\"eventVersion\":\"1.1"), "EOF while parsing a string at line 1 column 20 of the record"),
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n".to_owned(),
            "a pointer of Git LFS: `git lfs pull` fetches the file that it stands for",
        ),
        (
            "TimeGenerated,EventName,Identity\n2026-01-01,Get,\"{\"\"type\"\":\"\"IAMUser\"\"}\"\n".to_owned(),
            "a table without the columns of CloudTrail: it begins `TimeGenerated,EventName,Identity",
        ),
        (r#"{"kinesis":{"data":"H4sI"}}"#.to_owned(), "broken gzip in base64: "),
        (r#"{"kinesis":{"data":"eyJh.eyJi.c"}}"#.to_owned(), "data of Kinesis that is neither gzip nor JSON in base64"),
        (format!(r#"{{"awslogs":{{"data":"{}"}}}}"#, packed(" ")), "a payload that holds nothing"),
        (r#"{"awslogs":{"data":"H4sI?"}}"#.to_owned(), "base64 that cannot be read: "),
        (a.replace(r#""workmail.amazonaws.com""#, "null"), "no `eventSource`"),
        (a.replace("2026-01-01T00:00:00Z", "last noon"), "`eventTime` is `last noon`, and not as `2026-"),
        (a.replace("2026-01-01T00:00:00Z", "1969-07-20T20:17:40Z"), "`eventTime` is `1969-07-20T20:17:40Z`, which is not between 2000"),
    ] {
        let collected = collect(&text);
        let details: Vec<&str> = collected.skipped.iter().map(|skipped| skipped.detail.as_str()).collect();
        assert!(matches!(details.as_slice(), [detail] if detail.starts_with(told)), "{text}\n{details:?}");
        assert_eq!(collected.names().len(), text.matches(&a).count(), "{text}");
    }
    // What looks like a header may stand before records.
    assert_eq!(collect(&format!("events, as they came\n{a}\n")).names(), ["A"]);
}

#[test]
fn neighbours_that_are_broken_are_counted_apart_and_what_is_nested_is_not() {
    let broken = r#"{"eventVersion":"1.11","requestParameters":{"a":[{"b":1},{"b":2}]},,}"#;
    let collected = collect(&format!("{{\"Records\":[{broken},{broken},{}]}}", record("A")));
    assert_eq!(collected.names(), ["A"]);
    assert_eq!(collected.reasons(), [(Some(0), SkipReason::BrokenJson), (Some(1), SkipReason::BrokenJson)]);
    // The last one takes the end of the list with it: the text is not truncated.
    let a = record("A");
    for text in
        [format!("{{\"Records\":[{a},{broken}]}}"), format!("[{a},\n{broken}\n]\n"), format!("{{\"Records\": [{a}, {broken} ] }}\n")]
    {
        let collected = collect(&text);
        assert_eq!(collected.names(), ["A"], "{text}");
        assert_eq!(collected.reasons(), [(Some(1), SkipReason::BrokenJson)], "{text}");
    }
}

#[test]
fn a_truncated_file_keeps_what_is_whole() {
    let (a, b) = (record("A"), record("B"));
    for text in [
        format!("{{\"Records\":[{a},{}", &b[..b.len() - 10]),
        format!("{a}\n{}", &b[..b.len() - 10]),
        format!(r#"{{"Events":[{{"CloudTrailEvent":{}}},{{"CloudTrailEvent":{}}}]}}"#, quoted(&a), quoted(&b[..b.len() - 10])),
    ] {
        let collected = collect(&text);
        assert_eq!(collected.names(), ["A"], "{text}");
        assert_eq!(collected.reasons(), [(Some(1), SkipReason::Truncated)], "{text}");
    }
}

#[test]
fn look_alikes_are_told_by_name() {
    use SkipReason::{Digest, EmptyFile, Insight, NoEventTime, NotARecord, NotAnObject, NotCloudtrail};
    let cases = [
        (
            r#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","eventTime":"2026-01-01T00:00:00Z"}]}"#,
            NotCloudtrail,
            "aws:s3",
        ),
        (r#"{"Records":[{"eventID":"1","eventName":"INSERT","eventSource":"aws:dynamodb","dynamodb":{}}]}"#, NotCloudtrail, "aws:dynamodb"),
        (
            r#"{"Records":[{"kinesis":{"data":"eA=="},"eventSource":"aws:kinesis","eventName":"aws:kinesis:record"}]}"#,
            NotCloudtrail,
            "aws:kinesis",
        ),
        (
            r#"{"Records":[{"codecommit":{"references":[]},"eventSource":"aws:codecommit","eventName":"ReferenceChanges","eventTime":"2026-01-01T00:00:00Z"}]}"#,
            NotCloudtrail,
            "aws:codecommit",
        ),
        (r#"{"Records":[{"EventSource":"aws:sns","Sns":{"Message":"x"}}]}"#, NotCloudtrail, "SNS"),
        (
            r#"{"eventId":"1","eventName":"DescribeInstances","eventSource":"ecs.aliyuncs.com","eventTime":"2026-01-01T00:00:00Z"}"#,
            NotCloudtrail,
            "Alibaba",
        ),
        (
            r#"{"eventVersion":"1.0","eventId":"1","eventCategory":"Aggregated","eventType":"AwsAggregatedEvent","eventSource":"s3.amazonaws.com","summary":{}}"#,
            NotCloudtrail,
            "aggregated",
        ),
        (r#"{"digestS3Object":"x","awsAccountId":"1"}"#, Digest, "digest"),
        (r#"{"eventVersion":"1.07","eventTime":"2026-01-01T00:00:00Z","insightDetails":{"state":"Start"}}"#, Insight, "Insights"),
        (
            r#"{"eventType":"AwsCloudTrailInsight","eventSource":"s","eventName":"A","eventTime":"2026-01-01T00:00:00Z","insightDetails":{}}"#,
            Insight,
            "Insights",
        ),
        (r#"{"fileVersion":"1.0","configSnapshotId":"x","configurationItems":[]}"#, NotCloudtrail, "Config"),
        (r#"{"version":"0","detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{}}}"#, NotCloudtrail, "`Object Created`"),
        (
            r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","message":"CWL CONTROL MESSAGE: checking"}]}"#,
            NotCloudtrail,
            "CWL CONTROL MESSAGE",
        ),
        (r#"{"Events":[{"EventId":"1","EventName":"A"}]}"#, NotARecord, "CloudTrailEvent"),
        ("version account-id interface-id srcaddr dstaddr\n2 111122223333 eni-1 10.0.0.1 10.0.0.2", NotCloudtrail, "flow log"),
        ("2 111122223333 eni-1 10.0.0.1 10.0.0.2 443 49152 6 20 4249 1 2 ACCEPT OK", NotCloudtrail, "flow log"),
        ("PK\u{3}\u{4}rest", NotCloudtrail, "unpack"),
        (r#"{"eventSource":"a","eventName":"b"}"#, NoEventTime, "no `eventTime`"),
        (r#"{"eventSource":"a","eventName":"b","@timestamp":"2026-01-01T00:00:00Z"}"#, NoEventTime, "another time"),
        (r#"{"a":1,"b":2,"c":null}"#, NotARecord, "its members: `a, b`"),
        (r#"{"eventName":null,"eventSource":null}"#, NotARecord, "its members: none that says anything"),
        ("", EmptyFile, ""),
        ("\"text\"", NotAnObject, "text"),
    ];
    for (text, reason, detail) in cases {
        let collected = collect(text);
        assert!(collected.records.is_empty() && collected.skipped.len() == 1, "{text}: {:?}", collected.skipped);
        assert_eq!(collected.skipped[0].reason, reason, "{text}");
        assert!(collected.skipped[0].detail.contains(detail), "{text}: {}", collected.skipped[0].detail);
    }
}

#[test]
fn duplicate_members_take_the_last() {
    let collected = collect(r#"{"eventTime":"2026-01-01T00:00:00Z","eventSource":"s","eventName":"A","eventName":"B"}"#);
    assert_eq!(collected.names(), ["B"]);
}

#[test]
fn rows_of_a_table_that_do_not_fit_cost_themselves() {
    let header = "eventTime,eventSource,eventName,errorCode";
    let row = |name: &str| format!("2026-01-01T00:00:00Z,workmail.amazonaws.com,{name},");
    for (broken, reasons) in [
        ("2026-01-01T00:00:00Z,workmail.amazonaws.com", vec![(Some(1), SkipReason::BrokenCsv)]),
        ("\"2026-01-01T00:00:00Z,workmail.amazonaws.com,X,", vec![(Some(1), SkipReason::BrokenCsv)]),
        ("2026-01-01T00:00:00Z,workmail.amazonaws.com,X,\"oops", vec![(Some(1), SkipReason::BrokenCsv)]),
        ("yesterday,workmail.amazonaws.com,X,", vec![(Some(1), SkipReason::NoEventTime)]),
        (",,,", vec![(Some(1), SkipReason::NotARecord)]),
    ] {
        for end in ["\n", "\r\n"] {
            let collected = collect(&[header, &row("A"), broken, &row("B"), ""].join(end));
            assert_eq!(collected.names(), ["A", "B"], "{broken}");
            assert_eq!(collected.reasons(), reasons, "{broken}");
            if reasons[0].1 == SkipReason::BrokenCsv {
                assert_eq!(collected.skipped[0].length, broken.len() as u64);
            }
        }
    }
}

#[test]
fn a_broken_record_in_a_text_costs_the_text() {
    let (a, b) = (record("A"), record("B"));
    for (broken, reason) in [
        (quoted(&a[..a.len() - 9]), SkipReason::Truncated),
        (quoted(&a.replace("\"eventName\"", "eventName")), SkipReason::BrokenJson),
        ("\"     {\"".to_owned(), SkipReason::Truncated),
        ("\"{}\"".to_owned(), SkipReason::NotAnObject),
    ] {
        let collected = collect(&format!("[{broken},{}]", quoted(&b)));
        assert_eq!((collected.names(), collected.reasons()), (vec!["B"], vec![(Some(0), reason)]), "{broken}");
        assert_eq!(collected.skipped[0].length, broken.len() as u64, "{broken}");
    }
}

#[test]
fn a_header_that_comes_again_is_no_row() {
    let table =
        |name: &str| format!("eventTime,eventSource,eventName,errorCode\r\n2026-01-01T00:00:00Z,workmail.amazonaws.com,{name},\r\n");
    let collected = collect(&(table("A") + &table("B")));
    assert_eq!((collected.names(), collected.reasons()), (vec!["A", "B"], vec![]));
}

#[test]
fn records_in_the_cells_of_any_table_are_read() {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let [a, b] = ["A", "B"].map(record);
    for text in [
        format!("\"V\"\n{}\n{}\n", quoted(&a), quoted(&b)),
        format!("SRC,FILENAME\n{},a.gz\n{},b.gz\n", quoted(&a), quoted(&b)),
        format!("{}\n{}\n", quoted(&a), quoted(&b)),
        format!("id|json\n1|{}\n2|{}\n", quoted(&a), quoted(&b)),
        format!("#TYPE System.Management.Automation.PSCustomObject\n\"CloudTrailEvent\"\n{}\n{}\n", quoted(&a), quoted(&b)),
        format!("t.eventjson,t.x\n{},1\n{},2\n", quoted(&a), quoted(&b)),
    ] {
        let collected = collect(&text);
        assert_eq!((collected.names(), collected.reasons()), (vec!["A", "B"], vec![]), "{text}");
    }
    let collected = collect(&format!("V\n{}\nnothing\n{}\n", quoted(&a), quoted(&b)));
    assert_eq!((collected.names(), collected.reasons()), (vec!["A", "B"], vec![(Some(1), SkipReason::NotARecord)]));
}

#[test]
fn marks_and_padding_between_records_are_no_records() {
    let [a, b] = ["A", "B"].map(record);
    for between in ["\u{feff}", "\n\u{feff}", "\0", "\n\0\0\0", "\u{1e}", "\n\u{1e}", ","] {
        for text in
            [format!("{between}{a}{between}{b}"), format!("{between}[{a},{b}]{between}"), format!("{a}\n{between}{between}{b}{between}\n")]
        {
            let collected = collect(&text);
            assert_eq!((collected.names(), collected.reasons()), (vec!["A", "B"], vec![]), "{text:?}");
        }
    }
    assert_eq!(collect("\u{feff}\0\n").reasons(), [(None, SkipReason::EmptyFile)]);
}

#[test]
fn a_list_after_other_text_is_whole() {
    let [a, b] = ["A", "B"].map(record);
    for before in ["```json\n", "Here is the log\n\n", "$ cat log.json\r\n"] {
        for list in [format!("[{a},{b}]"), format!("[\n  {a},\n  {b}\n]"), format!("{a}\n{b}")] {
            let collected = collect(&format!("{before}{list}\n"));
            assert_eq!(
                (collected.names(), collected.reasons()),
                (vec!["A", "B"], vec![(Some(0), SkipReason::BrokenJson)]),
                "{before}{list}"
            );
            let fenced = collect(&format!("{before}{list}\n```\n"));
            assert_eq!((fenced.names(), fenced.skipped.len()), (vec!["A", "B"], 2), "{before}{list}");
        }
    }
}

#[test]
fn words_before_and_after_the_record_of_a_line_are_no_records() {
    let [a, b] = ["A", "B"].map(record);
    for (before, after) in [
        ("<134>1 2026-01-01T00:00:00Z host cloudtrail - - - ", ""),
        ("Jan  1 00:00:00 host cloudtrail[1]: ", "\r"),
        ("logs/a.json:17:", ""),
        ("EVENTS\t30\t1783173600001\t1_CloudTrail_eu-west-1\t", "\t1783173600001"),
    ] {
        let text = format!("{before}{a}{after}\n{before}{b}{after}\nFORWARDTOKENS none\n");
        let collected = collect(&text);
        assert_eq!((collected.names(), collected.reasons()), (vec!["A", "B"], vec![(Some(2), SkipReason::BrokenJson)]), "{text}");
        let text = format!("b/3\tf/3\n{before}{a}{after}\nRESOURCES\tnone\n{before}{b}{after}\n");
        let collected = collect(&text);
        assert_eq!((collected.names(), collected.reasons().len()), (vec!["A", "B"], 2), "{text}");
    }
    let collected = collect(&format!("raw\n{a}\n{b}\n"));
    assert_eq!((collected.names(), collected.reasons()), (vec!["A", "B"], vec![(Some(0), SkipReason::BrokenJson)]));
}

#[test]
fn what_other_collectors_and_queues_wrap_is_read() {
    let text = record("A");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let packed = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &text);
    let event = serde_json::json!({"detail-type": "AWS API Call via CloudTrail", "detail": value}).to_string();
    use serde_json::json;
    for wrapper in [
        json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Type": "Notification", "Message": event}}]}),
        json!({"Type": "Notification", "Message": text}),
        json!({"Messages": [{"MessageId": "1", "Body": json!({"Type": "Notification", "Message": event}).to_string()}]}),
        json!({"Entries": [{"Source": "x", "DetailType": "AWS API Call via CloudTrail", "Detail": text}]}),
        json!({"Records": [{"SequenceNumber": "1", "Data": packed, "PartitionKey": "1"}], "MillisBehindLatest": 0}),
        json!({"requestId": "1", "records": [{"data": packed}]}),
        json!({"@timestamp": "2026-01-01T00:00:00Z", "event": {"original": text}, "aws": {"cloudtrail": {}}}),
        json!({"@timestamp": "2026-01-01T00:00:00Z", "event.original": text}),
        json!({"log": text, "stream": "stdout"}),
        json!({"labels": {}, "line": text, "timestamp": "2026-01-01T00:00:00Z"}),
        json!({"status": "success", "data": {"resultType": "streams", "result": [{"stream": {}, "values": [["1767225600000000000", text]]}]}}),
        json!({"messages": [{"map": {"_raw": text, "_messageid": "1"}}]}),
        json!({"data": [{"id": "1", "attributes": {"timestamp": "x", "attributes": value}}]}),
        json!([["2026-01-01T00:00:00Z", text]]),
        json!([[1767225600, value]]),
        json!({"_1": value}),
    ] {
        let collected = collect(&wrapper.to_string());
        assert_eq!((collected.names(), collected.reasons()), (vec!["A"], vec![]), "{wrapper}");
    }
}

#[test]
fn rows_of_tables_may_be_objects() {
    for text in [
        r#"{"eventversion":"1.11","eventtime":"2026-01-01T00:00:00Z","eventsource":"workmail.amazonaws.com","eventname":"A"}"#,
        r#"{"EVENTVERSION":"1.11","EVENTTIME":"2026-01-01T00:00:00Z","EVENTSOURCE":"workmail.amazonaws.com","EVENTNAME":"A"}"#,
        r#"{"event_version":"1.11","EVENT_TIME":1767225600000,"event_source":"workmail.amazonaws.com","EVENT_NAME":"A"}"#,
        r#"[{"event_name":"A","event_time":"2026-01-01 00:00:00.000 UTC","event_source":"workmail.amazonaws.com","user_identity":{"type":"IAMUser"}}]"#,
    ] {
        assert_eq!(collect(text).records, [(0, "A".to_owned(), true)], "{text}");
    }
    // Not so the events of `lookup-events`, of which the record is left out.
    assert_eq!(collect(r#"{"EventName":"A","EventTime":"2026-01-01T00:00:00Z","EventId":"1"}"#).names(), Vec::<&str>::new());
}

#[test]
fn a_table_is_told_by_its_header_whatever_divides_it() {
    for (header, row) in [
        ("Event name;Event time;Event source", "A;2026-01-01T00:00:00Z;workmail.amazonaws.com"),
        ("eventname\teventtime\teventsource", "A\t2026-01-01 00:00:00.000\tworkmail.amazonaws.com"),
        ("\"eventID\",\"eventName\",\"eventTime\"", "1,A,2026-01-01T00:00:00Z"),
    ] {
        let collected = collect(&format!("\u{feff}{header}\n{row}\n"));
        assert_eq!(collected.records, [(0, "A".to_owned(), true)], "{header}");
    }
    for other in ["a,b\n1,2\n", "\"component\",\"licence\"\n\"x\",\"MIT\"\n\"y\",\"BSD\"\n"] {
        assert_eq!(collect(other).reasons(), [(None, SkipReason::NotCloudtrail)], "{other}");
    }
}

/// Reads in a few seconds at most, whatever it makes of it.
#[test]
fn hostile_texts_cost_no_more_than_reading_them() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    let a = record("A");
    let cases = [
        deep("[", "]"),
        deep("{\"eventID\":", "}"),
        "[".repeat(100_000),
        "{\"eventID\":[0,".repeat(100_000),
        "{\"Records\":[".repeat(100_000),
        "{\"Records\":[],\"x\":[0,".repeat(50_000),
        "{\"events\":[{\"message\":".repeat(50_000),
        ",{\"eventID\":".repeat(100_000),
        format!("eventName,eventTime\n{}", "a\",\"b\n".repeat(100_000)),
        format!("eventName,eventTime\n{}", "\"\n".repeat(100_000)),
        format!("eventName,eventTime,userIdentity\nA,2026-01-01T00:00:00Z,{}\n", "{a=".repeat(20_000)),
        format!("eventName,eventTime,userIdentity\nA,2026-01-01T00:00:00Z,{}\n", "[}".repeat(20_000)),
        "2026-01-01T00:00:00Z ".repeat(100_000),
        "\u{0}\u{1}{\u{2}".repeat(1_000),
    ];
    for (number, text) in cases.iter().enumerate() {
        for text in [text.clone(), format!("{text}\n{a}\n"), format!("{{\"Records\":[{a},{text}]}}"), quoted(text)] {
            let started = Instant::now();
            let collected = collect(&text);
            assert!(collected.records.len() + collected.skipped.len() > 0, "case {number}");
            let most = Duration::from_secs(20);
            assert!(started.elapsed() < most, "case {number} took {:?}", started.elapsed());
        }
    }
}

#[test]
fn a_record_of_deep_parameters_and_odd_texts_stays_one_record() {
    let parameters = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let a = record("A").replacen('{', &format!("{{\"requestParameters\":{parameters},"), 1);
    let surrogate = record("S").replacen('{', r#"{"additionalEventData":"\ud800",""#, 1).replacen("\"\"event", "\"event", 1);
    let used = record("U").replacen('{', r#"{"userAgent":"\ud800","#, 1);
    let control = record("C").replacen('{', "{\"userAgent\":\"\u{1}\",", 1);
    let number = record("N").replacen('{', r#"{"additionalEventData":1e999,"eventID":12345678901234567890123,"#, 1);
    let collected = collect(&format!("{{\"Records\":[{a},{surrogate},{used},{control},{number},{}]}}", record("B")));
    assert_eq!(collected.names(), ["A", "S", "U", "N", "B"]);
    assert_eq!(collected.reasons(), [(Some(3), SkipReason::BrokenJson)]);
}

#[test]
fn times_out_of_range_are_no_times() {
    for time in [
        "0000-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "292277026596-12-04T15:30:08Z",
        "-009999-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
    ] {
        let collected = collect(&record("A").replace("2026-01-01T00:00:00Z", time));
        assert_eq!(collected.reasons(), [(Some(0), SkipReason::NoEventTime)], "{time}");
        assert!(collected.skipped[0].detail.contains(time));
    }
}
