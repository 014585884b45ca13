//! Tags of resources, as they were when.

use std::collections::{BTreeMap, BTreeSet};

use super::aspect::Value;
use super::call::{Call, TAGGING, member, tags, text, texts};
use super::moments::moments;
use super::resolve::{Fact, Segments, When, resolve};
use super::snapshots::Taken;
use crate::account::side_data::{SideData, Tags};

/// The tags of the resources that were tagged in the log.
#[derive(Debug, Default)]
pub struct ResourceTags {
    /// By ARN.
    of: BTreeMap<String, Tagged>,
}

/// A resource.
#[derive(Debug)]
struct Tagged {
    /// When the moments begin, in microseconds since 1970, and what is known in each.
    moments: Vec<(i64, BTreeMap<String, Value>)>,
    /// Before and after nothing is known: a call does not tell which tags it sets.
    known: (i64, i64),
    /// Tags that never changed; `None` if it is not known which there are.
    others: Option<Tags>,
}

impl ResourceTags {
    /// The tags, from what side data says and calls changed. Within `window` microseconds of a change it is not known whether
    /// it was there yet.
    pub fn new(side_data: &SideData, calls: &[Call], window: i64) -> Self {
        let mut facts: BTreeMap<String, BTreeMap<String, Vec<Fact>>> = BTreeMap::new();
        // Calls that do not tell what they set, by resource; those that do not tell the resource either may be of each.
        let (mut of_any, mut hidden): (Vec<i64>, BTreeMap<String, Vec<i64>>) = Default::default();
        for call in calls.iter().filter(|call| TAGGING.contains(&call.name.as_str())) {
            let Some(arn) = text(&call.request, "resourceARN") else {
                of_any.push(call.time);
                continue;
            };
            let of_resource = facts.entry(arn.to_owned()).or_default();
            let told = match call.name.as_str() {
                "TagResource" => {
                    let tags = tags(member(&call.request, "tags"));
                    tags.map(|tags| tags.into_iter().map(|(key, value)| (key, Value::Text(value))).collect::<Vec<_>>())
                }
                _ => texts(member(&call.request, "tagKeys")).map(|keys| keys.into_iter().map(|key| (key, Value::Absent)).collect()),
            };
            let Some(told) = told else {
                hidden.entry(arn.to_owned()).or_default().push(call.time);
                continue;
            };
            for (key, value) in told {
                of_resource.entry(key).or_default().push(Fact { when: When::Call(call.time, None), value });
            }
        }
        if !of_any.is_empty() {
            side_data.resources.keys().for_each(|arn| {
                facts.entry(arn.clone()).or_default();
            });
        }
        let one = |(arn, facts): (String, BTreeMap<String, Vec<Fact>>)| {
            let known = side_data.resource_tags(&arn);
            let taken = side_data.tagged_at.get(&arn).map_or(Taken::NEWEST, |time| Taken::at(*time));
            let hidden: Vec<i64> = hidden.get(&arn).into_iter().flatten().chain(&of_any).copied().collect();
            let mut tagged = Tagged::new(facts, known, taken, window);
            tagged.known = known_between(&hidden, known.map(|_| taken), window);
            (arn, tagged)
        };
        Self { of: facts.into_iter().map(one).collect() }
    }

    /// Whether no resource was tagged.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Whether a resource was tagged.
    pub fn has(&self, arn: &str) -> bool {
        self.of.contains_key(arn)
    }

    /// The number of the moment at which a resource is looked at; equal numbers of a resource mean equal tags.
    pub fn moment(&self, arn: &str, time: i64) -> u32 {
        let Some(tagged) = self.of.get(arn) else { return 0 };
        if time < tagged.known.0 || time > tagged.known.1 {
            return u32::MAX;
        }
        u32::try_from(tagged.moments.partition_point(|(from, _)| *from <= time)).unwrap_or_default()
    }

    /// The value of a tag of a resource that was tagged, its name in lower case: `Some(Unknown)` where that is not known,
    /// `None` for a resource that was not tagged in the log.
    pub fn tag(&self, arn: &str, name: &str, time: i64) -> Option<Value> {
        let tagged = self.of.get(arn)?;
        if time < tagged.known.0 || time > tagged.known.1 {
            return Some(Value::Unknown);
        }
        let at = tagged.moments.partition_point(|(from, _)| *from <= time);
        let (_, known) = tagged.moments.get(at.saturating_sub(1))?;
        let changing = known.iter().filter(|(key, _)| key.to_lowercase() == name).map(|(_, value)| value.clone());
        let others = tagged.others.iter().flatten().filter(|(key, _)| key.to_lowercase() == name);
        let all: Vec<Value> = changing.chain(others.map(|(_, value)| Value::Text(value.clone()))).collect();
        let there: Vec<&Value> = all.iter().filter(|value| **value != Value::Absent).collect();
        Some(match (there.as_slice(), all.is_empty()) {
            // Tags whose names differ by letter case only make one key; which of them counts is not known.
            ([_, _, ..], _) => Value::Unknown,
            ([one], _) => (*one).clone(),
            ([], true) if tagged.others.is_none() => Value::Unknown,
            ([], _) => Value::Absent,
        })
    }
}

/// Between which times tags are known: on that side of the calls which do not tell what they set on which side data tells it.
fn known_between(hidden: &[i64], taken: Option<Taken>, window: i64) -> (i64, i64) {
    let (Some(first), Some(last)) = (hidden.iter().min(), hidden.iter().max()) else { return (i64::MIN, i64::MAX) };
    match taken {
        Some(taken) if taken.from >= *last => (last.saturating_add(window), i64::MAX),
        Some(taken) if taken.to <= *first => (i64::MIN, first.saturating_sub(window)),
        _ => (i64::MAX, i64::MIN),
    }
}

impl Tagged {
    fn new(facts: BTreeMap<String, Vec<Fact>>, known: Option<&Tags>, taken: Taken, window: i64) -> Self {
        let of_key = |(key, mut facts): (String, Vec<Fact>)| {
            if let Some(known) = known {
                let value = known.get(&key).map_or(Value::Absent, |value| Value::Text(value.clone()));
                facts.push(Fact { when: When::Snapshot(taken), value });
            }
            (key, resolve(&facts))
        };
        let segments: BTreeMap<String, Segments> = facts.into_iter().map(of_key).collect();
        let times: BTreeSet<i64> = segments.values().flat_map(|segments| segments.iter().skip(1).map(|(time, _)| *time)).collect();
        let value_in = |segments: &Segments, from: i64, to: i64| {
            let begun = segments.partition_point(|(time, _)| *time <= from).saturating_sub(1);
            let ended = segments.partition_point(|(time, _)| *time <= to);
            match segments.get(begun..ended) {
                Some([(_, only)]) => only.clone(),
                _ => Value::Unknown,
            }
        };
        let known_in = |from: i64, to: i64| segments.iter().map(|(key, of_key)| (key.clone(), value_in(of_key, from, to))).collect();
        let moments = moments(&times, window).into_iter().map(|moment| (moment.from, known_in(moment.earliest, moment.latest))).collect();
        let others =
            known.map(|known| known.iter().filter(|(key, _)| !segments.contains_key(*key)).map(|(k, v)| (k.clone(), v.clone())).collect());
        Self { moments, others, known: (i64::MIN, i64::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MAIL: &str = "arn:aws:workmail:eu-west-1:111122223333:organization/m-1";

    fn call(time: i64, name: &str, request: serde_json::Value) -> Call {
        let source = "workmail.amazonaws.com".to_owned();
        Call { time, account: String::new(), source, name: name.to_owned(), request, response: json!(null) }
    }

    #[test]
    fn tags_are_followed_forwards_and_backwards() {
        let mut side_data = SideData { tagged_at: [(MAIL.to_owned(), 500)].into(), ..SideData::default() };
        let tags = [("stage", "production"), ("team", "mail")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        side_data.resources.insert(MAIL.to_owned(), tags.into_iter().collect());
        let calls = [
            call(100, "TagResource", json!({"resourceARN": MAIL, "tags": [{"key": "stage", "value": "production"}]})),
            call(900, "UntagResource", json!({"resourceARN": MAIL, "tagKeys": ["stage"]})),
        ];
        let all = ResourceTags::new(&side_data, &calls, 10);
        let stage = |time| all.tag(MAIL, "stage", time).unwrap();
        assert_eq!(stage(50), Value::Unknown, "what it was before the call is not told");
        assert_eq!(stage(105), Value::Unknown, "so near to the call either counts");
        assert_eq!(stage(111), Value::Text("production".to_owned()));
        assert_eq!(stage(889), Value::Text("production".to_owned()));
        assert_eq!(stage(911), Value::Absent);
        assert_eq!(all.tag(MAIL, "team", 50), Some(Value::Text("mail".to_owned())));
        assert_eq!(all.tag(MAIL, "other", 50), Some(Value::Absent));
        assert_eq!(all.tag("arn:aws:workmail:eu-west-1:111122223333:organization/m-2", "stage", 50), None);
        assert_ne!(all.moment(MAIL, 50), all.moment(MAIL, 111));
        let hidden = [call(700, "TagResource", json!({"resourceARN": MAIL, "tags": "HIDDEN_DUE_TO_SECURITY_REASONS"}))];
        let open = ResourceTags::new(&side_data, &hidden, 10);
        assert_eq!(open.tag(MAIL, "stage", 600), Some(Value::Text("production".to_owned())));
        assert_eq!(open.tag(MAIL, "stage", 800), Some(Value::Unknown), "what was set is not told");
        let nowhere = ResourceTags::new(&side_data, &[call(700, "TagResource", json!(null))], 10);
        assert_eq!(nowhere.tag(MAIL, "stage", 800), Some(Value::Unknown));
        // Side data that is newer than the call tells what was after it, and not what was before.
        side_data.tagged_at.insert(MAIL.to_owned(), 900);
        let newer = ResourceTags::new(&side_data, &hidden, 10);
        assert_eq!((newer.tag(MAIL, "stage", 600), newer.tag(MAIL, "other", 600)), (Some(Value::Unknown), Some(Value::Unknown)));
        assert_eq!(newer.tag(MAIL, "stage", 800), Some(Value::Text("production".to_owned())));
        let without = ResourceTags::new(&SideData::default(), &calls, 10);
        assert_eq!(without.tag(MAIL, "stage", 500), Some(Value::Text("production".to_owned())));
        assert_eq!(without.tag(MAIL, "team", 500), Some(Value::Unknown));
    }
}
