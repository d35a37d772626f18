//! A large set of numbers: a sorted list or a bitmap for each range of 65,536 numbers with the same high bits.

use std::cmp::Ordering;

use super::bitmap::Bitmap;
use super::intersection::from_lower_bound;

/// The number of low bits within a container.
const CONTAINER_BITS: u32 = 16;

/// Size above which a container becomes a bitmap of 8 KiB; below half of it, it becomes a list again.
const DENSE_MIN_LEN: usize = 2048;

/// Words per bitmap.
const WORDS: usize = 1 << (CONTAINER_BITS - 6);

/// A large set.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    pub(super) len: usize,
    /// The non-empty containers by their high bits.
    containers: Vec<(u16, Container)>,
}

#[derive(Debug)]
enum Container {
    Sparse(Vec<u16>),
    Dense { len: usize, bits: Box<[u64; WORDS]> },
}

fn split(number: u32) -> (u16, u16) {
    let [a, b, c, d] = number.to_be_bytes();
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

fn join(high: u16, low: u16) -> u32 {
    u32::from(high) << CONTAINER_BITS | u32::from(low)
}

impl Containers {
    pub(super) fn insert(&mut self, number: u32) {
        let (high, low) = split(number);
        let index = match self.containers.binary_search_by_key(&high, |(high, _)| *high) {
            Ok(index) => index,
            Err(index) => {
                self.containers.insert(index, (high, Container::Sparse(Vec::new())));
                index
            }
        };
        if self.containers.get_mut(index).is_some_and(|(_, container)| container.insert(low)) {
            self.len += 1;
        }
    }

    /// Inserts numbers that are likely to be in the same container as their predecessors.
    pub(super) fn append(&mut self, numbers: impl Iterator<Item = u32>) {
        for number in numbers {
            let (high, low) = split(number);
            match self.containers.last_mut() {
                Some((last, container)) if *last == high => self.len += usize::from(container.insert(low)),
                _ => self.insert(number),
            }
        }
    }

    pub(super) fn remove(&mut self, number: u32) {
        let (high, low) = split(number);
        let Ok(index) = self.containers.binary_search_by_key(&high, |(high, _)| *high) else { return };
        let Some((_, container)) = self.containers.get_mut(index) else { return };
        if container.remove(low) {
            self.len = self.len.saturating_sub(1);
        }
        if container.next_from(0).is_none() {
            self.containers.remove(index);
        }
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        let (high, low) = split(number);
        let index = self.containers.binary_search_by_key(&high, |(high, _)| *high);
        index
            .ok()
            .and_then(|index| self.containers.get(index))
            .is_some_and(|(_, container)| container.contains(low))
    }

    /// Keeps only those numbers of a sorted list that are in the set.
    pub(super) fn retain_in(&self, list: &mut Vec<u32>) {
        let mut containers = self.containers.iter();
        let mut current = containers.next();
        let mut lows: &[u16] = &[];
        let mut opened = None;
        list.retain(|number| {
            let (high, low) = split(*number);
            while current.is_some_and(|(other, _)| *other < high) {
                current = containers.next();
            }
            match current {
                Some((other, Container::Dense { bits, .. })) => *other == high && is_set(bits, low),
                Some((other, Container::Sparse(all))) if *other == high => {
                    if opened.replace(high) != Some(high) {
                        lows = all;
                    }
                    lows = from_lower_bound(lows, &low);
                    lows.first() == Some(&low)
                }
                _ => false,
            }
        });
    }

    pub(super) fn next_from(&self, number: u32) -> Option<u32> {
        let (high, low) = split(number);
        let first = self.containers.partition_point(|(other, _)| *other < high);
        let mut rest = self.containers.get(first..)?.iter();
        let (found, container) = rest.next()?;
        let from = if *found == high { low } else { 0 };
        if let Some(low) = container.next_from(from) {
            return Some(join(*found, low));
        }
        // Otherwise the result is the lowest element of the next container.
        let (found, container) = rest.next()?;
        container.next_from(0).map(|low| join(*found, low))
    }

    pub(super) fn list(&self) -> Vec<u32> {
        let mut list = Vec::with_capacity(self.len);
        self.list_into(&mut list);
        list
    }

    pub(super) fn list_into(&self, list: &mut Vec<u32>) {
        for (high, container) in &self.containers {
            match container {
                Container::Sparse(lows) => list.extend(lows.iter().map(|low| join(*high, *low))),
                Container::Dense { bits, .. } => {
                    let mut first = join(*high, 0);
                    for word in bits.iter() {
                        let mut remaining = *word;
                        while remaining != 0 {
                            list.push(first + remaining.trailing_zeros());
                            remaining &= remaining - 1;
                        }
                        first = first.saturating_add(64);
                    }
                }
            }
        }
    }

    pub(super) fn add_to(&self, bitmap: &mut Bitmap) {
        for (high, container) in &self.containers {
            match container {
                Container::Sparse(lows) => lows.iter().for_each(|low| bitmap.insert(join(*high, *low))),
                Container::Dense { bits, .. } => bitmap.union_words(join(*high, 0), bits.as_slice()),
            }
        }
    }

    /// Returns the lowest element from `number` on that is in both sets.
    pub(super) fn next_in_both(&self, other: &Self, number: u32) -> Option<u32> {
        let (high, low) = split(number);
        let first = self.containers.partition_point(|(other, _)| *other < high);
        let mut others =
            other.containers.get(other.containers.partition_point(|(other, _)| *other < high)..)?;
        for (own_high, container) in self.containers.get(first..)? {
            while let Some(((other_high, _), rest)) = others.split_first()
                && other_high < own_high
            {
                others = rest;
            }
            let ((other_high, other), rest) = others.split_first()?;
            if own_high == other_high {
                others = rest;
                let from = if *own_high == high { low } else { 0 };
                if let Some(low) = container.next_in_both(other, from) {
                    return Some(join(*own_high, low));
                }
            }
        }
        None
    }
}

impl Container {
    fn insert(&mut self, low: u16) -> bool {
        match self {
            Self::Sparse(list) => {
                if list.last().is_none_or(|last| *last < low) {
                    list.push(low);
                } else {
                    let Err(position) = list.binary_search(&low) else { return false };
                    list.insert(position, low);
                }
                if list.len() > DENSE_MIN_LEN {
                    let mut bits = Box::new([0; WORDS]);
                    for low in list.iter() {
                        set_bit(&mut bits, *low, true);
                    }
                    *self = Self::Dense { len: list.len(), bits };
                }
                true
            }
            Self::Dense { len, bits } => {
                let is_new = set_bit(bits, low, true);
                *len += usize::from(is_new);
                is_new
            }
        }
    }

    fn remove(&mut self, low: u16) -> bool {
        match self {
            Self::Sparse(list) => {
                let Ok(position) = list.binary_search(&low) else { return false };
                list.remove(position);
                true
            }
            Self::Dense { len, bits } => {
                let was_in = set_bit(bits, low, false);
                *len -= usize::from(was_in);
                if *len < DENSE_MIN_LEN / 2 {
                    let all =
                        std::iter::successors(next_bit(bits, 0), |low| next_bit(bits, low.checked_add(1)?));
                    *self = Self::Sparse(all.collect());
                }
                was_in
            }
        }
    }

    fn contains(&self, low: u16) -> bool {
        match self {
            Self::Sparse(list) => list.binary_search(&low).is_ok(),
            Self::Dense { bits, .. } => is_set(bits, low),
        }
    }

    fn next_from(&self, low: u16) -> Option<u16> {
        match self {
            Self::Sparse(list) => list.get(list.partition_point(|other| *other < low)).copied(),
            Self::Dense { bits, .. } => next_bit(bits, low),
        }
    }
}

impl Container {
    fn next_in_both(&self, other: &Self, low: u16) -> Option<u16> {
        let (list, other) = match (self, other) {
            (Self::Dense { bits, .. }, Self::Dense { bits: others, .. }) => {
                return next_common_bit(bits, others, low);
            }
            (Self::Sparse(list), other) | (other, Self::Sparse(list)) => (list, other),
        };
        let mut rest = list.get(list.partition_point(|other| *other < low)..)?;
        match other {
            Self::Dense { bits, .. } => rest.iter().copied().find(|low| is_set(bits, *low)),
            Self::Sparse(others) => {
                let mut others = others.get(others.partition_point(|other| *other < low)..)?;
                while let (Some((first, behind)), Some((other, others_behind))) =
                    (rest.split_first(), others.split_first())
                {
                    match first.cmp(other) {
                        Ordering::Less => rest = behind,
                        Ordering::Greater => others = others_behind,
                        Ordering::Equal => return Some(*first),
                    }
                }
                None
            }
        }
    }
}

fn is_set(bits: &[u64; WORDS], low: u16) -> bool {
    bits.get(usize::from(low >> 6)).is_some_and(|word| word & 1 << (low & 63) != 0)
}

/// Sets or clears a bit; returns true if that changed it.
fn set_bit(bits: &mut [u64; WORDS], low: u16, set: bool) -> bool {
    let Some(word) = bits.get_mut(usize::from(low >> 6)) else { return false };
    let mask = 1 << (low & 63);
    let changes = (*word & mask != 0) != set;
    if changes {
        *word ^= mask;
    }
    changes
}

/// Returns the first set bit from `low` on.
fn next_bit(bits: &[u64; WORDS], low: u16) -> Option<u16> {
    first_bit(bits.iter().copied(), low)
}

/// Returns the first bit from `low` on that is set in both.
fn next_common_bit(bits: &[u64; WORDS], others: &[u64; WORDS], low: u16) -> Option<u16> {
    first_bit(bits.iter().zip(others).map(|(word, other)| word & other), low)
}

fn first_bit(words: impl Iterator<Item = u64>, low: u16) -> Option<u16> {
    let mut masked = u64::MAX << (low & 63);
    for (index, word) in (low >> 6..).zip(words.skip(usize::from(low >> 6))) {
        let word = word & masked;
        if word != 0 {
            return u16::try_from(word.trailing_zeros()).ok().map(|bit| index << 6 | bit);
        }
        masked = u64::MAX;
    }
    None
}
