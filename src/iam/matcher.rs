//! How a pattern is matched against a whole text: by comparison where it has at most one star, else by running its
//! automaton with all states in the bits of one word. Linear in the text, whatever the pattern.

use super::pattern::{States, Token};

/// The most tokens between literal beginning and literal end that fit a word, with the accepting state.
const MOST_BITS: usize = 63;

/// A pattern made ready.
#[derive(Debug, Clone)]
pub(super) enum Matcher {
    /// A star alone.
    Everything,
    /// No wildcard.
    Exact(String),
    /// Literal beginning and end with a star between them that passes everything.
    Around(String, String),
    /// Literal beginning, wildcards, literal end.
    Word(String, Box<Word>, String),
    /// Too long for a word.
    Long,
}

impl Matcher {
    pub(super) fn new(tokens: &[Token]) -> Self {
        let is_char = |token: &&Token| matches!(token, Token::Char(_));
        let before = tokens.iter().take_while(is_char).count();
        let text = |tokens: &[Token]| tokens.iter().filter_map(|token| if let Token::Char(c) = token { Some(*c) } else { None }).collect();
        let (head, rest) = tokens.split_at(before);
        if rest.is_empty() {
            return Self::Exact(text(head));
        }
        let after = rest.iter().rev().take_while(is_char).count();
        let (middle, tail) = rest.split_at(rest.len() - after);
        match middle {
            [Token::Any { colon: true }] if head.is_empty() && tail.is_empty() => Self::Everything,
            [Token::Any { colon: true }] => Self::Around(text(head), text(tail)),
            middle if middle.len() <= MOST_BITS => Self::Word(text(head), Box::new(Word::new(middle)), text(tail)),
            _ => Self::Long,
        }
    }

    /// Whether the whole of `text` matches; `tokens` are those that it was made of.
    pub(super) fn matches(&self, tokens: &[Token], text: &str) -> bool {
        let between = |head: &str, tail: &str| text.strip_prefix(head)?.strip_suffix(tail);
        match self {
            Self::Everything => true,
            Self::Exact(literal) => literal == text,
            Self::Around(head, tail) => between(head, tail).is_some(),
            Self::Word(head, word, tail) => between(head, tail).is_some_and(|middle| word.matches(middle)),
            Self::Long => {
                let mut states = States::start(tokens);
                for character in text.chars() {
                    states = states.step(tokens, character);
                    if states.is_dead() {
                        return false;
                    }
                }
                states.accepts(tokens)
            }
        }
    }
}

/// The automaton of at most [`MOST_BITS`] tokens: bit `n` of a word says that the first `n` tokens are done.
#[derive(Debug, Clone)]
pub(super) struct Word {
    /// The class of each ASCII character: 0 for those that the pattern does not tell apart.
    ascii: [u8; 128],
    /// The classes of other characters.
    others: Vec<(char, u8)>,
    /// For each class: the tokens that take one character and are done, and the stars that take it and stay.
    classes: Vec<(u64, u64)>,
    stars: u64,
    accepting: u64,
    /// A star at the end that passes everything: once it is reached, every continuation matches.
    rest: u64,
}

impl Word {
    fn new(tokens: &[Token]) -> Self {
        let mut characters: Vec<char> =
            tokens.iter().filter_map(|token| if let Token::Char(c) = token { Some(*c) } else { None }).collect();
        characters.push(':');
        characters.sort_unstable();
        characters.dedup();
        let mask = |takes: &dyn Fn(&Token) -> bool| {
            tokens.iter().enumerate().filter(|(_, token)| takes(token)).fold(0u64, |mask, (bit, _)| mask | (1 << bit))
        };
        let colon_only = |token: &Token| matches!(token, Token::One { colon: false } | Token::Any { colon: false });
        let class = |character: Option<char>| {
            let passes = |token: &Token| character != Some(':') || !colon_only(token);
            let one = mask(&|token| match token {
                Token::Char(c) => Some(*c) == character,
                Token::One { .. } => passes(token),
                Token::Any { .. } => false,
            });
            (one, mask(&|token| matches!(token, Token::Any { .. }) && passes(token)))
        };
        let mut word = Self {
            ascii: [0; 128],
            others: Vec::new(),
            classes: vec![class(None)],
            stars: mask(&|token| matches!(token, Token::Any { .. })),
            accepting: 1 << tokens.len(),
            rest: if tokens.last() == Some(&Token::Any { colon: true }) { 1 << (tokens.len() - 1) } else { 0 },
        };
        // At most 64 characters are told apart, so that a class fits a byte.
        for (index, character) in (1u8..).zip(characters) {
            word.classes.push(class(Some(character)));
            match word.ascii.get_mut(character as usize) {
                Some(slot) => *slot = index,
                None => word.others.push((character, index)),
            }
        }
        word
    }

    fn matches(&self, text: &str) -> bool {
        // Stars never stand side by side, so that one step enters all that can be entered without a character.
        let enter = |states: u64| states | ((states & self.stars) << 1);
        let mut states = enter(1);
        for character in text.chars() {
            if states & self.rest != 0 {
                return true;
            }
            let class = match self.ascii.get(character as usize) {
                Some(class) => *class,
                None => self.others.iter().find(|(other, _)| *other == character).map_or(0, |(_, class)| *class),
            };
            let Some((one, stay)) = self.classes.get(class as usize) else { return false };
            states = enter(((states & one) << 1) | (states & stay));
            if states == 0 {
                return false;
            }
        }
        states & self.accepting != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::pattern::{Pattern, arn_tokens, glob_tokens};
    use proptest::prelude::*;

    /// The automaton with its states as a set: the definition.
    fn by_states(tokens: &[Token], text: &str) -> bool {
        Matcher::Long.matches(tokens, text)
    }

    proptest! {
        #[test]
        fn all_ways_of_matching_agree(pattern in "[ab:*?é/]{0,12}", text in "[ab:é/]{0,12}") {
            let glob = Pattern::from_tokens(glob_tokens(&pattern, true).collect());
            prop_assert_eq!(glob.matches(&text), by_states(glob.tokens(), &text));
        }

        #[test]
        fn colons_stop_the_wildcards_of_segments(pattern in "a:[ab*?]{0,4}:[ab*?]{0,4}:[ab*?]{0,3}:[ab*?]{0,3}:[ab:*?]{0,6}", text in "a(:[ab]{0,3}){3,7}") {
            let (head, tail) = arn_tokens(&pattern).unwrap();
            let resource = Pattern::from_tokens(head.into_iter().chain(glob_tokens(tail, true)).collect());
            prop_assert_eq!(resource.matches(&text), by_states(resource.tokens(), &text));
        }
    }

    #[test]
    fn long_patterns_are_matched_too() {
        let pattern = Pattern::glob(&("*".to_owned() + &"ab?".repeat(40) + "*c"));
        assert!(pattern.matches(&("x".to_owned() + &"abz".repeat(40) + "yc")) && !pattern.matches(&("abz".repeat(39) + "c")));
        assert!(Pattern::glob("*a*").matches("bab") && Pattern::glob("a*b").matches("ab") && !Pattern::glob("ab*ba").matches("aba"));
    }
}
