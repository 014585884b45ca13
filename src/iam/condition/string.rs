//! String operators. `StringEqualsIgnoreCase` compares in lower case; `StringLike` is a whole-string glob.

use super::{Base, Matcher, Piece};
use crate::iam::pattern::{Pattern, Token, glob_tokens};

/// Compiles a value of a string operator.
pub(super) fn matcher(base: Base, pieces: &[Piece], text: String) -> Matcher {
    match base {
        Base::StringLike | Base::StringNotLike => Matcher::Glob(Pattern::from_tokens(tokens(pieces))),
        Base::StringEqualsIgnoreCase | Base::StringNotEqualsIgnoreCase => Matcher::Folded(text.to_lowercase()),
        _ => Matcher::Text(text),
    }
}

/// The tokens of a value with wildcards, those of literal pieces taken as characters.
pub(crate) fn tokens(pieces: &[Piece]) -> Vec<Token> {
    let mut tokens = Vec::new();
    for piece in pieces {
        if piece.literal {
            tokens.extend(piece.text.chars().map(Token::Char));
        } else {
            tokens.extend(glob_tokens(&piece.text, true));
        }
    }
    tokens
}
