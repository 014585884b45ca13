//! Addresses of Terraform: `module.mail["eu"].aws_iam_policy.admins[0].arn`.

/// What stands between two dots of an address: a name, and the key in brackets after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// The name.
    pub(super) name: &'a str,
    /// `[0]` or `["eu"]`; empty if there is none.
    pub(super) key: &'a str,
}

/// The parts of an address. Dots inside brackets do not divide.
pub(super) fn parts(address: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut start, mut depth, mut quoted, mut escaped) = (0, 0_usize, false, false);
    for (at, c) in address.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if depth > 0 => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.saturating_sub(1),
            '.' if depth == 0 => {
                parts.push(part(address.get(start..at).unwrap_or_default()));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(part(address.get(start..).unwrap_or_default()));
    parts
}

fn part(text: &str) -> Part<'_> {
    let (name, key) = text.find('[').and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""));
    Part { name, key }
}

/// The address in the configuration: without the keys of `count` and `for_each`.
pub(super) fn plain(address: &str) -> String {
    let names: Vec<&str> = parts(address).iter().map(|part| part.name).collect();
    names.join(".")
}

/// The key of the last part: that of a resource instance or a module instance.
pub(super) fn key(address: &str) -> &str {
    parts(address).last().map_or("", |part| part.key)
}

/// An address inside a module; the root module is empty.
pub(super) fn within(module: &str, address: &str) -> String {
    if module.is_empty() { address.to_owned() } else { format!("{module}.{address}") }
}

/// The module that a module stands in, or `None` for the root module.
pub(super) fn parent(module: &str) -> Option<&str> {
    let parts = parts(module);
    let own: usize = parts.iter().rev().take(2).map(|part| part.name.len() + part.key.len() + 1).sum();
    if parts.len() < 2 { None } else { module.get(..module.len().saturating_sub(own)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_brackets_in_keys_do_not_divide() {
        let address = r#"module.mail["eu.west\"[1]"].aws_iam_policy.admins[0].arn"#;
        let names: Vec<&str> = parts(address).iter().map(|part| part.name).collect();
        assert_eq!(names, ["module", "mail", "aws_iam_policy", "admins", "arn"]);
        assert_eq!(parts(address)[1].key, r#"["eu.west\"[1]"]"#);
        assert_eq!(plain(address), "module.mail.aws_iam_policy.admins.arn");
        assert_eq!(key("aws_iam_policy.admins[0]"), "[0]");
    }

    #[test]
    fn a_module_knows_what_it_stands_in() {
        assert_eq!(parent(r#"module.a["x.y"].module.b[0]"#), Some(r#"module.a["x.y"]"#));
        assert_eq!(parent("module.a"), Some(""));
        assert_eq!(parent(""), None);
        assert_eq!((within("", "a.b").as_str(), within("module.m", "a.b").as_str()), ("a.b", "module.m.a.b"));
    }
}
