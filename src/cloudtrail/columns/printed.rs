//! What programs print for structs, lists and dictionaries in one cell.

use serde_json::{Map, Value};

use super::names::canonical;

/// How deep a printed value may be nested.
const DEPTH: usize = 8;

/// The longest printed value that is taken apart, in bytes; identities have a few hundred.
const LONGEST: usize = 65_536;

/// What queries print for structs and lists: `{key=value, key={...}}`, `[{...}, {...}]`, with members that are null. `None`
/// if it does not read, or has a key twice: then a value hides it.
pub(super) fn printed(text: &str) -> Option<Value> {
    let mut rest = Some(text).filter(|text| text.len() <= LONGEST)?;
    let value = printed_value(&mut rest, DEPTH)?;
    rest.is_empty().then_some(value)
}

fn printed_value(rest: &mut &str, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    if let Some(inner) = rest.strip_prefix('{') {
        *rest = inner;
        let mut members = Map::new();
        while !ends(rest, '}')? {
            let (key, after) = rest.split_once('=').filter(|(key, _)| !key.contains([',', '{', '}', '[', ']']))?;
            *rest = after;
            let value = printed_value(rest, depth)?;
            if members.insert(canonical(key), value).is_some() {
                return None;
            }
        }
        return Some(Value::Object(members));
    }
    if let Some(inner) = rest.strip_prefix('[') {
        *rest = inner;
        let mut items = Vec::new();
        while !ends(rest, ']')? {
            let before = rest.len();
            items.push(printed_value(rest, depth)?);
            (rest.len() < before).then_some(())?;
        }
        return Some(Value::Array(items));
    }
    let end = [rest.find(", "), rest.find(['}', ']'])].into_iter().flatten().min()?;
    let (scalar, after) = rest.split_at_checked(end)?;
    *rest = after;
    Some(if scalar == "null" { Value::Null } else { Value::String(scalar.to_owned()) })
}

/// Whether the struct or list ends here; passes over its end, or over the comma before its next part.
fn ends(rest: &mut &str, end: char) -> Option<bool> {
    if let Some(after) = rest.strip_prefix(end) {
        *rest = after;
        return Some(true);
    }
    *rest = rest.strip_prefix(", ").unwrap_or(rest);
    (!rest.is_empty()).then_some(false)
}

/// What Python prints for dictionaries and lists: `{'key': 'value', 'other': True, 'third': None}`; times are nothing.
pub fn python(text: &str) -> Option<Value> {
    let mut json = String::with_capacity(text.len());
    let mut rest = text;
    // Of texts that follow each other at once, as long ones are printed, one is made.
    let mut begun: Option<String> = None;
    while let Some(at) = rest.find(['\'', '"']) {
        let (words, quoted) = rest.split_at_checked(at)?;
        let (string, after) = python_text(quoted)?;
        match &mut begun {
            Some(begun) if words.trim().is_empty() => begun.push_str(&string),
            _ => {
                json.extend(begun.replace(string).map(|begun| Value::String(begun).to_string()));
                json.push_str(&python_words(words)?);
            }
        }
        rest = after;
    }
    json.extend(begun.map(|begun| Value::String(begun).to_string()));
    json.push_str(&python_words(rest)?);
    serde_json::from_str(&json).ok()
}

/// What stands outside of quotes, as JSON has it.
fn python_words(words: &str) -> Option<String> {
    const TIME: &str = "datetime.datetime(";
    let mut words = words.replace("True", "true").replace("False", "false").replace("None", "null");
    words = words.replace("nan", "null");
    while let Some((before, after)) = words.split_once(TIME) {
        let mut open = 1_usize;
        let end = after.bytes().position(|byte| {
            open = match byte {
                b'(' => open + 1,
                b')' => open - 1,
                _ => open,
            };
            open == 0
        })?;
        words = format!("{before}null{}", after.get(end + 1..)?);
    }
    Some(words)
}

/// A text in the quotes that it begins with, and what follows it.
fn python_text(quoted: &str) -> Option<(String, &str)> {
    let mut chars = quoted.chars();
    let quote = chars.next()?;
    let mut text = String::new();
    loop {
        match chars.next()? {
            end if end == quote => return Some((text, chars.as_str())),
            '\\' => match chars.next()? {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                kind @ ('x' | 'u' | 'U') => {
                    let digits = match kind {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    };
                    let (number, after) = chars.as_str().split_at_checked(digits)?;
                    text.push(char::from_u32(u32::from_str_radix(number, 16).ok()?).unwrap_or(char::REPLACEMENT_CHARACTER));
                    chars = after.chars();
                }
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn printed_structs_read_or_are_refused() {
        for (text, value) in [
            ("{}", json!({})),
            ("[]", json!([])),
            ("{type=Root, arn=null}", json!({"type": "Root", "arn": null})),
            (
                "{sessioncontext={attributes={mfaauthenticated=false}, sessionissuer=null}, invokedby=x=y}",
                json!({"sessionContext": {"attributes": {"mfaAuthenticated": "false"}, "sessionIssuer": null}, "invokedBy": "x=y"}),
            ),
            ("[{arn=a, accountid=1}, {arn=b}]", json!([{"arn": "a", "accountId": "1"}, {"arn": "b"}])),
        ] {
            assert_eq!(printed(text), Some(value), "{text}");
        }
        for text in ["{", "{a", "{a=", "{a=1", "{a=1}}", "{a=1, a=2}", "{a=x, y, b=1}", "[", "[}", "{a=[}}", "x"] {
            assert_eq!(printed(text), None, "{text}");
        }
    }

    #[test]
    fn dictionaries_as_python_prints_them_read() {
        for (text, value) in [
            ("{}", json!({})),
            (
                "{'a': 'True', 'b': True, 'c': [None, False, nan], 'd': 1.5}",
                json!({"a": "True", "b": true, "c": [null, false, null], "d": 1.5}),
            ),
            (r#"{'a': "it's", 'b': '"x"', 'c': 'it\'s "x"\n'}"#, json!({"a": "it's", "b": "\"x\"", "c": "it's \"x\"\n"})),
            ("{'a': datetime.datetime(2026, 1, 1, tzinfo=tzlocal()), 'b': 'x '\n 'y'}", json!({"a": null, "b": "x y"})),
            (r"{'a': 'C:\\x\x1b\u200b\U0001f600'}", json!({"a": "C:\\x\u{1b}\u{200b}\u{1f600}"})),
        ] {
            assert_eq!(python(text), Some(value), "{text}");
        }
        for text in ["{", "{'a", r"{'a': '\x1'}", "{'a': b}", "{a: 'b'}", "{'a': datetime.datetime(2026, 1, 1"] {
            assert_eq!(python(text), None, "{text}");
        }
    }
}
