//! A large set of numbers: a list or a bitmap for each 65,536 that agree in their high bits.

use std::cmp::Ordering;

use super::bitmap::Bitmap;
use super::intersection::from_lower_bound;

/// A chunk has the numbers that agree in all but this many low bits.
const CONTAINER_BITS: u32 = 16;

/// A chunk with more numbers than this is a bitmap of 8 KiB; with fewer than half of it, a list again.
const DENSE_MIN_LEN: usize = 2048;

/// The words of a bitmap.
const WORDS: usize = 1 << (CONTAINER_BITS - 6);

/// A large set.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    pub(super) len: usize,
    /// By their high bits, none empty.
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
        let place = match self.containers.binary_search_by_key(&high, |(high, _)| *high) {
            Ok(place) => place,
            Err(place) => {
                self.containers.insert(place, (high, Container::Sparse(Vec::new())));
                place
            }
        };
        if self.containers.get_mut(place).is_some_and(|(_, chunk)| chunk.insert(low)) {
            self.len += 1;
        }
    }

    /// Puts numbers in whose chunks are likely to be the same as those of the numbers before them.
    pub(super) fn append(&mut self, numbers: impl Iterator<Item = u32>) {
        for number in numbers {
            let (high, low) = split(number);
            match self.containers.last_mut() {
                Some((last, chunk)) if *last == high => self.len += usize::from(chunk.insert(low)),
                _ => self.insert(number),
            }
        }
    }

    pub(super) fn remove(&mut self, number: u32) {
        let (high, low) = split(number);
        let Ok(place) = self.containers.binary_search_by_key(&high, |(high, _)| *high) else { return };
        let Some((_, chunk)) = self.containers.get_mut(place) else { return };
        if chunk.remove(low) {
            self.len = self.len.saturating_sub(1);
        }
        if chunk.next_from(0).is_none() {
            self.containers.remove(place);
        }
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        let (high, low) = split(number);
        let place = self.containers.binary_search_by_key(&high, |(high, _)| *high);
        place.ok().and_then(|place| self.containers.get(place)).is_some_and(|(_, chunk)| chunk.contains(low))
    }

    /// Leaves only those numbers in a list, which is in order, that are in.
    pub(super) fn retain_in(&self, list: &mut Vec<u32>) {
        let mut chunks = self.containers.iter();
        let mut current = chunks.next();
        let mut lows: &[u16] = &[];
        let mut opened = None;
        list.retain(|number| {
            let (high, low) = split(*number);
            while current.is_some_and(|(other, _)| *other < high) {
                current = chunks.next();
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
        let (found, chunk) = rest.next()?;
        let from = if *found == high { low } else { 0 };
        if let Some(low) = chunk.next_from(from) {
            return Some(join(*found, low));
        }
        let (found, chunk) = rest.next()?;
        chunk.next_from(0).map(|low| join(*found, low))
    }

    pub(super) fn list(&self) -> Vec<u32> {
        let mut list = Vec::with_capacity(self.len);
        self.list_into(&mut list);
        list
    }

    pub(super) fn list_into(&self, list: &mut Vec<u32>) {
        for (high, chunk) in &self.containers {
            match chunk {
                Container::Sparse(lows) => list.extend(lows.iter().map(|low| join(*high, *low))),
                Container::Dense { bits, .. } => {
                    let mut first = join(*high, 0);
                    for word in bits.iter() {
                        let mut left = *word;
                        while left != 0 {
                            list.push(first + left.trailing_zeros());
                            left &= left - 1;
                        }
                        first = first.saturating_add(64);
                    }
                }
            }
        }
    }

    pub(super) fn add_to(&self, bitmap: &mut Bitmap) {
        for (high, chunk) in &self.containers {
            match chunk {
                Container::Sparse(lows) => lows.iter().for_each(|low| bitmap.insert(join(*high, *low))),
                Container::Dense { bits, .. } => bitmap.union_words(join(*high, 0), bits.as_slice()),
            }
        }
    }

    /// Returns the lowest number not below another that is in both.
    pub(super) fn next_in_both(&self, other: &Self, number: u32) -> Option<u32> {
        let (high, low) = split(number);
        let first = self.containers.partition_point(|(other, _)| *other < high);
        let mut others =
            other.containers.get(other.containers.partition_point(|(other, _)| *other < high)..)?;
        for (here, chunk) in self.containers.get(first..)? {
            while let Some(((there, _), rest)) = others.split_first()
                && there < here
            {
                others = rest;
            }
            let ((there, other), rest) = others.split_first()?;
            if here == there {
                others = rest;
                let from = if *here == high { low } else { 0 };
                if let Some(low) = chunk.next_in_both(other, from) {
                    return Some(join(*here, low));
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
                    let Err(place) = list.binary_search(&low) else { return false };
                    list.insert(place, low);
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
                let Ok(place) = list.binary_search(&low) else { return false };
                list.remove(place);
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

/// Sets a bit and says whether that changed it.
fn set_bit(bits: &mut [u64; WORDS], low: u16, set: bool) -> bool {
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
    first_bit(bits.iter().copied(), low)
}

/// Finds the first bit that is set in both at a place or behind it.
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
