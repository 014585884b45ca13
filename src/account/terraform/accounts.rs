//! Which account a resource of a plan is in. A plan does not say so: ARNs do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::change::ResourceChange;
use super::configuration::Configuration;
use super::plan::Entry;
use crate::account::deployment::Account;
use crate::error::{Error, Result};
use crate::iam::arn::{Arn, is_account_id};

/// How sure a sign is; the surer ones stand first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sure {
    /// A resource of IAM has an ARN of this account.
    Own,
    /// The data source `aws_caller_identity` says so.
    Caller,
    /// A resource of another service has one: some show the ARN of what they belong to.
    Other,
    /// An IAM resource refers to a policy of this account.
    Policy,
    /// The provider assumes a role of this account, or allows no other.
    Provider,
}

/// What a plan tells of accounts, as it is read.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Address, name of the provider, how sure, account.
    signs: Vec<(String, String, Sure, Account)>,
    /// Accounts of any ARN in what was there before.
    mentioned: BTreeSet<Account>,
}

impl Evidence {
    /// Takes what a resource change shows of the time before.
    pub(super) fn add(&mut self, entry: &Entry) {
        let is_data = entry.mode.as_deref() == Some("data");
        let provider = entry.provider_name.as_deref().unwrap_or_default();
        self.add_values(&entry.address, provider, &entry.kind, is_data, &entry.change.before);
    }

    /// Takes the policies that an IAM resource names.
    pub(super) fn add_policies(&mut self, change: &ResourceChange) {
        for account in change.arns().filter(|arn| arn.contains(":policy/")).filter_map(Account::of_arn) {
            self.signs.push((change.address.clone(), change.provider.clone(), Sure::Policy, account));
        }
    }

    /// Takes the state that the plan was made on.
    pub(super) fn add_state(&mut self, state: &Value) {
        let mut modules: Vec<&Value> = state.pointer("/values/root_module").into_iter().collect();
        while let Some(module) = modules.pop() {
            modules.extend(list(module, "child_modules"));
            for resource in list(module, "resources") {
                let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
                let values = resource.get("values").unwrap_or(&Value::Null);
                self.add_values(text("address"), text("provider_name"), text("type"), text("mode") == "data", values);
            }
        }
    }

    fn add_values(&mut self, address: &str, provider: &str, kind: &str, is_data: bool, values: &Value) {
        if !kind.starts_with("aws_") {
            return;
        }
        mentions(values, &mut self.mentioned);
        let text = |name: &str| values.get(name).and_then(Value::as_str);
        let (sure, account) = if kind == "aws_caller_identity" {
            let partition = text("arn").and_then(Arn::parse).map_or("aws", |arn| arn.partition);
            (Sure::Caller, text("account_id").filter(|id| is_account_id(id)).map(|id| Account::new(partition, id)))
        } else if is_data && !kind.starts_with("aws_iam_") {
            // Data sources also look at what other accounts share.
            return;
        } else {
            let arn = text("arn").filter(|arn| tells(arn) && kind != "aws_sns_topic_subscription");
            let is_iam = arn.and_then(Arn::parse).is_some_and(|arn| arn.service == "iam");
            (if is_iam { Sure::Own } else { Sure::Other }, arn.and_then(Account::of_arn))
        };
        self.signs.extend(account.map(|account| (address.to_owned(), provider.to_owned(), sure, account)));
    }
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Whether the account in an ARN is that of who owns it: an organization's ARNs name its management account.
fn tells(arn: &str) -> bool {
    Arn::parse(arn).is_some_and(|arn| !matches!(arn.service, "organizations" | "ram" | "sso"))
}

/// The accounts of all ARNs in a value.
fn mentions(value: &Value, found: &mut BTreeSet<Account>) {
    match value {
        Value::String(text) if tells(text) => found.extend(Account::of_arn(text)),
        Value::Array(elements) => elements.iter().for_each(|element| mentions(element, found)),
        Value::Object(members) => members.values().for_each(|member| mentions(member, found)),
        _ => {}
    }
}

/// Finds the account of a resource.
#[derive(Debug)]
pub(super) struct Accounts<'p> {
    configuration: &'p Configuration,
    path: &'p Path,
    by_provider: BTreeMap<String, BTreeSet<Account>>,
    all: BTreeSet<Account>,
    given: Option<Account>,
    /// Nothing tells the account but the ARNs of other things.
    guessed: bool,
}

impl<'p> Accounts<'p> {
    /// Weighs the evidence; `given` is what the user says of resources of which the plan says nothing.
    pub(super) fn new(evidence: &Evidence, configuration: &'p Configuration, path: &'p Path, given: Option<Account>) -> Self {
        let mut signs: Vec<(Sure, String, Account)> = Vec::new();
        for (address, provider, sure, account) in &evidence.signs {
            signs.push((*sure, configuration.provider(address).unwrap_or(provider).to_owned(), account.clone()));
        }
        for (key, settings) in &configuration.providers {
            signs.extend(provider_account(settings).map(|account| (Sure::Provider, key.clone(), account)));
        }
        signs.sort();
        let mut surest: BTreeMap<String, (Sure, BTreeSet<Account>)> = BTreeMap::new();
        for (sure, provider, account) in signs {
            let (best, accounts) = surest.entry(provider).or_insert_with(|| (sure, BTreeSet::new()));
            if *best == sure {
                accounts.insert(account);
            }
        }
        let by_provider: BTreeMap<String, BTreeSet<Account>> =
            surest.into_iter().map(|(provider, (_, accounts))| (provider, accounts)).collect();
        let mut all: BTreeSet<Account> = by_provider.values().flatten().cloned().collect();
        let guessed = given.is_none() && all.is_empty() && evidence.mentioned.len() == 1;
        if guessed {
            all.clone_from(&evidence.mentioned);
        }
        Self { configuration, path, by_provider, all, given, guessed }
    }

    /// The account of everything, if only ARNs of other things tell it.
    pub(super) fn guessed(&self) -> Option<String> {
        self.all.first().filter(|_| self.guessed).map(|account| account.id.clone())
    }

    /// The account of a resource: of its own ARNs, of its provider, the one that is given, the plan's only one.
    ///
    /// # Errors
    /// [`Error::Format`] if nothing tells, or if several accounts are possible.
    pub(super) fn of(&self, change: &ResourceChange) -> Result<Account> {
        // What the configuration no longer has does not say which of several providers it was of.
        let pooled = || Some(change.provider.as_str()).filter(|_| self.configuration.resources.is_empty());
        let key = self.configuration.provider(&change.address).or_else(pooled);
        let of_provider = key.and_then(|key| self.by_provider.get(key)).filter(|accounts| accounts.len() == 1).and_then(BTreeSet::first);
        let only = if self.all.len() == 1 && self.configuration.has_one_caller() { self.all.first() } else { None };
        let own = change.arns().find_map(Account::of_arn);
        if let Some(account) = own.or_else(|| of_provider.or(self.given.as_ref()).or(only).cloned()) {
            return Ok(account);
        }
        let all: Vec<&str> = self.all.iter().map(|account| account.id.as_str()).collect();
        let next = "name it with --candidate-account NAME=ID";
        Err(Error::format(
            self.path,
            match all.as_slice() {
                [] => format!("the plan does not tell the account of `{}`: {next}", change.address),
                _ => format!("`{}` may be in any of the accounts {}, the plan does not tell which: {next}", change.address, all.join(", ")),
            },
        ))
    }
}

/// The account that the settings of a provider name.
fn provider_account(settings: &Value) -> Option<Account> {
    if settings.get("name").and_then(Value::as_str) != Some("aws") {
        return None;
    }
    let role = settings.pointer("/expressions/assume_role/0/role_arn/constant_value").and_then(Value::as_str).and_then(Account::of_arn);
    let allowed = || match settings.pointer("/expressions/allowed_account_ids/constant_value").and_then(Value::as_array)?.as_slice() {
        [only] => only.as_str().filter(|id| is_account_id(id)).map(|id| Account::new("aws", id)),
        _ => None,
    };
    role.or_else(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(state: &str) -> Evidence {
        let mut evidence = Evidence::default();
        evidence.add_state(&serde_json::from_str(state).unwrap());
        evidence
    }

    fn ids(accounts: &Accounts<'_>) -> Vec<String> {
        accounts.all.iter().map(|account| account.id.clone()).collect()
    }

    #[test]
    fn an_arn_of_its_own_is_surer_than_one_that_is_mentioned() {
        let state = r#"{"values": {"root_module": {"resources": [
            {"address": "aws_sqs_queue.q", "mode": "managed", "type": "aws_sqs_queue", "provider_name": "aws",
             "values": {"arn": "arn:aws:sqs:eu-west-1:111122223333:q", "kms": "arn:aws:kms:eu-west-1:444455556666:key/k"}},
            {"address": "data.aws_kms_key.k", "mode": "data", "type": "aws_kms_key", "provider_name": "aws",
             "values": {"arn": "arn:aws:kms:eu-west-1:444455556666:key/k"}}]}}}"#;
        let configuration = Configuration::default();
        let accounts = Accounts::new(&evidence(state), &configuration, Path::new("plan.json"), None);
        assert_eq!(ids(&accounts), ["111122223333"]);
    }

    #[test]
    fn what_the_caller_is_counts_where_no_resource_has_an_arn() {
        let state = r#"{"values": {"root_module": {"child_modules": [{"resources": [
            {"address": "data.aws_caller_identity.me", "mode": "data", "type": "aws_caller_identity", "provider_name": "aws",
             "values": {"account_id": "111122223333", "arn": "arn:aws-cn:iam::111122223333:user/ci"}}]}]}}}"#;
        let configuration = Configuration::default();
        let accounts = Accounts::new(&evidence(state), &configuration, Path::new("plan.json"), None);
        assert_eq!(accounts.all.first().unwrap().arn("role/x"), "arn:aws-cn:iam::111122223333:role/x");
    }

    #[test]
    fn a_provider_that_assumes_a_role_is_in_its_account() {
        let settings = r#"{"provider_config": {"aws.mail": {"name": "aws", "expressions": {
            "assume_role": [{"role_arn": {"constant_value": "arn:aws:iam::444455556666:role/Deploy"}}]}}}}"#;
        let configuration = Configuration::new(serde_json::from_str(settings).unwrap());
        let accounts = Accounts::new(&Evidence::default(), &configuration, Path::new("plan.json"), None);
        assert_eq!(ids(&accounts), ["444455556666"]);
    }
}
