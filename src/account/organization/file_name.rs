//! The names of files that hold an output of the AWS CLI.
//!
//! The parts of a name are separated by dots, and one of them is the id that was asked for:
//! `list-accounts-for-parent.ou-ab12-34567890.json`. Of a list of policies another part is their type,
//! `list-policies-for-target.r-ab12.service_control_policy.json`; only an empty list needs it.

use std::path::Path;

use crate::error::{Error, Result};
use crate::iam::arn::is_account_id;

/// The file's name without its ending, in lower case.
pub(super) fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// The parts of a file's name, in lower case.
pub(super) fn parts(file: &Path) -> impl Iterator<Item = String> {
    let stem = stem(file);
    stem.split('.').map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// The root, organizational unit or account that a file's name names.
pub(super) fn target(file: &Path) -> Option<String> {
    parts(file).find(|part| is_target(part))
}

fn is_target(text: &str) -> bool {
    let plain = |text: &str| text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_unit = |rest: &str| rest.split_once('-').is_some_and(|(root, unit)| plain(root) && plain(unit));
    text.strip_prefix("ou-").is_some_and(is_unit) || text.strip_prefix("r-").is_some_and(plain) || is_account_id(text)
}

/// The same, or how to name the file: what `of` is to the command.
pub(super) fn target_or(file: &Path, command: &str, of: &str) -> Result<String> {
    target(file).ok_or_else(|| {
        let why = format!(
            "the list does not say of what it is, so the file's name has to: name it `{command}.{of}.json`, {of} being the id \
             that was asked for, such as `r-ab12`, `ou-ab12-34567890` or `111122223333`"
        );
        Error::format(file, why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stands_in_some_part_of_the_name() {
        for (name, id) in [
            ("list-accounts-for-parent.ou-ab12-34567890.json", Some("ou-ab12-34567890")),
            ("list-policies-for-target.r-ab12.service_control_policy.json", Some("r-ab12")),
            ("list-policies-for-target.service_control_policy.111122223333.json", Some("111122223333")),
            ("list-accounts-for-parent.json", None),
            ("list-accounts-for-parent.ou-mail.json", None),
        ] {
            assert_eq!(target(Path::new(name)).as_deref(), id, "{name}");
        }
    }
}
