//! Which combinations of patterns can hold for one unknown text: the product of the patterns' automata, explored.
//!
//! A truth vector is kept only if some text gives it, so that `Allow if k = a` and `Deny if k = b` are never both
//! taken to apply.

use std::collections::{BTreeSet, HashSet};

use crate::iam::pattern::{Pattern, States, Token, UNKNOWN_PART};

/// The most product states that are explored before giving up.
const LIMIT: usize = 20_000;

/// One pattern of a run; letter case is folded where the operator folds it.
#[derive(Debug, Clone)]
pub(super) struct Run<'a> {
    pub(super) tokens: &'a [Token],
    pub(super) folded: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(pattern: &'a Pattern) -> Self {
        Self { tokens: pattern.tokens(), folded: false }
    }
}

/// Every truth vector of `runs` that some completion of `text` gives, in order. In `text`, [`UNKNOWN_PART`]
/// stands for any run of characters. `None` if there are too many to explore.
pub(super) fn feasible(runs: &[Run<'_>], text: &str) -> Option<BTreeSet<Vec<bool>>> {
    let start: Vec<States> = runs.iter().map(|run| States::start(run.tokens)).collect();
    let mut possible = HashSet::from([start]);
    for (index, known) in text.split(UNKNOWN_PART).enumerate() {
        if index > 0 {
            possible = closure(runs, possible)?;
        }
        for character in known.chars() {
            possible = possible.into_iter().map(|states| step(runs, &states, character)).collect();
        }
    }
    let accepted = |states: &Vec<States>| states.iter().zip(runs).map(|(s, q)| s.accepts(q.tokens)).collect();
    Some(possible.iter().map(accepted).collect())
}

fn closure(runs: &[Run<'_>], from: HashSet<Vec<States>>) -> Option<HashSet<Vec<States>>> {
    let mut seen = HashSet::new();
    let mut queue: Vec<Vec<States>> = from.into_iter().collect();
    while let Some(states) = queue.pop() {
        if seen.contains(&states) {
            continue;
        }
        if seen.len() >= LIMIT {
            return None;
        }
        for character in told_apart(runs, &states) {
            let next = step(runs, &states, character);
            if !seen.contains(&next) {
                queue.push(next);
            }
        }
        seen.insert(states);
    }
    Some(seen)
}

fn step(runs: &[Run<'_>], states: &[States], character: char) -> Vec<States> {
    let folded = character.to_lowercase().next().unwrap_or(character);
    let one = |(state, run): (&States, &Run<'_>)| state.step(run.tokens, if run.folded { folded } else { character });
    states.iter().zip(runs).map(one).collect()
}

/// One character for each class that the next step tells apart.
fn told_apart(runs: &[Run<'_>], states: &[States]) -> BTreeSet<char> {
    let mut characters = BTreeSet::new();
    for (run, states) in runs.iter().zip(states) {
        for character in states.told_apart(run.tokens) {
            if run.folded {
                characters.extend(character.to_lowercase().chain(character.to_uppercase()));
            }
            characters.insert(character);
        }
    }
    characters
}

/// Every text that, put literally between `head` and `tail`, makes the whole match `text`.
pub(super) fn fillings(head: &[Token], tail: &[Token], text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let starts = accepting_prefixes(head, characters.iter().copied());
    let reversed: Vec<Token> = tail.iter().rev().copied().collect();
    let ends = accepting_prefixes(&reversed, characters.iter().rev().copied());
    let mut found = BTreeSet::new();
    for start in &starts {
        for end in ends.iter().map(|end| characters.len() - end).filter(|end| end >= start) {
            found.extend(characters.get(*start..end).map(|part| part.iter().collect::<String>()));
        }
    }
    found.into_iter().collect()
}

fn accepting_prefixes(tokens: &[Token], characters: impl Iterator<Item = char>) -> Vec<usize> {
    let mut states = States::start(tokens);
    let mut lengths = Vec::new();
    if states.accepts(tokens) {
        lengths.push(0);
    }
    for (index, character) in characters.enumerate() {
        states = states.step(tokens, character);
        if states.accepts(tokens) {
            lengths.push(index + 1);
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(patterns: &[&str]) -> Vec<Vec<bool>> {
        let patterns: Vec<Pattern> = patterns.iter().map(|text| Pattern::glob(text)).collect();
        let runs: Vec<_> = patterns.iter().map(Run::new).collect();
        feasible(&runs, UNKNOWN_PART).unwrap().into_iter().collect()
    }

    #[test]
    fn only_what_some_text_gives_is_kept() {
        assert_eq!(vectors(&["a", "b"]), [vec![false, false], vec![false, true], vec![true, false]]);
        assert_eq!(vectors(&["a*", "ab*"]), [vec![false, false], vec![true, false], vec![true, true]]);
        assert_eq!(vectors(&["*"]), [vec![true]]);
        assert_eq!(vectors(&["*a*", "*b*"]).len(), 4);
    }

    #[test]
    fn fillings_are_all_texts_between_two_patterns() {
        let tokens = |text| Pattern::glob(text).tokens().to_vec();
        assert_eq!(fillings(&tokens("home/"), &tokens("/*"), "home/alice/x"), ["alice"]);
        assert_eq!(fillings(&tokens("*/"), &tokens(""), "a/b/c"), ["b/c", "c"]);
        assert!(fillings(&tokens("home/"), &tokens("/z"), "home/alice/x").is_empty());
    }
}
