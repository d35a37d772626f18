//! Selection of cells by filter words.

use anyhow::{Result, bail};

use super::cell::Cell;

/// Returns an error if a filter contains a word that no cell has.
pub(super) fn check(filters: &[String], all: &[Cell]) -> Result<()> {
    let words: Vec<String> = all.iter().flat_map(|cell| cell.filter_words()).collect();
    for word in filters.iter().flat_map(|filter| filter.split(',')) {
        if !words.iter().any(|known| known == word) {
            let mut known = words;
            known.sort_unstable();
            known.dedup();
            bail!("no cell has the word {word}; the words are {}", known.join(", "));
        }
    }
    Ok(())
}

/// Returns true if a cell has all words of one of the filters, or if there are no filters.
pub(super) fn matches(filters: &[String], cell: Cell) -> bool {
    let words = cell.filter_words();
    let has = |word: &str| words.iter().any(|known| known == word);
    filters.is_empty() || filters.iter().any(|filter| filter.split(',').all(has))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching_cells(filters: &[&str]) -> usize {
        let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
        Cell::all().into_iter().filter(|cell| matches(&filters, *cell)).count()
    }

    #[test]
    fn cell_matches_if_it_has_all_words_of_one_filter() {
        assert_eq!(matching_cells(&[]), Cell::all().len());
        assert_eq!(matching_cells(&["native,private,one,bbr,10ms"]), 9);
        assert_eq!(matching_cells(&["four,bbr,0%,native", "four,bbr,1%,native"]), 2);
        assert_eq!(matching_cells(&["four,one"]), 0);
    }

    #[test]
    fn unknown_word_is_refused_with_a_list_of_known_words() {
        let error = check(&["bbr,100 ms".into()], &Cell::all()).expect_err("a word of no cell");
        assert!(error.to_string().contains("100ms"), "{error}");
    }
}
