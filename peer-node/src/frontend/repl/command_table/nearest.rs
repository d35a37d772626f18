use super::COMMANDS;

/// Returns the most similar command: one that begins with the typed name, otherwise the one with the smallest edit distance.
pub(crate) fn nearest_command(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let letters = name.chars().count();
    if letters == 0 || letters > 20 {
        return None;
    }
    let names = || COMMANDS.iter().flat_map(|entry| entry.names.iter().copied());
    let max_edits = if letters <= 3 { 1 } else { 2 };
    let is_close = |known: &&str| distance(&name, known) <= max_edits;
    let nearest = names().filter(is_close).min_by_key(|known| distance(&name, known));
    names().find(|known| known.starts_with(&name)).or(nearest)
}

/// Returns the edit distance of two words: insertions, deletions, substitutions and swaps of neighbours (optimal string
/// alignment). Computes the matrix row by row and keeps two earlier rows.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (row, letter) in (1..).zip(one.chars()) {
        let mut line = vec![row];
        for (column, target) in other.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let changed = at(&above, column) + usize::from(letter != *target);
            let mut least = changed.min(at(&above, column + 1) + 1).min(at(&line, column) + 1);
            let swapped = column
                .checked_sub(1)
                .filter(|left| previous == Some(*target) && other.get(*left) == Some(&letter));
            if let Some(left) = swapped {
                least = least.min(at(&before, left) + 1);
            }
            line.push(least);
        }
        before = std::mem::replace(&mut above, line);
        previous = Some(letter);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn typos_lead_to_the_nearest_command() {
        for (typed, meant) in [
            ("serach", "search"),
            ("dowload", "download"),
            ("down", "download"),
            ("FILES", "files"),
            ("tranfsers", "transfers"),
            ("gte", "get"),
            ("exti", "exit"),
        ] {
            assert_eq!(nearest_command(typed), Some(meant), "{typed}");
        }
        assert_eq!(nearest_command("xyzzy"), None);
        assert_eq!(nearest_command(""), None);
        assert_eq!(nearest_command(&"s".repeat(10_000)), None);
    }

    #[test]
    fn edit_distance_counts_typos() {
        for (one, other, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "acb", 1),
            ("abc", "abd", 1),
            ("ca", "abc", 3),
        ] {
            assert_eq!(distance(one, other), edits, "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn no_name_panics(name in any::<String>()) {
            let _ = nearest_command(&name);
        }
    }
}
