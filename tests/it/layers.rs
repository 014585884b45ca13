//! Who may import whom, and what may stand where: the source text against the tables of `ARCHITECTURE.md`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The rows: a module imports from lower rows only.
const ROWS: [(&str, u8); 15] = [
    ("error", 0),
    ("progress", 0),
    ("iam", 1),
    ("cloudtrail", 1),
    ("catalog", 1),
    ("evaluate", 2),
    ("account", 2),
    ("frame", 2),
    ("lint", 2),
    ("ingest", 3),
    ("replay", 3),
    ("report", 4),
    ("generate", 4),
    ("cli", 5),
    // The crate's root: what it re-exports and its macros.
    ("lib", 0),
];

/// Who imports whom inside a row.
const INSIDE: [(&str, &str); 3] = [("catalog", "iam"), ("evaluate", "account"), ("replay", "ingest")];

/// Who never imports whom, although the row is lower: a report reads tables and knows nothing of policies.
const NEVER: [(&str, &str); 2] = [("report", "account"), ("report", "evaluate")];

/// Words of code, and the only places where they may stand.
const ONLY_IN: [(&str, &[&str]); 25] = [
    ("unsafe", &["frame/interop.rs"]),
    ("polars", &["frame/interop.rs", "report/"]),
    ("polars_arrow", &["frame/interop.rs", "report/"]),
    ("rayon", &["ingest/", "replay/", "cli/"]),
    ("object_store", &["ingest/s3.rs"]),
    ("tokio", &["ingest/s3.rs"]),
    ("rustls", &["ingest/s3.rs"]),
    ("reqwest", &["ingest/s3.rs"]),
    ("clap", &["cli/"]),
    ("indicatif", &["cli/"]),
    ("annotate_snippets", &["cli/"]),
    ("terminal_size", &["cli/"]),
    ("println!", &["cli/"]),
    ("eprintln!", &["cli/"]),
    ("print!", &["cli/"]),
    ("eprint!", &["cli/"]),
    ("dbg!", &[]),
    ("stdout", &["cli/"]),
    ("stderr", &["cli/"]),
    ("env", &["cli/"]),
    ("exit", &["cli/"]),
    ("ExitCode", &["cli/", "main.rs"]),
    ("Instant", &["cli/"]),
    ("SystemTime", &["cli/"]),
    ("mimalloc", &["main.rs"]),
];

/// Words that never stand in the pure modules.
const IMPURE: [&str; 9] = ["arrow", "parquet", "fs", "File", "thread", "Instant", "SystemTime", "rayon", "env"];
const PURE: [&str; 2] = ["iam/", "evaluate/"];

/// A source file: its path under `src`, and its code without comments, texts and test modules.
struct Source {
    path: String,
    code: String,
}

impl Source {
    /// The module of the crate that it belongs to.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many modules deep it is: 1 for `iam/mod.rs` and `error.rs`, 2 for `iam/arn.rs`.
    fn depth(&self) -> usize {
        let parts = self.path.split('/').count();
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let relative = |path: &Path| path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
    paths.iter().map(|path| Source { path: relative(path), code: code(&std::fs::read_to_string(path).unwrap()) }).collect()
}

/// The code of a file.
fn code(text: &str) -> String {
    without_tests(&without_texts(text))
}

/// Cuts comments and the content of string and character literals.
fn without_texts(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut code = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let c = at(i);
        let in_word = i > 0 && is_word(at(i - 1));
        match c {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => depth += 1,
                        ('*', '/') => depth -= 1,
                        _ => {
                            i += 1;
                            continue;
                        }
                    }
                    i += 2;
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
                code.push(' ');
            }
            'r' if (!in_word || at(i - 1) == 'b') && (at(i + 1) == '"' || (at(i + 1) == '#' && matches!(at(i + 2), '"' | '#'))) => {
                let hashes = (i + 1..).take_while(|index| at(*index) == '#').count();
                i += hashes + 2;
                while i < chars.len() && !(at(i) == '"' && (1..=hashes).all(|offset| at(i + offset) == '#')) {
                    i += 1;
                }
                i += hashes + 1;
                code.push_str("\"\"");
            }
            '"' => {
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i += 1;
                code.push_str("\"\"");
            }
            // A character, not a lifetime.
            '\'' if at(i + 1) == '\\' || at(i + 2) == '\'' => {
                i += if at(i + 1) == '\\' { 3 } else { 2 };
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
                code.push_str("' '");
            }
            _ => {
                code.push(c);
                i += 1;
            }
        }
    }
    code
}

/// Cuts every item under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some((before, after)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        let mut depth = 0;
        let end = after.char_indices().find(|(_, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            depth == 0 && matches!(c, '}' | ';')
        });
        rest = end.map_or("", |(index, _)| &after[index + 1..]);
    }
    kept.push_str(rest);
    kept
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where `word` stands as a whole word; with a final `!` it is a macro's name.
fn word_at<'c>(code: &'c str, word: &'c str) -> impl Iterator<Item = usize> + 'c {
    code.match_indices(word).map(|(index, _)| index).filter(move |index| {
        let (before, after) = (&code[..*index], &code[index + word.len()..]);
        !before.ends_with(is_word) && (word.ends_with('!') || !after.starts_with(is_word))
    })
}

/// The first names of the paths that begin with `root::`, of groups each one.
fn imported(code: &str, root: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for index in word_at(code, root) {
        let Some(path) = code[index + root.len()..].strip_prefix("::") else { continue };
        let first = |text: &str| text.trim_start().chars().take_while(|c| is_word(*c)).collect::<String>();
        let Some(group) = path.strip_prefix('{') else {
            names.insert(first(path));
            continue;
        };
        let mut depth = 1;
        let mut start = 0;
        for (index, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && c == ',') {
                names.insert(first(&group[start..index]));
                start = index + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    names.remove("");
    names
}

/// The module behind a first name: the crate's root re-exports a few.
fn module_of(name: &str) -> &str {
    match name {
        "Error" | "Result" => "error",
        "ordered_by_name" => "lib",
        other => other,
    }
}

fn row(module: &str) -> u8 {
    let row = ROWS.iter().find(|(name, _)| *name == module).map(|(_, row)| *row);
    row.unwrap_or_else(|| panic!("`{module}` has no row in the table of layers: ARCHITECTURE.md and this test name each module"))
}

#[test]
fn every_module_stands_in_the_table() {
    let found: BTreeSet<String> =
        sources().iter().map(|source| source.module().to_owned()).filter(|module| !["lib", "main"].contains(&module.as_str())).collect();
    let table: BTreeSet<String> = ROWS.iter().map(|(name, _)| (*name).to_owned()).filter(|name| name != "lib").collect();
    assert_eq!(found, table);
}

#[test]
fn modules_import_from_lower_rows_only() {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for source in sources().iter().filter(|source| !["lib", "main"].contains(&source.module())) {
        let module = source.module();
        for name in imported(&source.code, "crate") {
            let other = module_of(&name);
            let inside = INSIDE.contains(&(module, other));
            if inside {
                used.insert((module.to_owned(), other.to_owned()));
            }
            let fits = (row(other) < row(module) && !NEVER.contains(&(module, other))) || inside || other == module || other == "lib";
            if !fits {
                wrong.push(format!("{} imports {other}", source.path));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    let unused: Vec<_> = INSIDE.iter().filter(|(a, b)| !used.contains(&((*a).to_owned(), (*b).to_owned()))).collect();
    assert!(unused.is_empty(), "exceptions that nobody needs any more: {unused:?}");
}

#[test]
fn nothing_reaches_another_module_through_super() {
    let mut wrong = Vec::new();
    for source in sources() {
        let chains = source.code.split(|c: char| !is_word(c) && c != ':').map(|path| path.matches("super::").count());
        if chains.max().unwrap_or(0) >= source.depth() {
            wrong.push(source.path);
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "write `crate::` where the root is meant: the table of layers is read from it");
}

#[test]
fn the_binary_is_the_command_line_and_nothing_else() {
    let sources = sources();
    let main = sources.iter().find(|source| source.path == "main.rs").unwrap();
    assert_eq!(imported(&main.code, "retrial"), BTreeSet::from(["cli".to_owned()]));
}

#[test]
fn what_is_dangerous_or_talks_to_a_person_stays_in_its_place() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (word, places) in ONLY_IN {
            let allowed = places.iter().any(|place| source.path.starts_with(place));
            if !allowed && word_at(&source.code, word).any(|index| is_path_or_macro(&source.code, index, word)) {
                wrong.push(format!("{}: `{word}`", source.path));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_language_and_the_evaluator_know_no_columns_files_threads_and_clocks() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| PURE.iter().any(|folder| source.path.starts_with(folder))) {
        for word in IMPURE {
            if word_at(&source.code, word).any(|index| is_path_or_macro(&source.code, index, word)) {
                wrong.push(format!("{}: `{word}`", source.path));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Whether a word names a module, a type or a macro there, not a variable or a feature: it stands beside `::`, or the
/// word alone is enough.
fn is_path_or_macro(code: &str, index: usize, word: &str) -> bool {
    if word.ends_with('!') || ["unsafe", "ExitCode", "Instant", "SystemTime", "File"].contains(&word) {
        return true;
    }
    let (before, after) = (code[..index].trim_end(), code[index + word.len()..].trim_start());
    let in_group = before.ends_with('{') && before.trim_end_matches('{').ends_with("::");
    before.ends_with("::") || after.starts_with("::") || in_group
}

#[test]
fn the_reader_of_code_sees_through_comments_texts_and_tests() {
    let text = r##"
        //! polars::of_a_comment
        /* rayon::x /* nested */ clap::y */
        use crate::{error::{Error, Result}, iam::Pattern};
        const A: &str = "unsafe \" println!";
        const B: &str = r#"env::var("x")"#;
        const C: [char; 3] = ['"', '\'', '{'];
        fn f<'a>(x: &'a str) -> crate::frame::Text { g::<'a>(x) }
        #[cfg(test)]
        mod tests { use crate::cli::x; fn t() { if true {} } }
        fn after() { std::env::args(); }
    "##;
    let code = code(text);
    assert_eq!(imported(&code, "crate"), BTreeSet::from(["error", "frame", "iam"].map(str::to_owned)));
    for word in ["polars", "rayon", "clap", "unsafe", "println!", "cli"] {
        assert_eq!(word_at(&code, word).count(), 0, "{word} in {code}");
    }
    let env: Vec<usize> = word_at(&code, "env").collect();
    assert_eq!(env.len(), 1, "{code}");
    assert!(is_path_or_macro(&code, env[0], "env"));
}
