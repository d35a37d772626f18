//! A set of numbers: small where few are in it, quick where many are.

use std::num::NonZeroU32;

/// From so many numbers on, a set is cut into chunks.
const MANY: usize = 512;

/// A chunk has the numbers that agree in all but this many low bits.
const CHUNK_BITS: u32 = 16;

/// A chunk with more numbers than this is a bitmap of 8 KiB; with fewer than half of it, a list again.
const DENSE: usize = 2048;

/// The words of a bitmap.
const WORDS: usize = 1 << (CHUNK_BITS - 6);

/// A set of numbers in order. Most words stand in few names: up to three numbers take nothing beside the set itself.
#[derive(Debug)]
pub(crate) enum NumberSet {
    Few([Option<NonZeroU32>; 3]),
    Some(Vec<u32>),
    Many(Box<Chunks>),
}

/// A large set.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    len: usize,
    /// By their high bits, none empty.
    chunks: Vec<(u16, Chunk)>,
}

#[derive(Debug)]
enum Chunk {
    Sparse(Vec<u16>),
    Dense { len: usize, bits: Box<[u64; WORDS]> },
}

impl Default for NumberSet {
    fn default() -> Self {
        Self::Few([None; 3])
    }
}

/// Numbers are kept one higher, which leaves the zero for "none".
fn stored(number: u32) -> Option<NonZeroU32> {
    number.checked_add(1).and_then(NonZeroU32::new)
}

fn split(number: u32) -> (u16, u16) {
    let [a, b, c, d] = number.to_be_bytes();
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

fn join(high: u16, low: u16) -> u32 {
    u32::from(high) << CHUNK_BITS | u32::from(low)
}

impl NumberSet {
    /// Says how many numbers are in.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.iter().flatten().count(),
            Self::Some(list) => list.len(),
            Self::Many(chunks) => chunks.len,
        }
    }

    /// Puts a number in; the highest possible one is left out.
    pub(crate) fn insert(&mut self, number: u32) {
        match self {
            Self::Few(few) => {
                if few.contains(&stored(number)) {
                    return;
                }
                if let Some(free) = few.iter_mut().find(|place| place.is_none()) {
                    *free = stored(number);
                    return;
                }
                let mut list: Vec<u32> =
                    few.iter().flatten().map(|place| place.get() - 1).chain([number]).collect();
                list.sort_unstable();
                *self = Self::Some(list);
            }
            Self::Some(list) => {
                if let Err(place) = list.binary_search(&number) {
                    list.insert(place, number);
                }
                if list.len() >= MANY {
                    let mut chunks = Chunks::default();
                    list.iter().for_each(|number| chunks.insert(*number));
                    *self = Self::Many(Box::new(chunks));
                }
            }
            Self::Many(chunks) => chunks.insert(number),
        }
    }

    /// Takes a number out.
    pub(crate) fn remove(&mut self, number: u32) {
        match self {
            Self::Few(few) => {
                if let Some(place) = few.iter_mut().find(|place| place.is_some() && **place == stored(number))
                {
                    *place = None;
                }
            }
            Self::Some(list) => {
                if let Ok(place) = list.binary_search(&number) {
                    list.remove(place);
                }
                if list.len() <= 2 {
                    let mut few = Self::default();
                    list.iter().for_each(|number| few.insert(*number));
                    *self = few;
                } else if list.len() < list.capacity() / 4 {
                    list.shrink_to(list.len() * 2);
                }
            }
            Self::Many(chunks) => {
                chunks.remove(number);
                if chunks.len < MANY / 2 {
                    *self = Self::Some(chunks.list());
                }
            }
        }
    }

    /// Says whether a number is in.
    pub(crate) fn contains(&self, number: u32) -> bool {
        match self {
            Self::Few(few) => stored(number).is_some_and(|number| few.contains(&Some(number))),
            Self::Some(list) => list.binary_search(&number).is_ok(),
            Self::Many(chunks) => chunks.next_from(number) == Some(number),
        }
    }

    /// Returns the lowest number that is in and not below another.
    pub(crate) fn next_from(&self, number: u32) -> Option<u32> {
        match self {
            Self::Few(few) => {
                few.iter().flatten().map(|place| place.get() - 1).filter(|other| *other >= number).min()
            }
            Self::Some(list) => list.get(list.partition_point(|other| *other < number)).copied(),
            Self::Many(chunks) => chunks.next_from(number),
        }
    }

    /// Walks over the numbers in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        let after = |number: &u32| number.checked_add(1).and_then(|next| self.next_from(next));
        std::iter::successors(self.next_from(0), after)
    }
}

impl Chunks {
    fn insert(&mut self, number: u32) {
        let (high, low) = split(number);
        let place = match self.chunks.binary_search_by_key(&high, |(high, _)| *high) {
            Ok(place) => place,
            Err(place) => {
                self.chunks.insert(place, (high, Chunk::Sparse(Vec::new())));
                place
            }
        };
        if self.chunks.get_mut(place).is_some_and(|(_, chunk)| chunk.insert(low)) {
            self.len += 1;
        }
    }

    fn remove(&mut self, number: u32) {
        let (high, low) = split(number);
        let Ok(place) = self.chunks.binary_search_by_key(&high, |(high, _)| *high) else { return };
        let Some((_, chunk)) = self.chunks.get_mut(place) else { return };
        if chunk.remove(low) {
            self.len = self.len.saturating_sub(1);
        }
        if chunk.next_from(0).is_none() {
            self.chunks.remove(place);
        }
    }

    fn next_from(&self, number: u32) -> Option<u32> {
        let (high, low) = split(number);
        let first = self.chunks.partition_point(|(other, _)| *other < high);
        let mut rest = self.chunks.get(first..)?.iter();
        let (found, chunk) = rest.next()?;
        let from = if *found == high { low } else { 0 };
        if let Some(low) = chunk.next_from(from) {
            return Some(join(*found, low));
        }
        let (found, chunk) = rest.next()?;
        chunk.next_from(0).map(|low| join(*found, low))
    }

    fn list(&self) -> Vec<u32> {
        let mut list = Vec::with_capacity(self.len);
        let mut next = self.next_from(0);
        while let Some(number) = next {
            list.push(number);
            next = number.checked_add(1).and_then(|number| self.next_from(number));
        }
        list
    }
}

impl Chunk {
    fn insert(&mut self, low: u16) -> bool {
        match self {
            Self::Sparse(list) => {
                let Err(place) = list.binary_search(&low) else { return false };
                list.insert(place, low);
                if list.len() > DENSE {
                    let mut bits = Box::new([0; WORDS]);
                    for low in list.iter() {
                        flip(&mut bits, *low, true);
                    }
                    *self = Self::Dense { len: list.len(), bits };
                }
                true
            }
            Self::Dense { len, bits } => {
                let is_new = flip(bits, low, true);
                *len += usize::from(is_new);
                is_new
            }
        }
    }

    fn remove(&mut self, low: u16) -> bool {
        match self {
            Self::Sparse(list) => {
                let Ok(place) = list.binary_search(&low) else { return false };
                list.remove(place);
                true
            }
            Self::Dense { len, bits } => {
                let was_in = flip(bits, low, false);
                *len -= usize::from(was_in);
                if *len < DENSE / 2 {
                    let all =
                        std::iter::successors(next_bit(bits, 0), |low| next_bit(bits, low.checked_add(1)?));
                    *self = Self::Sparse(all.collect());
                }
                was_in
            }
        }
    }

    fn next_from(&self, low: u16) -> Option<u16> {
        match self {
            Self::Sparse(list) => list.get(list.partition_point(|other| *other < low)).copied(),
            Self::Dense { bits, .. } => next_bit(bits, low),
        }
    }
}

/// Sets a bit and says whether that changed it.
fn flip(bits: &mut [u64; WORDS], low: u16, set: bool) -> bool {
    let Some(word) = bits.get_mut(usize::from(low >> 6)) else { return false };
    let mask = 1 << (low & 63);
    let changes = (*word & mask != 0) != set;
    if changes {
        *word ^= mask;
    }
    changes
}

/// Finds the first bit that is set at a place or behind it.
fn next_bit(bits: &[u64; WORDS], low: u16) -> Option<u16> {
    let mut masked = u64::MAX << (low & 63);
    for index in (low >> 6)..=(u16::MAX >> 6) {
        let word = bits.get(usize::from(index))? & masked;
        if word != 0 {
            return u16::try_from(word.trailing_zeros()).ok().map(|bit| index << 6 | bit);
        }
        masked = u64::MAX;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_set_is_small() {
        assert_eq!(size_of::<NumberSet>(), 24);
    }

    /// Runs of numbers to put in or take out: dense ones, sparse ones, and across chunks.
    fn runs() -> impl Strategy<Value = Vec<(bool, u32, u32, u32)>> {
        let start = prop_oneof![0_u32..200, 65_000_u32..66_000, 1_000_000_u32..1_200_000];
        prop::collection::vec((prop::bool::weighted(0.6), start, 1_u32..4000, 1_u32..70), 1..8)
    }

    proptest! {
        #[test]
        fn it_is_what_a_tree_is(runs in runs(), probes in prop::collection::vec(0_u32..1_500_000, 20)) {
            let (mut set, mut model) = (NumberSet::default(), BTreeSet::new());
            for (put, start, count, step) in runs {
                for number in (0..count).map(|no| start + no * step) {
                    if put { set.insert(number); model.insert(number); }
                    else { set.remove(number); model.remove(&number); }
                }
                prop_assert_eq!(set.len(), model.len());
                prop_assert!(set.iter().eq(model.iter().copied()));
            }
            for probe in probes {
                prop_assert_eq!(set.contains(probe), model.contains(&probe));
                prop_assert_eq!(set.next_from(probe), model.range(probe..).next().copied());
            }
        }
    }
}
