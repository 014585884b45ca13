//! Names that match nothing, and the nearest that exist.

/// How many names are proposed.
const MOST: usize = 3;

/// What to say where nothing has a name: the nearest of those that exist.
pub(super) fn nearest<'n>(existing: impl IntoIterator<Item = &'n str>, name: &str) -> String {
    let mut near: Vec<(f64, &str)> = existing.into_iter().map(|known| (strsim::normalized_levenshtein(known, name), known)).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.dedup_by(|a, b| a.1 == b.1);
    let near: Vec<String> = near.iter().take(MOST).map(|(_, known)| format!("`{known}`")).collect();
    if near.is_empty() { "there is none at all".to_owned() } else { format!("the nearest: {}", near.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_once() {
        let known = ["ou-ab12-11111111", "ou-ab12-22222222", "ou-ab12-11111111", "r-ab12", "111122223333"];
        assert_eq!(nearest(known, "ou-ab12-1111111l"), "the nearest: `ou-ab12-11111111`, `ou-ab12-22222222`, `r-ab12`");
        assert_eq!(nearest([], "x"), "there is none at all");
    }
}
