//! A table of values under small numbers, which are reused.

/// Values per page. Growing page by page avoids moving the whole table while others wait for the lock.
const PAGE_LEN: usize = 4096;
const _: () = assert!(PAGE_LEN.is_power_of_two(), "finding a page is a shift, not a division");

/// Values under numbers from 0 up; the number freed last is reused first.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    /// The pages; all but the last are full.
    pages: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Inserts a value and returns its number; `None` if all numbers are in use.
    pub(crate) fn insert(&mut self, value: T) -> Option<u32> {
        if let Some(number) = self.free.pop() {
            let slot = self.slot(number)?;
            debug_assert!(slot.is_none(), "number {number} is free and in use");
            *slot = Some(value);
            return Some(number);
        }
        let number = u32::try_from(self.slots()).ok()?;
        debug_assert!(
            self.pages.iter().rev().nth(1).is_none_or(|page| page.len() == PAGE_LEN),
            "all pages but the last are full"
        );
        if self.pages.last().is_none_or(|page| page.len() == PAGE_LEN) {
            self.pages.push(Vec::new());
        }
        self.pages.last_mut()?.push(Some(value));
        Some(number)
    }

    /// Returns the value under a number.
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        self.pages.get(number / PAGE_LEN)?.get(number % PAGE_LEN)?.as_ref()
    }

    /// Returns the value under a number for modification.
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.slot(number)?.as_mut()
    }

    /// Iterates over all values in order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(self.pages.iter().flatten()).filter_map(|(number, slot)| Some((number, slot.as_ref()?)))
    }

    /// Removes a value and frees its number.
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let value = self.slot(number)?.take()?;
        self.free.push(number);
        debug_assert!(self.free.len() <= self.slots(), "more numbers are free than exist");
        Some(value)
    }

    /// Returns the number of values.
    pub(crate) fn len(&self) -> usize {
        self.slots() - self.free.len()
    }

    fn slots(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE_LEN + last.len())
    }

    fn slot(&mut self, number: u32) -> Option<&mut Option<T>> {
        let number = number as usize;
        self.pages.get_mut(number / PAGE_LEN)?.get_mut(number % PAGE_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_start_at_zero_and_are_reused() {
        let mut slab = Slab::default();
        assert_eq!((slab.insert('a'), slab.insert('b')), (Some(0), Some(1)));
        assert_eq!((slab.remove(0), slab.remove(0)), (Some('a'), None));
        assert_eq!((slab.len(), slab.get(0), slab.get(1)), (1, None, Some(&'b')));
        assert_eq!((slab.insert('c'), slab.insert('d'), slab.len()), (Some(0), Some(2), 3));
    }

    #[test]
    fn values_keep_their_numbers_across_pages() {
        let mut slab = Slab::default();
        let count = u32::try_from(2 * PAGE_LEN + 1).unwrap();
        assert!((0..count).all(|number| slab.insert(number) == Some(number)));
        let removed = [0, 4095, 4096, count - 1];
        assert!(removed.iter().all(|number| slab.remove(*number) == Some(*number)));
        assert_eq!((slab.len(), slab.iter().count()), (2 * PAGE_LEN - 3, 2 * PAGE_LEN - 3));
        assert!(slab.iter().all(|(number, value)| number == *value && !removed.contains(value)));
        assert!(removed.iter().rev().all(|number| slab.insert(*number) == Some(*number)));
        assert_eq!((slab.insert(count), slab.get(count + 1)), (Some(count), None));
    }
}
