//! What the fuzz targets of `fuzz/` check of one input, as code that the stable tests run as well. An input that the
//! check does not read (not UTF-8) passes.

pub(crate) mod container;
pub(crate) mod glob;
pub(crate) mod policy_document;
pub(crate) mod resource;
pub(crate) mod simulate;

/// Whether each `${` begins a variable whose name has only characters that context keys have, with or without a default.
/// What else stands between braces is text to one reader and a key that no request has to another.
fn plain_variables(text: &str) -> bool {
    text.split("${").skip(1).all(|from| {
        let Some((body, _)) = from.split_once('}') else { return false };
        let (key, default) = body.split_once(", '").map_or((body, "'"), |(key, default)| (key, default));
        let name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || ":/_-.=+@".contains(c));
        ["*", "?", "$"].contains(&body) || !key.is_empty() && name(key) && default.strip_suffix('\'').is_some_and(name)
    })
}
