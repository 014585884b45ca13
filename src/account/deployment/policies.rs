//! Edits of who has which policy.

use std::sync::Arc;

use super::apply::{Run, gone, later, of_account, whole};
use super::edit::{Among, Managed, Target};
use super::{Account, Step};
use crate::account::Policy;
use crate::iam::PolicyDocument;

impl Run<'_> {
    pub(super) fn inline(&mut self, step: &Step, target: &Target, name: &str, document: Option<&PolicyDocument>, update: bool) {
        let (found, called) = self.find(step, target);
        for holder in found {
            let policy = |document: &PolicyDocument| Policy {
                name: format!("{holder}/{name}"),
                file: Some(self.file.to_path_buf()),
                document: document.clone(),
            };
            let policy = document.map(policy).map(Arc::new);
            self.set.set_inline(&holder, name, policy);
        }
        let of = if update { "document of inline policy" } else { "inline policy" };
        self.say(step, format!("{of} {name} of {called}{}", later(document.is_none())));
    }

    pub(super) fn remove_inline(&mut self, step: &Step, target: &Target, name: &str) {
        let (found, called) = self.find(step, target);
        let had = |holder: &String| self.set.inline_names(holder).iter().any(|known| known == name);
        if !found.is_empty() && !found.iter().any(had) {
            self.unresolved(step, format!("the baseline has no inline policy {name} of {called}: is the snapshot older than the plan?"));
        }
        for holder in found {
            self.set.remove_inline(&holder, name);
        }
        self.say(step, format!("inline policy {name} of {called}{}", gone(&step.subject)));
    }

    pub(super) fn only_inline(&mut self, step: &Step, target: &Target, names: &[String], open: bool) {
        let (found, called) = self.find(step, target);
        self.say(step, format!("inline policies of {called}{}", whole(names, open)));
        for holder in found {
            for name in self.set.inline_names(&holder).into_iter().filter(|name| !names.contains(name)) {
                self.set.remove_inline(&holder, &name);
                self.say_if(!open, step, format!("inline policy {name} of {holder} removed"));
            }
            self.rest(step, &holder, open);
        }
    }

    pub(super) fn attach(&mut self, step: &Step, target: &Target, policy: &Managed) {
        let (found, called) = self.find(step, target);
        self.say(step, format!("attaches {} to {called}", policy.shown()));
        for holder in found {
            let arn = policy.arn(&holder);
            self.known(step, Some(&arn));
            self.set.attach_policy(&holder, &arn);
        }
    }

    pub(super) fn detach(&mut self, step: &Step, target: &Target, policy: &Managed) {
        let (found, called) = self.find(step, target);
        let had = |holder: &String| self.set.attached_names(holder).contains(&policy.arn(holder));
        if !found.is_empty() && !found.iter().any(had) {
            let shown = policy.shown();
            self.unresolved(step, format!("the baseline does not have {shown} attached to {called}: is the snapshot older than the plan?"));
        }
        for holder in found {
            self.set.detach_policy(&holder, &policy.arn(&holder));
        }
        self.say(step, format!("detaches {} from {called}", policy.shown()));
    }

    pub(super) fn only_attached(&mut self, step: &Step, target: &Target, policies: &[Managed], among: Among, open: bool) {
        let (found, called) = self.find(step, target);
        let shown: Vec<String> = policies.iter().map(Managed::shown).collect();
        let of = match among {
            Among::All => "",
            Among::Aws => " of AWS",
            Among::Own => " of the account",
        };
        self.say(step, format!("attached policies{of} of {called}{}", whole(&shown, open)));
        for holder in found {
            let keep: Vec<String> = policies.iter().map(|policy| policy.arn(&holder)).collect();
            for arn in self.set.attached_names(&holder).into_iter().filter(|arn| among.has(arn) && !keep.contains(arn)) {
                self.set.detach_policy(&holder, &arn);
                self.say_if(!open, step, format!("detaches {arn} from {holder}"));
            }
            for arn in &keep {
                self.known(step, Some(arn));
                self.set.attach_policy(&holder, arn);
            }
            self.rest(step, &holder, open);
        }
    }

    pub(super) fn only_holders(&mut self, step: &Step, account: &Account, policy: &str, holders: &[Target], open: bool) {
        let (mut keep, mut called) = (Vec::new(), Vec::new());
        for target in holders {
            let (found, name) = self.find(step, target);
            keep.extend(found);
            called.push(name);
        }
        self.known(step, Some(policy));
        self.say(step, format!("attachments of {policy}{}", whole(&called, open)));
        for holder in self.set.attached_to(policy).into_iter().filter(|holder| of_account(holder, account) && !keep.contains(holder)) {
            self.set.detach_policy(&holder, policy);
            self.say_if(!open, step, format!("detaches {policy} from {holder}"));
            self.rest(step, &holder, open);
        }
        for holder in &keep {
            self.set.attach_policy(holder, policy);
        }
    }

    /// What a list that is not wholly known leaves open: a policy without a document.
    pub(super) fn rest(&mut self, step: &Step, holder: &str, open: bool) {
        if open {
            self.set.attach_policy(holder, &format!("<what {} has, known after apply>", step.subject.address));
        }
    }

    /// Notes that the document of a policy is missing.
    pub(super) fn known(&mut self, step: &Step, policy: Option<&str>) {
        if let Some(arn) = policy.filter(|arn| !arn.contains('<') && !self.set.managed.contains_key(*arn)) {
            self.unresolved(step, format!("the baseline has no document of {arn}: what it permits is unknown"));
        }
    }
}
