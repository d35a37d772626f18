//! An index of words made of many titles at once.

use super::Words;
use super::gathering::Gathering;

/// So many words are gathered before the sets of titles are touched: 8 MiB of places, and about half as much text.
const GATHERED: usize = 1 << 19;

/// Or so many bytes of them, if they are long.
const LONG: usize = 16 << 20;

/// An index of words that is being filled with title after title, in the order of their numbers. The words of a million
/// titles take 2.4 s of a processor when they are gathered; looked for one by one, they take 4 s.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    words: Words,
    gathered: Gathering,
}

impl Filling {
    /// Enters a title under all words of its folded path; its number is higher than all before.
    pub(crate) fn insert(&mut self, folded: &str, title: u32) {
        self.gathered.insert(folded, title);
        let (places, bytes) = self.gathered.size();
        if places >= GATHERED || bytes >= LONG {
            self.enter_gathered();
        }
    }

    /// Returns the index.
    pub(crate) fn finish(mut self) -> Words {
        self.enter_gathered();
        self.words
    }

    fn enter_gathered(&mut self) {
        self.gathered.sort();
        self.gathered.enter(&mut self.words, usize::MAX);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Piece, Stand, words};
    use super::*;

    proptest! {
        #[test]
        fn it_finds_what_would_be_found_if_titles_were_entered_one_by_one(
            titles in prop::collection::vec(("[abc]{1,3}( [abc]{1,3}|lonelytwinlonely|lonelytw[io]nlonely){0,6}", any::<bool>()), 0..200),
        ) {
            let (mut filling, mut model) = (Filling::default(), Words::default());
            for ((title, enter), number) in titles.iter().zip(0..) {
                filling.insert(title, number);
                model.insert(title, number);
                if *enter {
                    filling.enter_gathered();
                }
            }
            let filled = filling.finish();
            prop_assert_eq!(filled.table.len(), model.table.len());
            for text in titles.iter().flat_map(|(title, _)| words(title)) {
                let whole = Piece { text: text.to_owned(), stand: Stand::Whole };
                let titles = |words: &Words| {
                    let word = words.find(&whole, usize::MAX)?.first().copied()?;
                    words.titles(word).map(|titles| titles.iter().collect::<Vec<_>>())
                };
                prop_assert!(titles(&model).is_some());
                prop_assert_eq!(titles(&filled), titles(&model));
                let part = Piece { stand: Stand::Inside, ..whole };
                let count = |words: &Words| words.find(&part, usize::MAX).map(|words| words.len());
                prop_assert_eq!(count(&filled), count(&model));
            }
        }
    }
}
