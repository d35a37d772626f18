/// The maximum edit distance between a key and its misspelling.
const MAX_EDITS: usize = 2;

/// The maximum length of a word that is compared: every key is shorter.
const MAX_LEN: usize = 40;

/// Returns true if `word` differs from `key` only in case and at most [`MAX_EDITS`] letters.
pub(super) fn is_typo_of(word: &str, key: &str) -> bool {
    word.len() <= MAX_LEN && edit_distance(&word.to_ascii_lowercase(), &key.to_ascii_lowercase()) <= MAX_EDITS
}

/// Returns the Levenshtein distance of two words.
fn edit_distance(one: &str, other: &str) -> usize {
    // Dynamic programming by rows: `above` is the previous row of the distance matrix.
    let mut above: Vec<usize> = (0..=other.chars().count()).collect();
    for (row, letter) in (1..).zip(one.chars()) {
        let mut line = vec![row];
        for ((target, diagonal), upper) in other.chars().zip(&above).zip(above.iter().skip(1)) {
            let left = line.last().copied().unwrap_or(row);
            let changed = diagonal + usize::from(letter != target);
            line.push(changed.min(upper + 1).min(left + 1));
        }
        above = line;
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_are_recognized_and_other_words_are_not() {
        for typo in ["PeaceSize", "Piecesize", "PIECESIZE", "PieceSiz", "PieceSizes:"] {
            assert!(is_typo_of(typo, "PieceSize"), "{typo}");
        }
        for other in ["FileSize", "Piece", "", "PieceSizeInBytes", &"PieceSize".repeat(1000)] {
            assert!(!is_typo_of(other, "PieceSize"), "{other}");
        }
    }
}
