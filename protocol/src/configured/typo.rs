/// So many letters may differ between a key and what was probably meant as it.
const MAX_EDITS: usize = 2;

/// Longer words are not compared: no key is so long.
const MAX_LEN: usize = 40;

/// Returns true if a word differs from a key only in capitals and a slip or two.
pub(super) fn is_typo_of(word: &str, key: &str) -> bool {
    word.len() <= MAX_LEN && edit_distance(&word.to_ascii_lowercase(), &key.to_ascii_lowercase()) <= MAX_EDITS
}

/// Counts the letters to insert, remove or change to make one word of the other.
fn edit_distance(one: &str, other: &str) -> usize {
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
        for slip in ["PeaceSize", "Piecesize", "PIECESIZE", "PieceSiz", "PieceSizes:"] {
            assert!(is_typo_of(slip, "PieceSize"), "{slip}");
        }
        for other in ["FileSize", "Piece", "", "PieceSizeInBytes", &"PieceSize".repeat(1000)] {
            assert!(!is_typo_of(other, "PieceSize"), "{other}");
        }
    }
}
