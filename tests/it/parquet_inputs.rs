//! Parquet tables as logs: the same events as the JSON that they were made of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;
use retrial::arrow::array::{
    Array as _, ArrayRef, BooleanArray, FixedSizeBinaryArray, Float64Array, Int32Array, Int64Array, ListArray, MapBuilder, RecordBatch,
    StringArray, StringBuilder, StructArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use retrial::arrow::buffer::OffsetBuffer;
use retrial::arrow::compute::cast;
use retrial::arrow::datatypes::{DataType, Field};
use retrial::arrow::util::display::array_value_to_string;
use retrial::catalog::Catalog;
use retrial::frame;
use retrial::ingest::{Reading, ingest};
use retrial::progress::Silent;
use serde_json::{Value, json};

use crate::sources::{Loaded, Room, load, load_with};

/// Records of every kind of caller that differs: a session with MFA, a user's key, a denial, a service, a request with tags.
fn records() -> Vec<Value> {
    let common = |id: u32, name: &str, identity: Value, parameters: Value| {
        json!({
            "eventVersion": "1.11", "eventTime": format!("2026-01-0{}T10:20:30Z", id), "eventSource": "workmail.amazonaws.com",
            "eventName": name, "awsRegion": "eu-west-1", "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2.15",
            "requestID": format!("r-{id}"), "eventID": format!("e-{id}"), "eventType": "AwsApiCall", "eventCategory": "Management",
            "readOnly": name.starts_with("List"), "managementEvent": true, "recipientAccountId": "111122223333",
            "userIdentity": identity, "requestParameters": parameters, "responseElements": null,
            "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"},
        })
    };
    let session = json!({
        "type": "AssumedRole", "principalId": "AROAEXAMPLE:alice", "arn": "arn:aws:sts::111122223333:assumed-role/Ops/alice",
        "accountId": "111122223333", "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLE", "arn": "arn:aws:iam::111122223333:role/ops/Ops",
                "accountId": "111122223333", "userName": "Ops"},
            "attributes": {"creationDate": "2026-01-01T09:00:00Z", "mfaAuthenticated": "true"},
        },
    });
    let user = json!({"type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": "arn:aws:iam::111122223333:user/it/bob",
        "accountId": "111122223333", "accessKeyId": "AKIAEXAMPLE", "userName": "bob"});
    let service = json!({"type": "AWSService", "invokedBy": "events.amazonaws.com"});
    let organization = "m-0123456789abcdef0123456789abcdef";
    let arn = format!("arn:aws:workmail:eu-west-1:111122223333:organization/{organization}");
    let mut denied = common(3, "DeleteUser", user.clone(), Value::Null);
    denied["errorCode"] = json!("AccessDenied");
    denied["errorMessage"] =
        json!(format!("User: arn:aws:iam::111122223333:user/it/bob is not authorized to perform: workmail:DeleteUser on resource: {arn}"));
    let mut through_endpoint = common(4, "ListUsers", service, json!({"organizationId": organization}));
    through_endpoint["vpcEndpointId"] = json!("vpce-0123456789abcdef0");
    through_endpoint["resources"] = json!([{"ARN": arn, "accountId": "111122223333", "type": "AWS::WorkMail::Organization"}]);
    vec![
        common(1, "CreateUser", session, json!({"organizationId": organization, "name": "Über", "enabled": true})),
        common(2, "ListUsers", user.clone(), json!({"organizationId": organization})),
        denied,
        through_endpoint,
        common(5, "TagResource", user, json!({"resourceARN": arn, "tags": [{"key": "Team", "value": "mail"}]})),
    ]
}

fn at<'v>(record: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(record, |value, name| value.get(name)).filter(|value| !value.is_null())
}

/// What stands at a path of every record, as text; objects as JSON text.
fn texts(records: &[Value], path: &str) -> ArrayRef {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Arc::new(records.iter().map(|record| at(record, path).map(text)).collect::<StringArray>())
}

fn object(members: Vec<(&str, ArrayRef)>) -> ArrayRef {
    let members = members.into_iter().map(|(name, values)| (Arc::new(Field::new(name, values.data_type().clone(), true)), values));
    Arc::new(StructArray::from(members.collect::<Vec<_>>()))
}

/// The `resources` of the records, with members of these names and paths.
fn resources(records: &[Value], members: impl Fn(&[Value]) -> ArrayRef) -> ArrayRef {
    let lists: Vec<&[Value]> = records.iter().map(|record| record["resources"].as_array().map_or(&[][..], Vec::as_slice)).collect();
    let values = members(&lists.concat());
    let field = Arc::new(Field::new("element", values.data_type().clone(), true));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lists.iter().map(|list| list.len())), values, None))
}

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, values)| (name, values, true))).unwrap()
}

/// Names and values of a batch's columns.
fn columns(batch: &RecordBatch) -> Vec<(String, ArrayRef)> {
    let schema = batch.schema();
    schema.fields().iter().zip(batch.columns()).map(|(field, column)| (field.name().clone(), column.clone())).collect()
}

fn write(path: &Path, batch: &RecordBatch, compression: Compression, rows: usize) {
    let properties = WriterProperties::builder().set_compression(compression).set_max_row_group_row_count(Some(rows)).build();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn load_table(batch: &RecordBatch) -> Loaded {
    let room = Room::new();
    let path = room.path("table");
    write(&path, batch, Compression::SNAPPY, 1_000);
    load(&[path])
}

/// A cell as text; times as their numbers.
fn text(column: &ArrayRef, row: usize) -> String {
    let number = matches!(column.data_type(), DataType::Timestamp(..)).then(|| cast(column, &DataType::Int64).unwrap());
    array_value_to_string(number.as_ref().unwrap_or(column), row).unwrap()
}

/// The dataset's rows in order, by column; without the place where they stood.
fn rows(loaded: &Loaded) -> Vec<BTreeMap<String, String>> {
    let mut rows = Vec::new();
    for file in loaded.dataset.files().unwrap() {
        for batch in frame::parquet::read(&file, None).unwrap() {
            for row in 0..batch.num_rows() {
                let schema = batch.schema();
                let cells = schema
                    .fields()
                    .iter()
                    .zip(batch.columns())
                    .filter(|(field, column)| field.name() != "source_file" && column.is_valid(row));
                rows.push(cells.map(|(field, column)| (field.name().clone(), text(column, row))).collect());
            }
        }
    }
    rows
}

/// The rows of the records as a trail delivers them.
fn wanted() -> Vec<BTreeMap<String, String>> {
    let room = Room::new();
    let loaded = load(&[room.write("log.json", json!({ "Records": records() }).to_string())]);
    assert_eq!(rows(&loaded).len(), records().len());
    rows(&loaded)
}

fn assert_equal(name: &str, loaded: &Loaded) {
    assert_eq!(loaded.skipped(), [], "{name}");
    for (row, wanted) in rows(loaded).iter().zip(wanted()) {
        assert_eq!(*row, wanted, "{name}");
    }
    assert_eq!(rows(loaded).len(), wanted().len(), "{name}");
}

/// The columns of a record whose names are the same in every table.
const PLAIN: [&str; 20] = [
    "eventVersion",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "requestID",
    "eventID",
    "eventType",
    "eventCategory",
    "managementEvent",
    "recipientAccountId",
    "errorCode",
    "errorMessage",
    "vpcEndpointId",
    "requestParameters",
    "responseElements",
    "eventTime",
    "readOnly",
    "sessionCredentialFromConsole",
];

fn identity(records: &[Value], spell: fn(&str) -> String) -> ArrayRef {
    let below = |prefix: &str, names: &[&str]| -> Vec<(String, ArrayRef)> {
        names.iter().map(|name| (spell(name), texts(records, &format!("{prefix}{name}")))).collect()
    };
    let object = |members: Vec<(String, ArrayRef)>| object(members.iter().map(|(name, values)| (name.as_str(), values.clone())).collect());
    let issuer = below("userIdentity.sessionContext.sessionIssuer.", &["type", "principalId", "arn", "accountId", "userName"]);
    let attributes = below("userIdentity.sessionContext.attributes.", &["creationDate", "mfaAuthenticated"]);
    let provider = below("userIdentity.sessionContext.webIdFederationData.", &["federatedProvider"]);
    let mut context = below("userIdentity.sessionContext.", &["sourceIdentity", "assumedRoot"]);
    context.extend([(spell("sessionIssuer"), object(issuer)), (spell("attributes"), object(attributes))]);
    context.push((spell("webIdFederationData"), object(provider)));
    let mut members = below("userIdentity.", &["type", "principalId", "arn", "accountId", "accessKeyId", "userName", "invokedBy"]);
    members.push((spell("sessionContext"), object(context)));
    object(members)
}

/// The records as an Athena table; `change` replaces columns.
fn athena(records: &[Value], spell: fn(&str) -> String, change: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let mut columns: BTreeMap<String, ArrayRef> = PLAIN.iter().map(|name| (spell(name), texts(records, name))).collect();
    columns.insert(spell("userIdentity"), identity(records, spell));
    columns.insert(spell("tlsDetails"), object(vec![("tlsversion", texts(records, "tlsDetails.tlsVersion"))]));
    let elements = |items: &[Value]| {
        object(vec![("arn", texts(items, "ARN")), ("accountid", texts(items, "accountId")), ("type", texts(items, "type"))])
    };
    columns.insert(spell("resources"), resources(records, elements));
    columns.insert("year".to_owned(), Arc::new(Int32Array::from(vec![2026; records.len()])));
    columns.extend(change.into_iter().map(|(name, values)| (name.to_owned(), values)));
    table(columns.iter().map(|(name, values)| (name.as_str(), values.clone())).collect())
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}

fn milliseconds(records: &[Value]) -> Vec<i64> {
    let time = |record: &Value| record["eventTime"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
    records.iter().map(time).collect()
}

#[test]
fn athena_tables_say_what_the_log_says() {
    let records = records();
    let snake =
        |name: &str| name.chars().flat_map(|c| if c.is_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] }).collect();
    let naive: ArrayRef = Arc::new(TimestampMillisecondArray::from(milliseconds(&records)));
    let nanoseconds: Vec<i64> = milliseconds(&records).iter().map(|ms| ms * 1_000_000).collect();
    let zoned: ArrayRef = Arc::new(TimestampNanosecondArray::from(nanoseconds).with_timezone("UTC"));
    let flags: ArrayRef = Arc::new(records.iter().map(|record| record["readOnly"].as_bool()).collect::<BooleanArray>());
    for (name, batch) in [
        ("lower case, structs", athena(&records, lower, vec![])),
        ("CloudTrail's spelling", athena(&records, str::to_owned, vec![])),
        ("snake case", athena(&records, snake, vec![])),
        ("a naive time", athena(&records, lower, vec![("eventtime", naive)])),
        ("a time with a zone, a boolean", athena(&records, lower, vec![("eventtime", zoned), ("readonly", flags)])),
        (
            "objects as JSON text",
            athena(
                &records,
                lower,
                ["userIdentity", "tlsDetails", "resources"]
                    .map(|name| (lower(name), texts(&records, name)))
                    .iter()
                    .map(|(n, v)| (n.as_str(), v.clone()))
                    .collect(),
            ),
        ),
    ] {
        assert_equal(name, &load_table(&batch));
    }
}

/// Every value of a record by its path, as a column of text; lists as JSON text.
fn taken_apart(records: &[Value]) -> RecordBatch {
    fn paths(prefix: &str, value: &Value, found: &mut Vec<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            match value {
                Value::Object(_) => paths(&format!("{prefix}{name}."), value, found),
                _ if !found.contains(&format!("{prefix}{name}")) => found.push(format!("{prefix}{name}")),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    records.iter().for_each(|record| paths("", record, &mut found));
    found.retain(|path| path != "requestParameters");
    table(found.iter().map(|path| (path.as_str(), texts(records, path))).collect())
}

/// What differs in a row, by column.
fn differences<'r>(row: &'r BTreeMap<String, String>, wanted: &'r BTreeMap<String, String>) -> Vec<(&'r str, &'r str)> {
    let changed = row.iter().filter(|(name, value)| wanted.get(*name) != Some(value));
    let lost = wanted.keys().filter(|name| !row.contains_key(*name)).map(|name| (name.as_str(), ""));
    changed.map(|(name, value)| (name.as_str(), value.as_str())).chain(lost).collect()
}

#[test]
fn what_a_table_has_no_place_for_is_unknown_and_not_absent() {
    let records = records();
    // The usual table of Athena: no source identity, no word on the console.
    let mut batch = athena(&records, lower, vec![]);
    let context = object(vec![("sessionissuer", object(vec![("arn", texts(&records, "userIdentity.sessionContext.sessionIssuer.arn"))]))]);
    let mut members: Vec<_> = ["type", "principalId", "arn", "accountId", "accessKeyId", "userName", "invokedBy"]
        .iter()
        .map(|name| (*name, texts(&records, &format!("userIdentity.{name}"))))
        .collect();
    members.push(("sessioncontext", context));
    let columns = columns(&batch);
    let columns: Vec<_> = columns
        .iter()
        .filter(|(name, _)| name != "sessioncredentialfromconsole")
        .map(|(name, column)| (name.as_str(), if name == "useridentity" { object(members.clone()) } else { column.clone() }))
        .collect();
    batch = table(columns);
    let unknown = "aws:assumedroot: , aws:federatedprovider: , aws:multifactorauthage: , aws:multifactorauthpresent: , aws:referer: , aws:sourceidentity: , aws:tokenissuetime: ";
    let loaded = load_table(&batch);
    let (loaded, wanted) = (rows(&loaded), wanted());
    assert_eq!(differences(&loaded[1], &wanted[1]), [("request_context", format!("{{{unknown}}}").as_str())]);
    let listed = format!(
        "{{{}, aws:sourceidentity: , aws:tagkeys: [Team], aws:tokenissuetime: }}",
        unknown.split(", aws:sourceidentity").next().unwrap()
    );
    let listed = listed.replace(", aws:sourceidentity", ", aws:requesttag/team: [mail], aws:sourceidentity");
    assert_eq!(differences(&loaded[4], &wanted[4]), [("request_context", listed.as_str())]);
}

#[test]
fn tables_with_a_column_for_each_member_are_replayed_as_far_as_they_go() {
    let (loaded, wanted) = (rows(&load_table(&taken_apart(&records()))), wanted());
    assert_eq!(loaded.len(), wanted.len());
    for (row, wanted) in loaded.iter().zip(&wanted) {
        let names: Vec<&str> = differences(row, wanted).iter().map(|(name, _)| *name).collect();
        // Which parameters there may be beside is not known, nor what no record of these has.
        assert!(names.iter().all(|name| ["request_context", "request_context_complete", "request_parameters"].contains(name)), "{names:?}");
    }
    assert_eq!(
        loaded[0]["request_parameters"],
        json!({"organizationId": "m-0123456789abcdef0123456789abcdef", "name": "Über", "enabled": "true"}).to_string()
    );
}

#[test]
fn tables_with_whole_records_in_a_column_are_read() {
    let records = records();
    let texts_of: ArrayRef = Arc::new(StringArray::from(records.iter().map(Value::to_string).collect::<Vec<_>>()));
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1; records.len()]));
    for name in ["eventJson", "_raw", "record", "CloudTrailEvent", "@message"] {
        assert_equal(name, &load_table(&table(vec![("n", numbers.clone()), (name, texts_of.clone())])));
    }
    // In a column of any name, beside others; of a table without any, one row says so of all.
    let words: ArrayRef = Arc::new(StringArray::from(vec!["{\"x\": 1}"; records.len()]));
    for columns in [vec![("x", texts_of.clone())], vec![("a", words.clone()), ("n", numbers.clone()), ("payload", texts_of.clone())]] {
        assert_equal("any", &load_table(&table(columns)));
    }
    let foreign = load_table(&table(vec![("a", words.clone()), ("b", words)]));
    assert_eq!((rows(&foreign).len(), foreign.only_skipped().0), (0, "not_cloudtrail"));
    assert!(foreign.only_skipped().1.contains("no table of CloudTrail events: its columns are `a`, `b`"), "{:?}", foreign.skipped());
    // As a struct, and as the list of a delivered file.
    let whole = athena(&records, str::to_owned, vec![]);
    let members = columns(&whole);
    let structs = object(members.iter().map(|(name, column)| (name.as_str(), column.clone())).collect());
    assert_equal("a struct", &load_table(&table(vec![("record", structs.clone())])));
    let field = Arc::new(Field::new("element", structs.data_type().clone(), true));
    let list: ArrayRef = Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([2, 0, 3]), structs, None));
    let loaded = load_table(&table(vec![("Records", list)]));
    assert_eq!(rows(&loaded).len(), 5);
    assert_eq!(loaded.only_skipped().0, "not_cloudtrail");
}

/// The records with a map for the parameters: of values of type JSON, or of texts.
fn of_maps(records: &[Value], of_json: bool) -> RecordBatch {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for record in records {
        for (name, value) in record["requestParameters"].as_object().into_iter().flatten() {
            builder.keys().append_value(name);
            builder.values().append_value(value.as_str().filter(|_| !of_json).map_or_else(|| value.to_string(), str::to_owned));
        }
        builder.append(record["requestParameters"].is_object()).unwrap();
    }
    athena(records, lower, vec![("requestparameters", Arc::new(builder.finish()))])
}

#[test]
fn maps_are_what_the_record_has() {
    let mut records = records();
    let policy = json!({"Version": "2012-10-17"}).to_string();
    records[0]["requestParameters"]["policyDocument"] = json!(policy);
    for of_json in [true, false] {
        let (loaded, wanted) = (rows(&load_table(&of_maps(&records, of_json))), wanted());
        for (row, wanted) in loaded.iter().zip(&wanted) {
            assert!(differences(row, wanted).iter().all(|(name, _)| *name == "request_parameters"), "{:?}", differences(row, wanted));
        }
        assert_eq!(loaded.len(), 5);
        let parameters: Value = serde_json::from_str(&loaded[0]["request_parameters"]).unwrap();
        assert_eq!(parameters["policyDocument"], json!(policy), "a policy is a text in a record, too");
    }
}

#[test]
fn every_codec_and_row_group_is_read_and_rows_keep_their_numbers() {
    let records: Vec<Value> = (0..2_500)
        .map(|n| {
            let mut record = records()[n % 2].clone();
            record["eventID"] = json!(format!("{n:04}"));
            record
        })
        .collect();
    let batch = athena(&records, lower, vec![]);
    let room = Room::new();
    let codecs = [
        ("plain", Compression::UNCOMPRESSED),
        ("snappy", Compression::SNAPPY),
        ("gzip", Compression::GZIP(GzipLevel::default())),
        ("zstd", Compression::ZSTD(ZstdLevel::default())),
        ("lz4", Compression::LZ4_RAW),
    ];
    for (name, codec) in codecs {
        let path = room.path(&format!("{name}.parquet"));
        write(&path, &batch, codec, 700);
        let loaded = load(&[path]);
        let mut seen: Vec<(String, String)> =
            rows(&loaded).into_iter().map(|mut row| (row.remove("source_index").unwrap(), row.remove("event_id").unwrap())).collect();
        seen.sort_by_key(|(index, _)| index.parse::<u32>().unwrap());
        assert_eq!(seen.len(), 2_500, "{name}");
        assert!(seen.iter().all(|(index, id)| index.parse::<u32>().unwrap() == id.parse::<u32>().unwrap()), "{name}");
    }
    // All of them at once, and one inside gzip: the same events.
    let path = room.path("plain.parquet");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &std::fs::read(&path).unwrap()).unwrap();
    room.write("again.parquet.gz", encoder.finish().unwrap());
    let counts = load(&[room.path("")]).dataset.ledger.counts;
    assert_eq!((counts.records, counts.events, counts.duplicates, counts.skipped), (15_000, 2_500, 12_500, 0));
    // The limit is for row groups: what is read at a time.
    let loaded = load_with(&Reading { max_inflated: 10_000, ..Reading::default() }, &Silent, &[path]);
    assert_eq!(loaded.only_skipped().0, "too_large");
}

/// The records as Security Lake has them: version 1 of its source (OCSF 1.0) or 2 (OCSF 1.1).
fn ocsf(records: &[Value], version: u8, unmapped: ArrayRef, request: Option<ArrayRef>) -> RecordBatch {
    let get = |path: &str| texts(records, path);
    let count = records.len();
    let same = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; count])) };
    let product = object(vec![
        ("name", same("CloudTrail")),
        ("vendor_name", same("AWS")),
        ("version", get("eventVersion")),
        ("feature", object(vec![("name", get("eventCategory"))])),
    ]);
    let mut metadata = vec![("product", product), ("uid", get("eventID")), ("profiles", same("cloud"))];
    let account = object(vec![("uid", get("userIdentity.accountId"))]);
    let mut user = vec![
        ("type", get("userIdentity.type")),
        ("name", get("userIdentity.userName")),
        ("credential_uid", get("userIdentity.accessKeyId")),
    ];
    let mfa: ArrayRef = Arc::new(
        records
            .iter()
            .map(|record| at(record, "userIdentity.sessionContext.attributes.mfaAuthenticated").map(|mfa| mfa == "true"))
            .collect::<BooleanArray>(),
    );
    let mut session = vec![("issuer", get("userIdentity.sessionContext.sessionIssuer.arn"))];
    let created = records.iter().map(|record| at(record, "userIdentity.sessionContext.attributes.creationDate"));
    let created = created.map(|time| Some(time?.as_str()?.parse::<jiff::Timestamp>().ok()?.as_millisecond()));
    if version == 1 {
        user.extend([
            ("uid", get("userIdentity.principalId")),
            ("uuid", get("userIdentity.arn")),
            ("account_uid", get("userIdentity.accountId")),
        ]);
        session.extend([("created_time", Arc::new(created.collect::<Int64Array>()) as ArrayRef), ("mfa", mfa)]);
    } else {
        user.extend([("uid", get("userIdentity.arn")), ("uid_alt", get("userIdentity.principalId")), ("account", account.clone())]);
        session.extend([("created_time_dt", Arc::new(created.collect::<TimestampMillisecondArray>()) as ArrayRef), ("is_mfa", mfa)]);
        metadata.push(("event_code", get("eventType")));
    }
    let mut api = vec![
        ("operation", get("eventName")),
        ("service", object(vec![("name", get("eventSource"))])),
        ("response", object(vec![("error", get("errorCode")), ("message", get("errorMessage"))])),
    ];
    let mut request_members = vec![("uid", get("requestID"))];
    request_members.extend(request.map(|data| ("data", data)));
    api.push(("request", object(request_members)));
    let elements = |items: &[Value]| {
        object(vec![("uid", texts(items, "ARN")), ("account_uid", texts(items, "accountId")), ("type", texts(items, "type"))])
    };
    table(vec![
        ("metadata", object(metadata)),
        ("time", Arc::new(Int64Array::from(milliseconds(records)))),
        ("cloud", object(vec![("region", get("awsRegion")), ("provider", same("AWS"))])),
        ("api", object(api)),
        ("actor", object(vec![("user", object(user)), ("session", object(session)), ("invoked_by", get("userIdentity.invokedBy"))])),
        ("http_request", object(vec![("user_agent", get("userAgent"))])),
        ("src_endpoint", object(vec![("ip", get("sourceIPAddress")), ("uid", get("vpcEndpointId"))])),
        ("resources", resources(records, elements)),
        ("class_uid", Arc::new(Int32Array::from(vec![6003; count]))),
        ("observables", same("[]")),
        ("unmapped", unmapped),
    ])
}

/// A map of these members of each record.
fn unmapped(records: &[Value], paths: &[&str]) -> ArrayRef {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for record in records {
        for (path, value) in paths.iter().filter_map(|path| Some((path, at(record, path)?))) {
            builder.keys().append_value(path);
            builder.values().append_value(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        builder.append(true).unwrap();
    }
    Arc::new(builder.finish())
}

const LEFT_OVER: [&str; 8] = [
    "readOnly",
    "recipientAccountId",
    "managementEvent",
    "eventType",
    "tlsDetails.tlsVersion",
    "userIdentity.sessionContext.sessionIssuer.principalId",
    "userIdentity.sessionContext.sessionIssuer.type",
    "userIdentity.sessionContext.sessionIssuer.accountId",
];

#[test]
fn security_lake_tables_say_what_the_log_says() {
    let records = records();
    let with_request = [&LEFT_OVER[..], &["requestParameters"]].concat();
    let json: ArrayRef = Arc::new(
        records
            .iter()
            .map(|record| {
                Some(
                    json!(
                        LEFT_OVER
                            .iter()
                            .filter_map(|path| Some(((*path).to_owned(), at(record, path)?.clone())))
                            .collect::<serde_json::Map<_, _>>()
                    )
                    .to_string(),
                )
            })
            .collect::<StringArray>(),
    );
    for (name, batch) in [
        ("version 2", ocsf(&records, 2, unmapped(&records, &LEFT_OVER), Some(texts(&records, "requestParameters")))),
        ("version 1", ocsf(&records, 1, unmapped(&records, &with_request), None)),
        ("unmapped as JSON text", ocsf(&records, 2, json, Some(texts(&records, "requestParameters")))),
    ] {
        assert_equal(name, &load_table(&batch));
    }
}

#[test]
fn what_security_lake_loses_is_unknown_and_not_absent() {
    let records = records();
    // Flattened parameters, of which the list of tags is lost.
    let paths = [&LEFT_OVER[..], &["requestParameters.organizationId", "requestParameters.resourceARN"]].concat();
    let flat = load_table(&ocsf(&records, 2, unmapped(&records, &paths), None));
    let none = load_table(&ocsf(&records, 2, unmapped(&records, &LEFT_OVER), None));
    let (flat, none, wanted) = (rows(&flat), rows(&none), wanted());
    for (row, wanted) in flat.iter().zip(&wanted) {
        for column in ["action", "resource", "principal_arn", "principal_id", "mfa", "outcome", "not_replayable", "source_ip"] {
            assert_eq!(row.get(column), wanted.get(column), "{column}");
        }
    }
    assert_eq!(wanted[4]["request_context"], "{aws:requesttag/team: [mail], aws:tagkeys: [Team]}");
    assert_eq!(flat[4]["request_context"], "{aws:tagkeys: }");
    assert_eq!((wanted[4]["request_context_complete"].as_str(), flat[4]["request_context_complete"].as_str()), ("true", "false"));
    // Without parameters the resource is unknown, except where the message names it.
    assert_eq!(none[0].get("resource").map(|arn| arn.ends_with("organization/<?>")), Some(true), "{:?}", none[0]);
    assert_eq!(none[2]["resource"], wanted[2]["resource"]);
}

#[test]
fn an_ocsf_user_type_that_is_not_cloudtrails_is_read_from_the_arn() {
    let mut records = records();
    records[1]["userIdentity"]["type"] = json!("User");
    let loaded = load_table(&ocsf(&records, 2, unmapped(&records, &LEFT_OVER), Some(texts(&records, "requestParameters"))));
    assert_equal("type", &loaded);
}

#[test]
fn rows_and_tables_that_are_no_events_are_named() {
    let records = records();
    let mut batch = ocsf(&records, 2, unmapped(&records, &LEFT_OVER), None);
    let name: ArrayRef = Arc::new(StringArray::from(vec!["CloudTrail", "Amazon EKS", "CloudTrail", "CloudTrail", "CloudTrail"]));
    let metadata = object(vec![("product", object(vec![("name", name)])), ("uid", texts(&records, "eventID"))]);
    let columns = columns(&batch);
    batch = table(
        columns.iter().map(|(name, column)| (name.as_str(), if name == "metadata" { metadata.clone() } else { column.clone() })).collect(),
    );
    let loaded = load_table(&batch);
    assert_eq!((loaded.only_skipped().0, loaded.skipped()[0].index, rows(&loaded).len()), ("not_cloudtrail", Some(1), 4));
    assert!(loaded.only_skipped().1.contains("`Amazon EKS`"));

    let timeless = athena(
        &records,
        lower,
        vec![("eventtime", Arc::new(StringArray::from(vec![Some("yesterday"), None, Some(""), Some("0"), Some("x")])))],
    );
    let loaded = load_table(&timeless);
    assert!(loaded.skipped().len() == 5 && loaded.skipped().iter().all(|row| row.reason == "no_event_time"), "{:?}", loaded.skipped());

    let loaded = load_table(&table(vec![("order", texts(&records, "eventID")), ("price", texts(&records, "eventID"))]));
    assert_eq!(loaded.only_skipped().0, "not_cloudtrail");
    assert!(loaded.only_skipped().1.contains("its columns are `order`, `price`"), "{:?}", loaded.skipped());
    let flow = table(vec![("class_uid", Arc::new(Int32Array::from(vec![4001]))), ("src_endpoint", Arc::new(StringArray::from(vec!["x"])))]);
    assert!(load_table(&flow).only_skipped().1.contains("OCSF of another class"));
}

#[test]
fn ids_and_accounts_are_those_of_the_log_in_any_type() {
    let id = |n: u8| [n; 16];
    let hyphenated = |n: u8| format!("{0}{0}{0}{0}-{0}{0}-{0}{0}-{0}{0}-{0}{0}{0}{0}{0}{0}", format!("{n:02x}"));
    let records: Vec<Value> = records()
        .into_iter()
        .zip(1..)
        .map(|(mut record, n)| {
            record["eventID"] = json!(hyphenated(n));
            record
        })
        .collect();
    let ids = FixedSizeBinaryArray::try_from_iter((1..=5).map(id)).unwrap();
    let batch = athena(
        &records,
        lower,
        vec![("eventid", Arc::new(ids)), ("recipientaccountid", Arc::new(Float64Array::from(vec![111_122_223_333.0; 5])))],
    );
    let room = Room::new();
    write(&room.path("a.parquet"), &batch, Compression::SNAPPY, 1_000);
    let lines: String = records.iter().map(|record| record.to_string() + "\n").collect();
    let loaded = load(&[room.path("a.parquet"), room.write("b.jsonl", lines)]);
    let counts = loaded.dataset.ledger.counts;
    assert_eq!((counts.records, counts.events, counts.duplicates, counts.id_conflicts), (10, 5, 5, 0), "{:?}", rows(&loaded));
}

#[test]
fn of_a_table_and_the_log_the_log_stays() {
    let records = records();
    let room = Room::new();
    let lines: String = records.iter().map(|record| record.to_string() + "\n").collect();
    // The one that comes first would stay if both told as much.
    let log = room.write("z.jsonl", lines);
    let whole = athena(&records, lower, vec![]);
    let without = |name: &str| {
        let kept: Vec<usize> = (0..whole.num_columns()).filter(|at| whole.schema().field(*at).name() != name).collect();
        whole.project(&kept).unwrap()
    };
    for (name, table) in [
        ("parameters", without("requestparameters")),
        ("errors", without("errorcode")),
        ("callers", without("useridentity")),
        ("agents", without("useragent")),
        ("ocsf", ocsf(&records, 2, unmapped(&records, &LEFT_OVER), None)),
    ] {
        let path = room.path(&format!("{name}.parquet"));
        write(&path, &table, Compression::SNAPPY, 1_000);
        for paths in [[&path, &log], [&log, &path]] {
            // In two runs, the one before the other.
            let loaded = load(&[paths[0].clone()]);
            let mut dataset = loaded.dataset;
            ingest(&[paths[1].clone()], &Reading::default(), &mut dataset, Catalog::builtin(), &Silent).unwrap();
            let counts = dataset.ledger.counts;
            assert_eq!((counts.events, counts.duplicates, counts.id_conflicts), (5, 5, 0), "{name}");
            assert_equal(name, &Loaded { room: loaded.room, dataset });
        }
    }
}

#[test]
fn a_column_that_is_not_there_is_unknown() {
    let records = records();
    let without = |names: &[&str]| {
        let batch = athena(&records, lower, vec![]);
        let kept: Vec<usize> = (0..batch.num_columns()).filter(|at| !names.contains(&batch.schema().field(*at).name().as_str())).collect();
        rows(&load_table(&batch.project(&kept).unwrap()))
    };
    // Not needed: the rows are those of the log but for it.
    assert!(without(&["useragent"]).iter().all(|row| !row.contains_key("user_agent") && row.contains_key("outcome")));
    // No column for errors proves no success; no column for parameters makes nothing absent.
    assert!(without(&["errorcode"]).iter().all(|row| !row.contains_key("outcome") && row.contains_key("not_replayable")));
    for row in without(&["requestparameters"]) {
        assert_eq!((row["request_context_complete"].as_str(), row["outcome"].is_empty()), ("false", false));
        assert!(!row.contains_key("not_replayable"));
    }
    let resources: Vec<_> = without(&["requestparameters"]).iter().map(|row| row["resource_source"].clone()).collect();
    assert_eq!(resources, ["partial", "partial", "error_message", "record", "partial"]);
    // Nor is a caller without a column for its address somewhere else.
    assert!(without(&["sourceipaddress"]).iter().all(|row| !row.contains_key("source_ip") && !row.contains_key("not_replayable")));
}

#[test]
fn damaged_tables_cost_themselves() {
    let room = Room::new();
    let path = room.path("whole.parquet");
    write(&path, &athena(&records(), lower, vec![]), Compression::SNAPPY, 2);
    let whole = std::fs::read(&path).unwrap();
    let mut files = Vec::<PathBuf>::new();
    // Every length of the end, where the footer is, and some of the rest; a byte changed here and there.
    for length in (0..whole.len()).filter(|length| length % 499 == 0 || whole.len() - length < 20) {
        files.push(room.write(&format!("cut-{length}.parquet"), &whole[..length]));
    }
    for at in (0..whole.len()).step_by(59) {
        for bits in [0x01, 0x80] {
            let mut changed = whole.clone();
            changed[at] ^= bits;
            files.push(room.write(&format!("changed-{at}-{bits}.parquet"), changed));
        }
    }
    files.push(path);
    let loaded = load(&files);
    let counts = loaded.dataset.ledger.counts;
    assert_eq!(counts.records, counts.events + counts.duplicates + counts.skipped);
    assert!(counts.events >= 5 && counts.skipped > 50, "{counts:?}");
    #[cfg(feature = "cli")]
    assert_quiet(&room);
    for skipped in loaded.skipped().iter().filter(|row| row.file.contains("cut-")) {
        assert!(
            ["unreadable_file", "empty_file", "not_cloudtrail", "broken_json", "not_an_object", "truncated"]
                .contains(&skipped.reason.as_str()),
            "{skipped:?}"
        );
    }
}

/// On the command line, too, a damaged file is a warning and no panic.
#[cfg(feature = "cli")]
fn assert_quiet(room: &Room) {
    let mut command = assert_cmd::Command::cargo_bin("retrial").unwrap();
    let output = command.arg("ingest").arg(room.path("")).arg("-o").arg(room.path("events")).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.contains("damaged Parquet") && !stderr.contains("panicked"), "{stderr}");
}
