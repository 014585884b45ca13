//! Text for a terminal: colours, and paragraphs that are wrapped to its width.

use std::fmt::Write as _;

/// How text is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether to colour.
    pub color: bool,
}

impl Style {
    pub(super) fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A share as a bar of at most `width` columns, in eighths of a column; what is not nothing is seen.
#[cfg(any(feature = "summary", test))]
pub(super) fn bar(part: u64, whole: u64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if part == 0 || whole == 0 {
        return String::new();
    }
    let all = u128::from(part.min(whole)) * 8 * width as u128 / u128::from(whole);
    let eighths = usize::try_from(all).unwrap_or_default().max(1);
    "█".repeat(eighths / 8) + EIGHTHS.get(eighths % 8).copied().unwrap_or_default()
}

/// Wraps at spaces to the width of the terminal; lines after the first are indented a little more.
pub(super) fn paragraph(out: &mut String, text: &str, indent: &str, style: Style) {
    wrapped(out, text, indent, &format!("{indent}  "), style);
}

/// As [`paragraph`], the first line beginning with `first` and the others with `rest`.
pub(super) fn wrapped(out: &mut String, text: &str, first: &str, rest: &str, style: Style) {
    let width = style.width.max(40);
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > width {
            let _ = writeln!(out, "{line}");
            line = rest.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

/// As [`wrapped`], coloured line by line.
pub(super) fn painted(out: &mut String, code: &str, text: &str, first: &str, rest: &str, style: Style) {
    let mut plain = String::new();
    wrapped(&mut plain, text, first, rest, style);
    for line in plain.lines() {
        let _ = writeln!(out, "{}", style.paint(code, line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!([bar(1, 2, 4), bar(3, 3, 2), bar(1, 1_000_000, 30), bar(0, 5, 9), bar(9, 16, 2)], ["██", "██", "▏", "", "█▏"]);
    }

    #[test]
    fn long_lines_are_wrapped_and_long_words_kept() {
        let mut out = String::new();
        paragraph(&mut out, &"word ".repeat(30), "  ", Style { width: 60, color: false });
        assert!(out.lines().all(|line| line.chars().count() <= 60));
    }
}
