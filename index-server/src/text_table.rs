//! A table of texts under small numbers, each stored once and found by number or by text.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use crate::hash_index::{HashIndex, KeySource};
use crate::keyed_hash::KeyedState;
use crate::prefetch;
use crate::slab::Slab;

/// Texts, each with a value. Lookup by text uses a hash index of numbers, which saves a second pointer per text.
#[derive(Debug)]
pub(crate) struct TextTable<T> {
    texts: Slab<(Arc<str>, T)>,
    hash_index: HashIndex,
    /// The bytes of all texts.
    text_bytes: u64,
}

impl<T> KeySource for Slab<(Arc<str>, T)> {
    fn hash(&self, number: u32, hasher: &KeyedState) -> u64 {
        self.get(number).map_or(0, |(text, _)| hasher.hash_one(&**text))
    }

    fn sample_byte(&self, number: u32) -> u8 {
        self.get(number).and_then(|(text, _)| text.as_bytes().first().copied()).unwrap_or_default()
    }
}

impl<T> Default for TextTable<T> {
    fn default() -> Self {
        Self { texts: Slab::default(), hash_index: HashIndex::default(), text_bytes: 0 }
    }
}

impl<T> TextTable<T> {
    /// Returns the number of a text.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        self.find_hashed(self.hash_index.hash(text), text)
    }

    /// Returns the number of a text, inserting it with a value if it is new, and whether it is new. Returns `None` if all
    /// numbers are in use.
    pub(crate) fn insert(&mut self, text: &str, value: impl FnOnce() -> T) -> Option<(u32, bool)> {
        let hash = self.hash_index.hash(text);
        if let Some(number) = self.find_hashed(hash, text) {
            return Some((number, false));
        }
        let number = self.texts.insert((text.into(), value()))?;
        self.hash_index.insert(hash, number, &self.texts);
        self.text_bytes += text.len() as u64;
        debug_assert_eq!(self.find_hashed(hash, text), Some(number), "a new text is found");
        Some((number, true))
    }

    /// Reserves space for `more` texts.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.hash_index.reserve(more, &self.texts);
    }

    /// Releases excess memory.
    pub(crate) fn shrink(&mut self) {
        self.hash_index.shrink(&self.texts);
    }

    /// Returns the text under a number.
    pub(crate) fn text(&self, number: u32) -> Option<&Arc<str>> {
        self.texts.get(number).map(|(text, _)| text)
    }

    /// Prefetches the memory that [`TextTable::insert`] will read.
    pub(crate) fn prefetch_lookups<'a>(&self, texts: impl Iterator<Item = &'a str>) {
        self.hash_index.prefetch(texts.map(|text| self.hash_index.hash(text)));
    }

    /// Prefetches the first bytes of some texts, which speeds up looking through words (docs/performance.md).
    pub(crate) fn prefetch_texts(&self, numbers: &[u32]) {
        prefetch::prefetch(numbers.iter().map(|number| self.texts.sample_byte(*number)));
    }

    /// Returns the value under a number.
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.texts.get(number).map(|(_, value)| value)
    }

    /// Returns the value under a number for modification.
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.texts.get_mut(number).map(|(_, value)| value)
    }

    /// Removes a text and frees its number.
    pub(crate) fn remove(&mut self, number: u32) -> Option<(Arc<str>, T)> {
        let (text, value) = self.texts.remove(number)?;
        debug_assert!(
            text.len() as u64 <= self.text_bytes,
            "more bytes of text are removed than were inserted"
        );
        self.text_bytes = self.text_bytes.saturating_sub(text.len() as u64);
        self.hash_index.remove(self.hash_index.hash(&*text), number);
        debug_assert_eq!(self.find(&text), None, "a removed text is not found");
        Some((text, value))
    }

    /// Returns the bytes of all texts.
    pub(crate) const fn text_bytes(&self) -> u64 {
        self.text_bytes
    }

    /// Returns the number of texts.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    fn find_hashed(&self, hash: u64, text: &str) -> Option<u32> {
        self.hash_index.find(hash, |number| self.text(number).is_some_and(|other| **other == *text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_text_frees_its_number() {
        let mut table = TextTable::default();
        assert_eq!((table.insert("a", || 1), table.insert("b", || 2)), (Some((0, true)), Some((1, true))));
        assert_eq!(table.insert("b", || 3), Some((1, false)));
        assert_eq!((table.find("a"), table.find("b"), table.find("c")), (Some(0), Some(1), None));
        assert_eq!(table.remove(0), Some(("a".into(), 1)));
        assert_eq!((table.find("a"), table.remove(0), table.len()), (None, None, 1));
        assert_eq!(table.text_bytes(), 1);
        assert_eq!((table.insert("c", || 3), table.find("c")), (Some((0, true)), Some(0)));
        assert_eq!((table.text(0).map(|text| &**text), table.get(0)), (Some("c"), Some(&3)));
    }

    #[test]
    fn growing_keeps_all_texts() {
        let mut table = TextTable::default();
        for number in 0..50_000_u32 {
            assert_eq!(table.insert(&number.to_string(), || number), Some((number, true)));
        }
        assert!((0..50_000).all(|number: u32| table.find(&number.to_string()) == Some(number)));
    }
}
