//! Policy errors with file, line, column, excerpt and caret.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::error::PolicyError;

/// Renders an error as compilers do.
pub(super) fn render(error: &PolicyError, color: bool) -> String {
    render_as(Level::ERROR, None, error, color)
}

/// Renders a finding of a lint, with its name.
pub(super) fn render_as(level: Level<'static>, code: Option<&'static str>, error: &PolicyError, color: bool) -> String {
    let offset = |column: usize| error.excerpt.chars().take(column).map(char::len_utf8).sum::<usize>();
    let (start, end) = (offset(error.excerpt_column), offset(error.excerpt_column + error.width));
    let path = error.path.as_ref().map_or_else(|| "<policy>".to_owned(), |path| path.display().to_string());
    let label = if error.pointer.is_empty() { String::new() } else { format!("at {}", error.pointer) };
    let annotation = AnnotationKind::Primary.span(start..end.max(start)).label(label);
    let snippet = Snippet::source(error.excerpt.as_str()).line_start(error.line).annotation(annotation);
    let title = level.primary_title(error.message.as_str());
    let mut group = match code {
        Some(code) => title.id(code).element(snippet),
        None => title.element(snippet),
    };
    if let Some(help) = &error.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    // The place first, in the form that editors follow; the excerpt may be cut, so its own columns may not be the file's.
    format!("{path}:{}:{}\n{}", error.line, error.column, renderer.render(&[group]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::{PolicyType, parse};

    #[test]
    fn the_place_the_excerpt_and_the_help_are_shown() {
        let mut error = parse::document("{\n  \"Statement\": [{\"effect\": \"Allow\"}]\n}", PolicyType::Identity).unwrap_err();
        error.path = Some("draft.json".into());
        let text = render(&error, false);
        for part in ["draft.json:2:28", "unknown element `effect`", "/Statement/0/effect", "did you mean `Effect`?", "^^^^^^^"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
