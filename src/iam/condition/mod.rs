//! Condition operators: 27 bases in eight families, each with its set operator and `IfExists`.
//!
//! [`Test`] is one `(operator, key, values)` entry and answers for concrete values of the key. What happens where the
//! values are not known is the evaluator's business.

pub mod arn;
pub mod binary;
pub mod boolean;
pub mod date;
pub mod ip;
pub mod null;
pub mod numeric;
pub mod string;

use std::cell::OnceCell;
use std::net::IpAddr;

use super::pattern::Pattern;

/// A value of a request. What many conditions read it as is read once.
#[derive(Debug, Clone)]
pub struct Value<'v> {
    text: &'v str,
    address: OnceCell<Option<IpAddr>>,
}

impl<'v> Value<'v> {
    /// A value of these characters.
    pub fn new(text: &'v str) -> Self {
        Self { text, address: OnceCell::new() }
    }

    /// The address that it is.
    fn address(&self) -> Option<&IpAddr> {
        self.address.get_or_init(|| ip::address(self.text)).as_ref()
    }
}

/// A family of operators that look at values in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Text.
    String,
    /// Decimal numbers.
    Numeric,
    /// Instants.
    Date,
    /// `true` or `false`.
    Bool,
    /// Bytes in base64.
    Binary,
    /// Addresses and ranges.
    Ip,
    /// Amazon Resource Names.
    Arn,
    /// Presence.
    Null,
}

/// How numbers and dates compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Equal.
    Equals,
    /// Smaller.
    Less,
    /// Smaller or equal.
    LessEquals,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterEquals,
}

impl Comparison {
    /// Whether `ordering` (request value against policy value) satisfies it.
    pub fn accepts(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equals => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessEquals => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterEquals => ordering.is_ge(),
        }
    }
}

macro_rules! bases {
    ($($name:ident $family:ident $negated:literal;)*) => {
        /// The operator without set operator and `IfExists`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the names are those of the IAM user guide")]
        pub enum Base { $($name),* }

        impl Base {
            /// All of them.
            pub const ALL: [Base; 27] = [$(Base::$name),*];

            /// The canonical spelling.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// The family.
            pub fn family(self) -> Family {
                match self { $(Self::$name => Family::$family),* }
            }

            /// Whether it holds where *no* value matches.
            pub fn negated(self) -> bool {
                match self { $(Self::$name => $negated),* }
            }
        }
    };
}

bases! {
    StringEquals String false;
    StringNotEquals String true;
    StringEqualsIgnoreCase String false;
    StringNotEqualsIgnoreCase String true;
    StringLike String false;
    StringNotLike String true;
    NumericEquals Numeric false;
    NumericNotEquals Numeric true;
    NumericLessThan Numeric false;
    NumericLessThanEquals Numeric false;
    NumericGreaterThan Numeric false;
    NumericGreaterThanEquals Numeric false;
    DateEquals Date false;
    DateNotEquals Date true;
    DateLessThan Date false;
    DateLessThanEquals Date false;
    DateGreaterThan Date false;
    DateGreaterThanEquals Date false;
    Bool Bool false;
    BinaryEquals Binary false;
    IpAddress Ip false;
    NotIpAddress Ip true;
    ArnEquals Arn false;
    ArnNotEquals Arn true;
    ArnLike Arn false;
    ArnNotLike Arn true;
    Null Null false;
}

impl Base {
    fn comparison(self) -> Comparison {
        match self {
            Self::NumericLessThan | Self::DateLessThan => Comparison::Less,
            Self::NumericLessThanEquals | Self::DateLessThanEquals => Comparison::LessEquals,
            Self::NumericGreaterThan | Self::DateGreaterThan => Comparison::Greater,
            Self::NumericGreaterThanEquals | Self::DateGreaterThanEquals => Comparison::GreaterEquals,
            _ => Comparison::Equals,
        }
    }

    /// Whether policy variables are replaced in its values (assumption `A-BOOLVAR` for `Bool`).
    pub fn takes_variables(self) -> bool {
        matches!(self.family(), Family::String | Family::Arn | Family::Bool)
    }

    /// Whether `*` and `?` in its values are wildcards.
    pub fn takes_wildcards(self) -> bool {
        matches!(self, Self::StringLike | Self::StringNotLike) || self.family() == Family::Arn
    }
}

/// `ForAllValues` or `ForAnyValue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SetOperator {
    /// True if every value of the request satisfies it, also if there is none.
    ForAllValues,
    /// True if some value of the request satisfies it.
    ForAnyValue,
}

/// A complete operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Operator {
    /// The set operator, if any.
    pub set: Option<SetOperator>,
    /// The base.
    pub base: Base,
    /// Whether `IfExists` follows.
    pub if_exists: bool,
}

impl Operator {
    /// Reads an operator name; letter case is ignored (assumption `A-OPCASE`).
    pub fn parse(name: &str) -> Option<Self> {
        let (set, rest) = match name.split_once(':') {
            Some((set, rest)) if set.eq_ignore_ascii_case("ForAllValues") => (Some(SetOperator::ForAllValues), rest),
            Some((set, rest)) if set.eq_ignore_ascii_case("ForAnyValue") => (Some(SetOperator::ForAnyValue), rest),
            Some(_) => return None,
            None => (None, name),
        };
        let find = |name: &str| Base::ALL.into_iter().find(|base| base.name().eq_ignore_ascii_case(name));
        if let Some(base) = find(rest) {
            return Some(Self { set, base, if_exists: false });
        }
        let cut = rest.len().checked_sub("IfExists".len())?;
        let (base, suffix) = rest.split_at_checked(cut)?;
        let base = find(base).filter(|base| *base != Base::Null)?;
        suffix.eq_ignore_ascii_case("IfExists").then_some(Self { set, base, if_exists: true })
    }
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.set {
            Some(SetOperator::ForAllValues) => f.write_str("ForAllValues:")?,
            Some(SetOperator::ForAnyValue) => f.write_str("ForAnyValue:")?,
            None => {}
        }
        f.write_str(self.base.name())?;
        if self.if_exists { f.write_str("IfExists") } else { Ok(()) }
    }
}

/// A run of text in a policy value: wildcards in it count, or it is literal (a substituted variable).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Whether `*` and `?` in it are only characters.
    pub literal: bool,
}

/// One policy value, compiled for its operator.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Matcher {
    /// Exactly this text.
    Text(String),
    /// This text in lower case.
    Folded(String),
    /// A wildcard pattern.
    Glob(Pattern),
    /// An ARN pattern.
    Arn(Pattern),
    /// A number that the value is compared with.
    Number(Comparison, numeric::Decimal),
    /// An instant in microseconds since 1970.
    Date(Comparison, i64),
    /// A boolean.
    Bool(bool),
    /// Bytes.
    Binary(Vec<u8>),
    /// An address range.
    Ip(ipnet::IpNet),
    /// A value that matches nothing: it does not parse for the operator.
    Never,
}

impl Matcher {
    /// Compiles a policy value. What does not parse matches nothing (assumption `A-TYPE`).
    pub fn new(base: Base, pieces: &[Piece]) -> Self {
        let text: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
        let compiled = match base.family() {
            Family::String => Some(string::matcher(base, pieces, text)),
            Family::Numeric => numeric::Decimal::parse(&text).map(|number| Self::Number(base.comparison(), number)),
            Family::Date => date::parse(&text).map(|instant| Self::Date(base.comparison(), instant)),
            Family::Bool | Family::Null => boolean::parse(&text).map(Self::Bool),
            Family::Binary => binary::decode(&text).map(Self::Binary),
            Family::Ip => ip::range(&text).map(Self::Ip),
            Family::Arn => arn::pattern(pieces).map(Self::Arn),
        };
        compiled.unwrap_or(Self::Never)
    }

    /// Whether one value of the request matches it.
    pub fn matches(&self, value: &Value<'_>) -> bool {
        let text = value.text;
        match self {
            Self::Text(expected) => expected == text,
            Self::Folded(expected) => *expected == text.to_lowercase(),
            Self::Glob(pattern) => pattern.matches(text),
            Self::Arn(pattern) => text.starts_with("arn:") && pattern.matches(text),
            Self::Number(comparison, number) => numeric::Decimal::parse(text).is_some_and(|v| comparison.accepts(v.cmp(number))),
            Self::Date(comparison, instant) => date::parse(text).is_some_and(|v| comparison.accepts(v.cmp(instant))),
            Self::Bool(expected) => boolean::parse(text) == Some(*expected),
            Self::Binary(bytes) => binary::decode(text).is_some_and(|v| v == *bytes),
            Self::Ip(range) => value.address().is_some_and(|address| range.contains(address)),
            Self::Never => false,
        }
    }
}

/// One `(operator, values)` entry, its values compiled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Test {
    /// The operator.
    pub operator: Operator,
    /// The policy's values; an empty list matches nothing (assumption `A-EMPTYLIST`).
    pub matchers: Vec<Matcher>,
}

impl Test {
    /// Whether one request value satisfies the entry: some policy value matches, or none does for a negated operator.
    pub fn value_holds(&self, value: &Value<'_>) -> bool {
        self.matchers.iter().any(|matcher| matcher.matches(value)) != self.operator.base.negated()
    }

    /// The answer where the key is not in the request.
    pub fn absent_holds(&self) -> bool {
        let Operator { set, base, if_exists } = self.operator;
        match (base, set) {
            (Base::Null, None) => null::holds(true, &self.matchers),
            (_, Some(SetOperator::ForAllValues)) => true,
            _ if if_exists => true,
            (_, Some(SetOperator::ForAnyValue)) => false,
            (_, None) => base.negated(),
        }
    }

    /// The answer for a key that is in the request with `values`. A key of a multivalued type, or with several
    /// values, satisfies no operator without a set operator (assumption `A-MULTI`). An empty list, or one of empty
    /// strings only, counts as null for `Null` and the set operators (assumption `A-EMPTY`).
    pub fn present_holds(&self, values: &[Value<'_>], multivalued: bool) -> bool {
        let null = values.iter().all(|value| value.text.is_empty());
        match (self.operator.base, self.operator.set) {
            (Base::Null, None) => null::holds(null, &self.matchers),
            (Base::Null, Some(set)) => set == SetOperator::ForAllValues,
            (_, Some(SetOperator::ForAllValues)) => null || values.iter().all(|value| self.value_holds(value)),
            (_, Some(SetOperator::ForAnyValue)) => !null && values.iter().any(|value| self.value_holds(value)),
            (_, None) => match values {
                [value] if !multivalued => self.value_holds(value),
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(operator: &str, values: &[&str]) -> Test {
        let operator = Operator::parse(operator).unwrap();
        let piece = |text: &&str| [Piece { text: (*text).to_owned(), literal: false }];
        Test { operator, matchers: values.iter().map(|v| Matcher::new(operator.base, &piece(v))).collect() }
    }

    #[test]
    fn operators_are_read_in_any_case_and_with_affixes() {
        assert_eq!(Operator::parse("foranyvalue:stringlikeifexists").unwrap().to_string(), "ForAnyValue:StringLikeIfExists");
        assert!(Operator::parse("NullIfExists").is_none() && Operator::parse("StringMatches").is_none());
        assert_eq!(Base::ALL.len(), 27);
    }

    #[test]
    fn missing_keys_follow_the_table() {
        for (operator, expected) in [
            ("StringEquals", false),
            ("StringNotEquals", true),
            ("StringEqualsIfExists", true),
            ("ForAllValues:StringEquals", true),
            ("ForAnyValue:StringNotEquals", false),
            ("ForAnyValue:StringEqualsIfExists", true),
            ("NotIpAddress", true),
            ("Bool", false),
        ] {
            assert_eq!(test(operator, &["true"]).absent_holds(), expected, "{operator}");
        }
        assert!(test("Null", &["true"]).absent_holds() && !test("Null", &["false"]).absent_holds());
    }

    #[test]
    fn families_compare_by_their_kind() {
        assert!(test("NumericEquals", &["10"]).present_holds(&["10.0"].map(Value::new), false));
        assert!(!test("NumericEquals", &["9007199254740993"]).present_holds(&["9007199254740992"].map(Value::new), false));
        assert!(test("DateEquals", &["1718452800"]).present_holds(&["2024-06-15T12:00:00Z"].map(Value::new), false));
        assert!(test("IpAddress", &["203.0.113.77/24"]).present_holds(&["203.0.113.1"].map(Value::new), false));
        assert!(test("NotIpAddress", &["203.0.113.0/24"]).present_holds(&["2001:db8::1"].map(Value::new), false));
        assert!(!test("ArnLike", &["arn:aws:sns:*"]).present_holds(&["arn:aws:sns:us-east-1:1:t"].map(Value::new), false));
        assert!(test("StringNotEquals", &["a"]).present_holds(&["b"].map(Value::new), false));
        assert!(!test("StringNotEquals", &["a"]).present_holds(&["b", "c"].map(Value::new), false));
    }
}
