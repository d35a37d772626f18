//! A sorted list in chunks that its copies share: a copy costs a pointer, and a change of one item copies one chunk and the
//! list of chunks, however long the list is.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::iter::FlatMap;
use std::slice;
use std::sync::Arc;

/// Maximum number of items in a chunk: copying a chunk of pointers then costs about as much as copying the pointers to all
/// chunks of a list of a million items.
const MAX_CHUNK_LEN: usize = 512;

/// A chunk with fewer items is joined with the next one if both fit into one.
const MIN_CHUNK_LEN: usize = MAX_CHUNK_LEN / 4;

/// Distinct items in ascending order. Lookups take a function that compares an item with the wanted one; it must agree
/// with the order of the items.
#[derive(Debug)]
pub(crate) struct SortedChunks<T> {
    /// None is empty.
    chunks: Arc<Vec<Chunk<T>>>,
    len: usize,
}

/// Some items in ascending order.
type Chunk<T> = Arc<Vec<T>>;

/// Iterates over the items of all chunks.
type Items<'a, T> =
    FlatMap<slice::Iter<'a, Chunk<T>>, slice::Iter<'a, T>, fn(&'a Chunk<T>) -> slice::Iter<'a, T>>;

/// The position of an item: its chunk, and its position there.
type Position = (usize, usize);

impl<T> Clone for SortedChunks<T> {
    fn clone(&self) -> Self {
        Self { chunks: Arc::clone(&self.chunks), len: self.len }
    }
}

impl<T> Default for SortedChunks<T> {
    fn default() -> Self {
        Self { chunks: Arc::default(), len: 0 }
    }
}

impl<T> SortedChunks<T> {
    /// Returns the number of items.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Iterates over the items in order.
    pub(crate) fn iter(&self) -> Iter<'_, T> {
        Iter { items: items(&self.chunks), remaining: self.len }
    }

    /// Returns the wanted item.
    pub(crate) fn get(&self, order: impl Fn(&T) -> Ordering) -> Option<&T> {
        let (chunk, index) = self.find(order).ok()?;
        self.chunks.get(chunk)?.get(index)
    }

    /// Iterates over the items from the first on for which `is_before` returns false.
    pub(crate) fn iter_from(&self, is_before: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
        let first = self.chunks.partition_point(|chunk| chunk.last().is_some_and(&is_before));
        let chunks = self.chunks.get(first..).unwrap_or_default();
        let skipped = chunks.first().map_or(0, |chunk| chunk.partition_point(&is_before));
        items(chunks).skip(skipped)
    }

    /// Returns the number of items in chunks that another list does not share: how much was copied since.
    #[cfg(test)]
    pub(crate) fn unshared_len(&self, other: &Self) -> usize {
        let others: std::collections::HashSet<_> = other.chunks.iter().map(Arc::as_ptr).collect();
        let unshared = self.chunks.iter().filter(|chunk| !others.contains(&Arc::as_ptr(chunk)));
        unshared.map(|chunk| chunk.len()).sum()
    }

    /// Returns the position of the wanted item, or the one at which it would be inserted.
    fn find(&self, order: impl Fn(&T) -> Ordering) -> Result<Position, Position> {
        let chunk = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| order(last).is_lt()));
        match (self.chunks.get(chunk), self.chunks.last()) {
            (Some(items), _) => match items.binary_search_by(order) {
                Ok(index) => Ok((chunk, index)),
                Err(index) => Err((chunk, index)),
            },
            // Higher items extend the last chunk.
            (None, Some(last)) => Err((chunk - 1, last.len())),
            (None, None) => Err((0, 0)),
        }
    }
}

impl<T: Ord + Clone> SortedChunks<T> {
    /// Inserts an item; returns the equal one that it replaces.
    pub(crate) fn insert(&mut self, item: T) -> Option<T> {
        let position = self.find(|other| other.cmp(&item));
        let chunks = Arc::make_mut(&mut self.chunks);
        let (chunk, index) = match position {
            Ok((chunk, index)) => {
                let slot = chunks.get_mut(chunk).and_then(|items| Arc::make_mut(items).get_mut(index));
                return slot.map(|slot| std::mem::replace(slot, item));
            }
            Err(position) => position,
        };
        self.len += 1;
        let is_last = chunk + 1 >= chunks.len();
        let Some(items) = chunks.get_mut(chunk).map(Arc::make_mut) else {
            chunks.push(Arc::new(vec![item]));
            return None;
        };
        items.insert(index, item);
        debug_assert!(is_in_order_around(items, index), "an item is out of order");
        if items.len() > MAX_CHUNK_LEN {
            // Items that come in order fill the chunks.
            let is_appended = is_last && index == MAX_CHUNK_LEN;
            let rest = items.split_off(if is_appended { MAX_CHUNK_LEN } else { MAX_CHUNK_LEN / 2 });
            chunks.insert(chunk + 1, Arc::new(rest));
        }
        None
    }

    /// Removes the wanted item and returns it.
    pub(crate) fn remove(&mut self, order: impl Fn(&T) -> Ordering) -> Option<T> {
        let (chunk, index) = self.find(order).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let items = Arc::make_mut(chunks.get_mut(chunk)?);
        let removed = items.remove(index);
        let len = items.len();
        self.len -= 1;
        let fits_next = |next: &Chunk<T>| len + next.len() <= MAX_CHUNK_LEN;
        if len == 0 {
            chunks.remove(chunk);
        } else if len < MIN_CHUNK_LEN && chunks.get(chunk + 1).is_some_and(fits_next) {
            let next = chunks.remove(chunk + 1);
            Arc::make_mut(chunks.get_mut(chunk)?).extend(next.iter().cloned());
        }
        debug_assert!(chunks.iter().all(|chunk| !chunk.is_empty()), "an empty chunk is kept");
        Some(removed)
    }
}

impl<T: Ord> SortedChunks<T> {
    /// Pairs the equal items of two lists, in order; an item without a counterpart is paired with `None`. Leaves out chunks that
    /// the lists share, so pairs that differ are complete and pairs of the same item are not.
    pub(crate) fn pairs_of_unshared<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (Option<&'a T>, Option<&'a T>)> {
        let [mut ours, mut theirs] = [self, other].map(|list| Cursor { chunks: &list.chunks, index: 0 });
        std::iter::from_fn(move || {
            while ours.is_at_same_chunk(&theirs) {
                ours.skip_chunk();
                theirs.skip_chunk();
            }
            let order = match (ours.peek(), theirs.peek()) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(one), Some(two)) => one.cmp(two),
            };
            let one = if order.is_le() { ours.next() } else { None };
            let two = if order.is_ge() { theirs.next() } else { None };
            Some((one, two))
        })
    }
}

impl<T: Ord + Clone> Extend<T> for SortedChunks<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| drop(self.insert(item)));
    }
}

impl<T: Ord + Clone> FromIterator<T> for SortedChunks<T> {
    /// Sorts items; of equal ones the last is kept.
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut list = Self::default();
        list.extend(items);
        list
    }
}

/// Iterates over the items of a list.
#[derive(Debug)]
pub(crate) struct Iter<'a, T> {
    items: Items<'a, T>,
    remaining: usize,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.saturating_sub(1);
        self.items.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl<T> DoubleEndedIterator for Iter<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.saturating_sub(1);
        self.items.next_back()
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}

/// A position in a list; `index` is inside the first chunk that is left, or 0.
struct Cursor<'a, T> {
    chunks: &'a [Chunk<T>],
    index: usize,
}

impl<'a, T> Cursor<'a, T> {
    fn peek(&self) -> Option<&'a T> {
        self.chunks.first()?.get(self.index)
    }

    fn next(&mut self) -> Option<&'a T> {
        let item = self.peek()?;
        self.index += 1;
        if self.chunks.first().is_none_or(|chunk| self.index == chunk.len()) {
            self.skip_chunk();
        }
        Some(item)
    }

    /// Moves to the start of the next chunk.
    fn skip_chunk(&mut self) {
        self.chunks = self.chunks.get(1..).unwrap_or_default();
        self.index = 0;
    }

    /// Returns true if both are at the start of the same chunk.
    fn is_at_same_chunk(&self, other: &Self) -> bool {
        let is_same = |(one, two)| Arc::ptr_eq(one, two);
        self.index == 0
            && other.index == 0
            && self.chunks.first().zip(other.chunks.first()).is_some_and(is_same)
    }
}

fn items<T>(chunks: &[Chunk<T>]) -> Items<'_, T> {
    chunks.iter().flat_map(|chunk| chunk.iter())
}

/// Returns true if the item is above the one before and below the one after it.
fn is_in_order_around<T: Ord>(items: &[T], index: usize) -> bool {
    let around = items.get(index.saturating_sub(1)..items.len().min(index + 2));
    around.is_some_and(|around| around.is_sorted_by(|one, next| one < next))
}
