//! Condition keys that no request has.

use super::Linter;
use super::walk::ConditionView;
use super::warnings::nearest;
use crate::catalog::Catalog;

const ABSENT: &str = "a key that no request has makes most operators fail";

/// A key's name without its prefix, and of a family without what stands for the tag.
fn stem(key: &str) -> &str {
    let name = key.split_once(':').map_or(key, |(_, name)| name);
    let family = name.split_once("${").map_or(name, |(family, _)| family);
    family.trim_end_matches(['/', ':'])
}

/// Whether a documented key is a family, with one key for each tag.
fn is_family(key: &str) -> bool {
    key.ends_with('/') || key.contains("${")
}

/// Whether `known`, a documented key of a service, is `key`, which is in lower case.
fn is(known: &str, key: &str) -> bool {
    let known = known.to_lowercase();
    known.split_once("${").map_or(known == key, |(family, _)| key.len() > family.len() && key.starts_with(family))
}

/// The nearest of the documented keys, with the tag of the written one.
fn proposal(written: &str, known: &[&str]) -> Option<String> {
    let name = written.split_once(':').map_or(written, |(_, name)| name);
    let (family, tag) = name.split_once('/').map_or((name, None), |(family, tag)| (family, Some(tag)));
    let near = nearest(family, known.iter().map(|key| stem(key)))?;
    let key = known.iter().find(|key| stem(key) == near)?;
    let whole = key.split_once("${").map_or(*key, |(family, _)| family);
    Some(if is_family(key) { format!("did you mean `{whole}{}`?", tag.unwrap_or("TAG")) } else { format!("did you mean `{whole}`?") })
}

impl<'a> Linter<'_, 'a> {
    /// A global key that AWS does not document, a key of a service that has none of that name, a key of nothing.
    pub(super) fn unknown_key(&mut self, condition: &ConditionView<'a>) {
        let (catalog, written) = (Catalog::builtin(), &condition.written_key);
        let global = || {
            let mut keys: Vec<&str> = catalog.keys().map(|key| key.key.as_str()).collect();
            keys.sort_unstable();
            keys
        };
        let (message, known) = match condition.key.split_once(':') {
            None => (format!("the key `{written}` has neither `aws:` nor a service before it: no request has it"), global()),
            Some(("aws", _)) if catalog.key(&condition.key).is_some() => return,
            Some(("aws", _)) => (format!("the key `{written}` is not among the global keys that AWS documents"), global()),
            Some((prefix, _)) => {
                let Some(service) = catalog.service(prefix).filter(|service| service.complete) else { return };
                let keys: Vec<&str> = service.own_keys().into_iter().collect();
                if keys.iter().any(|known| is(known, &condition.key)) {
                    return;
                }
                (format!("{} has no key `{written}`", service.name), keys)
            }
        };
        let help = proposal(written, &known);
        self.warning("unknown-key", &condition.node, message, Some(help.as_deref().unwrap_or(ABSENT)));
    }
}
