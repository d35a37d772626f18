//! Words that follow the titles in which they stand.
//!
//! Words of many titles are entered with less work than those of one. So they are put off, and entered together, in steps
//! between which others read. A title that goes in the meantime needs no care: it is not among those of any word.

use protocol::fold::fold;

use super::{Catalog, TitleNo};
use crate::words::Gathering;

/// Of so many titles words are gathered at a time, where nobody waits.
const TITLES: usize = 8192;

impl Catalog {
    /// Returns the titles whose words are still to be entered. [`Catalog::gather`] and [`Catalog::enter_words`] are to
    /// follow before any title changes.
    pub(crate) fn take_unworded(&mut self) -> Vec<TitleNo> {
        self.words.take_awaited().into_iter().map(TitleNo).collect()
    }

    /// Gathers the words of those of some titles that are still there.
    pub(crate) fn gather(&self, titles: &[TitleNo], words: &mut Gathering) {
        for number in titles {
            let path = self.titles.get(*number).and_then(|title| self.names.path(title.name));
            if let Some(path) = path {
                words.insert(&fold(path), number.0);
            }
        }
    }

    /// Enters words that were gathered and sorted, at most so many places where they stand; says whether these were the
    /// last.
    pub(crate) fn enter_words(&mut self, words: &mut Gathering, most: usize) -> bool {
        words.enter(&mut self.words, most)
    }

    /// Enters all words that were put off.
    pub(crate) fn complete_words(&mut self) {
        let (titles, mut words) = (self.take_unworded(), Gathering::default());
        for titles in titles.chunks(TITLES) {
            self.gather(titles, &mut words);
            words.sort();
            self.enter_words(&mut words, usize::MAX);
        }
    }
}
