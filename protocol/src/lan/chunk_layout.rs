use std::num::NonZeroU16;
use std::ops::Range;

use crate::limits::MAX_CHUNK_COUNT;

/// Into how many chunks files are cut: from 1 to [`MAX_CHUNK_COUNT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkCount(NonZeroU16);

impl ChunkCount {
    /// Takes a number for a count, if it can be one.
    pub fn new(count: u16) -> Option<Self> {
        NonZeroU16::new(count).filter(|count| count.get() <= MAX_CHUNK_COUNT).map(Self)
    }

    /// Returns the number.
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl Default for ChunkCount {
    /// Five, as the programs in the wild do it.
    fn default() -> Self {
        Self(NonZeroU16::MIN.saturating_add(4))
    }
}

/// How a file is cut: into chunks of `ceil(size / count)` bytes, of which the last is the rest. A file too small for so many
/// gives fewer, and none of them is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkLayout {
    size: u64,
    chunk_len: u64,
}

impl ChunkLayout {
    /// Cuts a file of `size` bytes.
    pub fn new(size: u64, count: ChunkCount) -> Self {
        Self { size, chunk_len: size.div_ceil(u64::from(count.get())).max(1) }
    }

    /// Returns how many chunks there are; an empty file has none.
    pub fn chunk_count(&self) -> u16 {
        // At most the count that the file was cut with.
        u16::try_from(self.size.div_ceil(self.chunk_len)).unwrap_or(u16::MAX)
    }

    /// Returns which bytes of the file a chunk holds; the first chunk is 1.
    pub fn range(&self, number: u16) -> Option<Range<u64>> {
        let start = u64::from(number.checked_sub(1)?).checked_mul(self.chunk_len)?;
        (start < self.size).then(|| start..self.size.min(start.saturating_add(self.chunk_len)))
    }

    /// Says whether chunks of these lengths, in order, are all chunks of some file.
    pub fn is_complete(lengths: &[u64], count: ChunkCount) -> bool {
        let Some(size) = lengths.iter().try_fold(0_u64, |sum, length| sum.checked_add(*length)) else {
            return false;
        };
        let cut = Self::new(size, count);
        usize::from(cut.chunk_count()) == lengths.len()
            && (1..).zip(lengths).all(|(number, length)| {
                cut.range(number).is_some_and(|range| range.end - range.start == *length)
            })
    }
}

/// How long a chunk must be, as far as other chunks of its file show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkLengthRule {
    number: u16,
    count: ChunkCount,
    /// The length of all chunks but the last, if it is known.
    full_len: Option<u64>,
}

impl ChunkLengthRule {
    /// Makes the rule for the chunk of this number out of the numbers and lengths of others.
    pub fn new(number: u16, count: ChunkCount, others: impl IntoIterator<Item = (u16, u64)>) -> Self {
        let mut others = others.into_iter().filter(|(other, _)| *other != number && *other < count.get());
        // The smallest number belongs least to a last chunk.
        let full = others.by_ref().min().map(|(_, length)| length);
        Self { number, count, full_len: full }
    }

    /// Returns whether the chunk can have this length; none if nothing is known.
    pub fn allows(&self, length: u64) -> Option<bool> {
        let full = self.full_len?;
        let is_last = self.number == self.count.get();
        // The rest of a file in so many chunks is shorter than the others by less than their number.
        let missing = full.checked_sub(length);
        Some(missing.is_some_and(|missing| missing == 0 || is_last && missing < u64::from(self.count.get())))
    }
}
