//! Mutates JSON as JSON: values move, go, come twice or are taken from the documented cases, so that what comes out is
//! mostly read to its end. Every other time, and for what is no JSON, libFuzzer mutates bytes.

use std::sync::LazyLock;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

/// Pieces of text that mean something in a policy.
const PIECES: [&str; 40] = [
    "*",
    "?",
    ":",
    "/",
    "<?>",
    "${aws:username}",
    "${*}",
    "${",
    "}",
    "${aws:PrincipalTag/team, 'all'}",
    "arn:aws:s3:::b/k",
    "arn:aws:workmail:us-east-1:111122223333:organization/m-1",
    "arn:",
    "workmail:*",
    "s3:GetObject",
    "kms:",
    "sts:AssumeRole",
    "ForAnyValue:",
    "ForAllValues:",
    "IfExists",
    "StringLike",
    "StringNotLike",
    "StringEqualsIgnoreCase",
    "NumericLessThan",
    "DateGreaterThan",
    "Bool",
    "IpAddress",
    "NotIpAddress",
    "ArnLike",
    "Null",
    "BinaryEquals",
    "10.0.0.0/8",
    "::/0",
    "2026-01-01T00:00:00Z",
    "1e3",
    "-0",
    "true",
    "aws:SourceIp",
    "aws:PrincipalTag/a",
    "2012-10-17",
];

/// Every value of the documented cases, with the name of its member.
static DONORS: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
    let decisions = include_str!("../../tests/cases/decisions.jsonl");
    let partial = include_str!("../../tests/cases/partial-context.jsonl");
    let mut donors = Vec::new();
    for line in decisions.lines().step_by(2).chain(partial.lines().step_by(3)) {
        collect("", &serde_json::from_str(line).unwrap_or_default(), &mut donors);
    }
    donors
});

fn collect(name: &str, value: &Value, into: &mut Vec<(String, Value)>) {
    into.push((name.to_owned(), value.clone()));
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| collect(name, value, into)),
        Value::Array(list) => list.iter().for_each(|value| collect(name, value, into)),
        _ => {}
    }
}

pub(crate) fn json(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = SmallRng::seed_from_u64(seed.into());
    let parsed = data.get(..size).and_then(|data| serde_json::from_slice::<Value>(data).ok());
    let Some(mut value) = parsed.filter(|_| random.random_bool(0.6)) else {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    };
    for _ in 0..random.random_range(1..4) {
        change(&mut value, &mut random);
    }
    let text = value.to_string();
    match data.get_mut(..text.len()).filter(|room| room.len() <= max_size) {
        Some(room) => {
            room.copy_from_slice(text.as_bytes());
            text.len()
        }
        None => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
}

fn change(root: &mut Value, random: &mut SmallRng) {
    let mut places = Vec::new();
    pointers(root, String::new(), &mut places);
    let (Some(at), Some(other)) = (places.choose(random), places.choose(random)) else { return };
    let elsewhere = root.pointer(other).cloned().unwrap_or_default();
    let name = at.rsplit('/').find(|part| part.parse::<usize>().is_err()).unwrap_or_default().to_owned();
    let Some(value) = root.pointer_mut(at) else { return };
    match random.random_range(0..10) {
        0 | 1 => {
            let same: Vec<_> = DONORS.iter().filter(|(donor, _)| *donor == name).collect();
            if let Some((_, donor)) = same.choose(random) {
                *value = donor.clone();
            }
        }
        2 => *value = elsewhere,
        3 => {
            *value = [json!(null), json!(true), json!(0), json!(-1.5), json!(""), json!([]), json!({})]
                .choose(random)
                .cloned()
                .unwrap_or_default()
        }
        4 => *value = json!([value.clone(), elsewhere]),
        _ => match value {
            Value::String(text) => edit(text, random),
            Value::Array(list) => {
                let index = random.random_range(0..=list.len());
                if random.random_bool(0.5) && index < list.len() {
                    list.remove(index);
                } else {
                    let new = list.choose(random).cloned().unwrap_or(elsewhere);
                    list.insert(index, new);
                }
            }
            Value::Object(members) => {
                let keys: Vec<String> = members.keys().cloned().collect();
                let removed = keys.choose(random).and_then(|key| members.remove(key).map(|value| (key.clone(), value)));
                let donor = DONORS.choose(random);
                match (removed, donor, random.random_range(0..3)) {
                    (Some((mut key, value)), _, 0) => {
                        edit(&mut key, random);
                        members.insert(key, value);
                    }
                    (Some((key, value)), Some((name, donor)), 1) => {
                        members.insert(key, value);
                        members.insert(name.clone(), donor.clone());
                    }
                    _ => {}
                }
            }
            scalar => *scalar = json!(scalar.to_string()),
        },
    }
}

fn edit(text: &mut String, random: &mut SmallRng) {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut place = || places.choose(random).copied().unwrap_or_default();
    let (a, b) = (place(), place());
    let piece = PIECES.choose(random).copied().unwrap_or_default();
    match random.random_range(0..5) {
        0 => text.insert_str(a, piece),
        1 => text.replace_range(a.min(b)..a.max(b), piece),
        2 => text.replace_range(a.min(b)..a.max(b), ""),
        3 => piece.clone_into(text),
        _ => *text = if random.random_bool(0.5) { text.to_uppercase() } else { text.to_lowercase() },
    }
}

fn pointers(value: &Value, at: String, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, inner) in members {
                pointers(inner, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), into);
            }
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(index, inner)| pointers(inner, format!("{at}/{index}"), into)),
        _ => {}
    }
    into.push(at);
}
