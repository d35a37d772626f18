use std::num::NonZeroU16;
use std::ops::Range;

use crate::limits::MAX_CHUNK_COUNT;

/// The number of chunks per file, from 1 to [`MAX_CHUNK_COUNT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkCount(NonZeroU16);

impl ChunkCount {
    /// Creates a count; `None` if it is out of range.
    pub fn new(count: u16) -> Option<Self> {
        NonZeroU16::new(count).filter(|count| count.get() <= MAX_CHUNK_COUNT).map(Self)
    }

    /// Returns the number.
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl Default for ChunkCount {
    /// Five, the usual number of other programs.
    fn default() -> Self {
        Self(NonZeroU16::MIN.saturating_add(4))
    }
}

/// How a file is split: into chunks of `ceil(size / count)` bytes; the last chunk has the rest. A file with fewer
/// than `count` bytes has fewer chunks. No chunk is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkLayout {
    size: u64,
    chunk_len: u64,
}

impl ChunkLayout {
    /// Splits a file of `size` bytes.
    pub fn new(size: u64, count: ChunkCount) -> Self {
        Self { size, chunk_len: size.div_ceil(u64::from(count.get())).max(1) }
    }

    /// Returns the number of chunks; an empty file has none.
    pub fn chunk_count(&self) -> u16 {
        // At most the count that was passed to `new`.
        u16::try_from(self.size.div_ceil(self.chunk_len)).unwrap_or(u16::MAX)
    }

    /// Returns the byte range of a chunk; the first chunk is 1.
    pub fn range(&self, number: u16) -> Option<Range<u64>> {
        let start = u64::from(number.checked_sub(1)?).checked_mul(self.chunk_len)?;
        (start < self.size).then(|| start..self.size.min(start.saturating_add(self.chunk_len)))
    }

    /// Returns true if chunks of these lengths, in order, make up a whole file.
    pub fn is_complete(lengths: &[u64], count: ChunkCount) -> bool {
        // The lengths come from strangers, so their sum may not fit.
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

/// The length that a chunk must have, derived from other chunks of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkLengthRule {
    number: u16,
    count: ChunkCount,
    /// The length of all chunks but the last, if known.
    full_len: Option<u64>,
}

impl ChunkLengthRule {
    /// Derives the rule for chunk `number` from the numbers and lengths of other chunks.
    pub fn new(number: u16, count: ChunkCount, others: impl IntoIterator<Item = (u16, u64)>) -> Self {
        let mut others = others.into_iter().filter(|(other, _)| *other != number && *other < count.get());
        // The lowest number is the least likely to be the last chunk, which may be shorter.
        let full = others.by_ref().min().map(|(_, length)| length);
        Self { number, count, full_len: full }
    }

    /// Returns true if the chunk can have this length; `None` if nothing is known.
    pub fn allows(&self, length: u64) -> Option<bool> {
        let full = self.full_len?;
        let is_last = self.number == self.count.get();
        // The last chunk is shorter than the others by less than the number of chunks.
        let missing = full.checked_sub(length);
        Some(missing.is_some_and(|missing| missing == 0 || is_last && missing < u64::from(self.count.get())))
    }
}
