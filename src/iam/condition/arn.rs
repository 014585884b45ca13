//! ARN operators: both sides split at the first five colons, each component globbed apart, the sixth with its colons.
//! `ArnEquals` is `ArnLike`. A pattern of fewer than six components matches nothing.

use super::Piece;
use crate::iam::pattern::{Pattern, Token};

/// Compiles a value of an ARN operator; `None` if it has fewer than six components.
pub(super) fn pattern(pieces: &[Piece]) -> Option<Pattern> {
    let mut tokens = Vec::new();
    let mut colons = 0;
    for piece in pieces {
        for character in piece.text.chars() {
            let free = colons >= 5;
            tokens.push(match character {
                '*' if !piece.literal => Token::Any { colon: free },
                '?' if !piece.literal => Token::One { colon: free },
                other => Token::Char(other),
            });
            colons += usize::from(character == ':');
        }
    }
    (colons >= 5).then(|| Pattern::from_tokens(tokens))
}
