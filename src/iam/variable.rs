//! Policy variables: `${key}`, `${key, 'default'}`, `${*}`, `${?}`, `${$}` (IAM user guide, policy variables).
//!
//! Only documents of version 2012-10-17 have them. Text that is not a well-formed variable stays literal.

/// A text with variables, split.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template {
    /// The parts in order.
    pub parts: Vec<Part>,
}

/// One part of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    /// Text as written; wildcards in it are wildcards where the place has them.
    Text(String),
    /// A character that is always literal: `${*}`, `${?}`, `${$}`.
    Literal(char),
    /// The value of a context key.
    Variable {
        /// The key in lower case.
        key: String,
        /// The value to take where the key has none.
        default: Option<String>,
    },
}

impl Template {
    /// Splits `text`.
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            literal.push_str(before);
            match variable(from) {
                Some((part, after)) => {
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(part);
                    rest = after;
                }
                None => {
                    literal.push_str("${");
                    rest = from.get(2..).unwrap_or("");
                }
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Text(literal));
        }
        Self { parts }
    }

    /// A text without variables.
    pub fn literal(text: &str) -> Self {
        Self { parts: vec![Part::Text(text.to_owned())] }
    }

    /// The keys that it reads.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable { key, .. } => Some(key.as_str()),
            _ => None,
        })
    }

    /// Whether some part is a variable.
    pub fn has_variables(&self) -> bool {
        self.keys().next().is_some()
    }
}

/// Reads one variable at the start of `text`, which begins with `${`.
fn variable(text: &str) -> Option<(Part, &str)> {
    let inner = text.get(2..)?;
    let (body, rest) = inner.split_once('}')?;
    let mut characters = body.chars();
    if let (Some(first @ ('*' | '?' | '$')), None) = (characters.next(), characters.next()) {
        return Some((Part::Literal(first), rest));
    }
    let (key, default) = match body.split_once(',') {
        Some((key, default)) => {
            let default = default.trim_start().strip_prefix('\'')?.strip_suffix('\'')?;
            (key, Some(default.to_owned()))
        }
        None => (body, None),
    };
    let tag = key.contains('/');
    let valid = !key.is_empty() && !key.contains(['$', '{']) && (tag || !key.contains(char::is_whitespace));
    valid.then(|| (Part::Variable { key: key.to_lowercase(), default }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_defaults_and_escapes_are_told_apart() {
        let parts = Template::parse("a-${aws:username}-${aws:PrincipalTag/team, 'all'}${*}").parts;
        assert_eq!(
            parts,
            [
                Part::Text("a-".into()),
                Part::Variable { key: "aws:username".into(), default: None },
                Part::Text("-".into()),
                Part::Variable { key: "aws:principaltag/team".into(), default: Some("all".into()) },
                Part::Literal('*'),
            ]
        );
    }

    #[test]
    fn what_is_not_well_formed_stays_text() {
        for text in ["${", "${}", "${aws:username", "${a b}", "$${"] {
            assert_eq!(Template::parse(text).parts, [Part::Text(text.into())], "{text}");
        }
    }
}
