//! Wildcard patterns: `*` and `?`, matched in linear time, also against text that is only partly known.
//!
//! A pattern is a list of tokens run as a nondeterministic automaton: no backtracking, so `*a*a*a*b` stays fast.
//! Wildcards of an ARN's first five segments do not pass a colon, unless a `*` ends its segment (IAM user guide,
//! `Resource` element: such a wildcard "can expand to match beyond the colon boundaries").

use super::matcher::Matcher;

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Token {
    /// Exactly this character.
    Char(char),
    /// `?`; `colon` says whether it may be a colon.
    One {
        /// May be a colon.
        colon: bool,
    },
    /// `*`; `colon` says whether it may run over colons.
    Any {
        /// May run over colons.
        colon: bool,
    },
}

/// The three answers of a pattern to a text that is partly unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Matching {
    /// Matches every completion.
    Yes,
    /// Matches no completion.
    No,
    /// Depends on the unknown part.
    Maybe,
}

impl From<bool> for Matching {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

/// Stands in a text for a part that the log does not tell.
pub const UNKNOWN_PART: &str = "<?>";

/// A compiled pattern. Equal to another of the same tokens.
#[derive(Debug, Clone)]
pub struct Pattern {
    tokens: Vec<Token>,
    matcher: Matcher,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.tokens == other.tokens
    }
}

impl Eq for Pattern {}

impl std::hash::Hash for Pattern {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        self.tokens.hash(hasher);
    }
}

impl Pattern {
    /// A plain glob: wildcards pass every character.
    pub fn glob(text: &str) -> Self {
        Self::from_tokens(glob_tokens(text, true).collect())
    }

    /// A pattern made of tokens.
    pub fn from_tokens(tokens: Vec<Token>) -> Self {
        let mut simple: Vec<Token> = Vec::with_capacity(tokens.len());
        for token in tokens {
            match (simple.last_mut(), token) {
                (Some(Token::Any { colon: last }), Token::Any { colon }) => *last |= colon,
                _ => simple.push(token),
            }
        }
        let matcher = Matcher::new(&simple);
        Self { tokens: simple, matcher }
    }

    /// The tokens, runs of stars made one.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Whether it matches every text.
    pub fn is_everything(&self) -> bool {
        matches!(self.matcher, Matcher::Everything)
    }

    /// The only text that it matches, if it has no wildcard.
    pub fn literal(&self) -> Option<&str> {
        match &self.matcher {
            Matcher::Exact(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the whole of `text` matches.
    ///
    /// ```
    /// use retrial::iam::Pattern;
    /// assert!(Pattern::glob("workmail:Li*s").matches("workmail:ListUsers"));
    /// assert!(!Pattern::glob("a.c").matches("abc"));
    /// ```
    pub fn matches(&self, text: &str) -> bool {
        self.matcher.matches(&self.tokens, text)
    }

    /// Matches a text in which [`UNKNOWN_PART`] stands for any run of characters.
    pub fn matches_partly(&self, text: &str) -> Matching {
        if !text.contains(UNKNOWN_PART) {
            return self.matches(text).into();
        }
        if self.is_everything() {
            return Matching::Yes;
        }
        if text == UNKNOWN_PART {
            // Every pattern but `*` matches some texts and not others.
            return Matching::Maybe;
        }
        let mut possible = vec![States::start(&self.tokens)];
        for (index, known) in text.split(UNKNOWN_PART).enumerate() {
            if index > 0 {
                match reachable(&self.tokens, possible) {
                    Some(reached) => possible = reached,
                    None => return Matching::Maybe,
                }
            }
            for states in &mut possible {
                for character in known.chars() {
                    *states = states.step(&self.tokens, character);
                }
            }
            if possible.iter().all(States::is_dead) {
                return Matching::No;
            }
            if possible.iter().all(|states| states.accepts_everything(&self.tokens)) {
                return Matching::Yes;
            }
        }
        let accepted = possible.iter().filter(|states| states.accepts(&self.tokens)).count();
        match accepted {
            0 => Matching::No,
            n if n == possible.len() => Matching::Yes,
            _ => Matching::Maybe,
        }
    }

    /// Whether some text matches both patterns.
    ///
    /// ```
    /// use retrial::iam::Pattern;
    /// assert!(Pattern::glob("role/*").meets(&Pattern::glob("*/ops-?")));
    /// assert!(!Pattern::glob("role/*").meets(&Pattern::glob("user/*")));
    /// ```
    pub fn meets(&self, other: &Self) -> bool {
        let width = other.tokens.len() + 1;
        // Where in `other` one can be, for each place in `self`: both go forward only.
        let mut here = vec![false; width];
        if let Some(start) = here.first_mut() {
            *start = true;
        }
        for token in self.tokens.iter().map(Some).chain([None]) {
            let mut next = vec![false; width];
            for at in 0..width {
                if here.get(at) != Some(&true) {
                    continue;
                }
                let reach = |row: &mut Vec<bool>, at: usize| {
                    if let Some(cell) = row.get_mut(at) {
                        *cell = true;
                    }
                };
                let (mine, theirs) = (token.copied(), other.tokens.get(at).copied());
                if let Some(Token::Any { .. }) = mine {
                    reach(&mut next, at);
                }
                if let Some(Token::Any { .. }) = theirs {
                    reach(&mut here, at + 1);
                }
                let (Some(mine), Some(theirs)) = (mine, theirs) else { continue };
                if mine.shares(theirs) {
                    match (mine, theirs) {
                        (Token::Any { .. }, Token::Any { .. }) => {}
                        (Token::Any { .. }, _) => reach(&mut here, at + 1),
                        (_, Token::Any { .. }) => reach(&mut next, at),
                        _ => reach(&mut next, at + 1),
                    }
                }
            }
            if token.is_none() {
                return here.last() == Some(&true);
            }
            if !next.contains(&true) {
                return false;
            }
            here = next;
        }
        false
    }
}

impl Token {
    /// Whether some character fits both.
    fn shares(self, other: Self) -> bool {
        let fits = |token: Self, character: char| match token {
            Self::Char(own) => own == character,
            Self::One { colon } | Self::Any { colon } => colon || character != ':',
        };
        match (self, other) {
            (Self::Char(character), wild) | (wild, Self::Char(character)) => fits(wild, character),
            // Every wildcard takes characters that are no colon.
            _ => true,
        }
    }
}

/// Tokens of a plain glob text.
pub fn glob_tokens(text: &str, colon: bool) -> impl Iterator<Item = Token> + '_ {
    text.chars().map(move |character| match character {
        '*' => Token::Any { colon },
        '?' => Token::One { colon },
        other => Token::Char(other),
    })
}

/// Every set of automaton states that some text can lead to from one of `from`; `None` if there are too many to follow.
fn reachable(tokens: &[Token], from: Vec<States>) -> Option<Vec<States>> {
    const LIMIT: usize = 2_000;
    let mut queue = from;
    let mut known = std::collections::HashSet::new();
    while let Some(states) = queue.pop() {
        if known.len() > LIMIT {
            return None;
        }
        if known.contains(&states) {
            continue;
        }
        for character in states.told_apart(tokens) {
            let next = states.step(tokens, character);
            if next != states {
                queue.push(next);
            }
        }
        known.insert(states);
    }
    Some(known.into_iter().collect())
}

/// A character that no policy holds: stands for all that a pattern does not name.
pub const OTHER: char = '\u{10FFFD}';

/// The states that the automaton of a pattern can be in, as sorted token positions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct States(Vec<u32>);

impl States {
    /// The states before the first character.
    pub fn start(tokens: &[Token]) -> Self {
        let mut states = Self(Vec::with_capacity(4));
        states.enter(tokens, 0);
        states
    }

    /// The states after one more character.
    pub fn step(&self, tokens: &[Token], character: char) -> Self {
        let mut next = Self(Vec::with_capacity(self.0.len() + 1));
        for &position in &self.0 {
            match tokens.get(position as usize) {
                Some(Token::Char(c)) if *c == character => next.enter(tokens, position + 1),
                Some(Token::One { colon }) if *colon || character != ':' => next.enter(tokens, position + 1),
                Some(Token::Any { colon }) if *colon || character != ':' => next.enter(tokens, position),
                _ => {}
            }
        }
        next
    }

    /// Whether the text so far is a match.
    pub fn accepts(&self, tokens: &[Token]) -> bool {
        self.0.last().is_some_and(|last| *last as usize == tokens.len())
    }

    /// Whether every continuation is a match.
    fn accepts_everything(&self, tokens: &[Token]) -> bool {
        let last = tokens.len().checked_sub(1).filter(|at| tokens.get(*at) == Some(&Token::Any { colon: true }));
        last.is_some_and(|last| self.0.iter().any(|position| *position as usize == last))
    }

    /// One character for each class that the next step tells apart.
    pub fn told_apart(&self, tokens: &[Token]) -> Vec<char> {
        let mut characters = vec![OTHER];
        for position in &self.0 {
            match tokens.get(*position as usize) {
                Some(Token::Char(character)) => characters.push(*character),
                Some(Token::One { colon: false } | Token::Any { colon: false }) => characters.push(':'),
                _ => {}
            }
        }
        characters.sort_unstable();
        characters.dedup();
        characters
    }

    /// Whether no continuation can match.
    pub fn is_dead(&self) -> bool {
        self.0.is_empty()
    }

    fn enter(&mut self, tokens: &[Token], position: u32) {
        if let Err(at) = self.0.binary_search(&position) {
            self.0.insert(at, position);
            if matches!(tokens.get(position as usize), Some(Token::Any { .. })) {
                self.enter(tokens, position + 1);
            }
        }
    }
}

/// Tokens of a `Resource` pattern's text: the first five segments with the colon rule, the sixth free.
/// `None` if the text has fewer than six segments.
pub fn arn_tokens(text: &str) -> Option<(Vec<Token>, &str)> {
    let mut rest = text;
    let mut tokens = Vec::with_capacity(text.len());
    for _ in 0..5 {
        let (segment, after) = rest.split_once(':')?;
        segment_tokens(segment, &mut tokens);
        tokens.push(Token::Char(':'));
        rest = after;
    }
    Some((tokens, rest))
}

/// Tokens of a text with fewer than six segments that is not padded: the colon rule holds in all of them.
pub fn short_arn_tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(text.len());
    for (index, segment) in text.split(':').enumerate() {
        if index > 0 {
            tokens.push(Token::Char(':'));
        }
        segment_tokens(segment, &mut tokens);
    }
    tokens
}

/// Inside a segment wildcards do not pass a colon, except a `*` at its end.
fn segment_tokens(segment: &str, tokens: &mut Vec<Token>) {
    tokens.extend(glob_tokens(segment, false));
    if segment.ends_with('*') {
        tokens.pop();
        tokens.push(Token::Any { colon: true });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_stars_stay_fast() {
        let pattern = Pattern::glob(&"*a".repeat(60));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(5_000))));
    }

    #[test]
    fn unknown_parts_give_three_answers() {
        let text = "arn:aws:workmail:eu-west-1:1:organization/<?>";
        let answer = |pattern: &str| Pattern::glob(pattern).matches_partly(text);
        assert_eq!(answer("arn:aws:workmail:*"), Matching::Yes);
        assert_eq!(answer("arn:aws:workmail:eu-west-1:1:organization/*"), Matching::Yes);
        assert_eq!(answer("arn:aws:workmail:eu-west-1:1:organization/m-1"), Matching::Maybe);
        assert_eq!(answer("arn:aws:workmail:us-east-1:1:organization/*"), Matching::No);
    }

    #[test]
    fn two_patterns_meet_where_some_text_matches_both() {
        for (one, other, meet) in [
            ("", "", true),
            ("", "*", true),
            ("", "?", false),
            ("a", "a", true),
            ("a", "b", false),
            ("a*", "*b", true),
            ("a*c", "ab*", true),
            ("a?", "a", false),
            ("?*", "*?", true),
            ("*a*b", "b*a", false),
            ("*a*b", "b*a*", true),
        ] {
            let (one, other) = (Pattern::glob(one), Pattern::glob(other));
            assert_eq!((one.meets(&other), other.meets(&one)), (meet, meet), "{one:?} {other:?}");
        }
        let no_colon = Pattern::from_tokens(glob_tokens("a:*", false).collect());
        assert!(no_colon.meets(&Pattern::glob("*")) && no_colon.meets(&Pattern::glob("a:?")));
        assert!(!no_colon.meets(&Pattern::glob("a:*:b")));
    }

    #[test]
    fn a_known_tail_decides_against_a_pattern() {
        let text = "arn:aws:workmailmessageflow:us-east-1:1:message/<?>/<?>/id-1";
        assert_eq!(Pattern::glob("arn:aws:workmailmessageflow:us-east-1:1:message/m-1/incoming/id-2").matches_partly(text), Matching::No);
        assert_eq!(Pattern::glob("*/id-1").matches_partly(text), Matching::Yes);
        assert_eq!(Pattern::glob("*/incoming/*").matches_partly(text), Matching::Maybe);
    }
}
