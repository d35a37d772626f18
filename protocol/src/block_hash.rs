//! The common structure of SHA-1 and SHA-256: a state is advanced over blocks of 64 bytes, and the end of the message
//! is padded to whole blocks.
//!
//! A [`BlockState`] implements the hash function. One stream is inherently serial; [`batch`] hashes several in
//! parallel.

pub mod batch;
#[cfg(target_arch = "x86_64")]
pub(crate) mod columns;
#[cfg(target_arch = "x86_64")]
pub(crate) mod registers;

use std::fmt::Debug;

/// The block length in bytes.
pub const BLOCK_LEN: usize = 64;

/// The number of streams that are advanced at once on processors with AVX-512.
pub(crate) const WIDE_LANES: usize = 8;

/// Returns true if the processor can advance [`WIDE_LANES`] streams at once.
fn is_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    return columns::is_supported();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// A hash function's intermediate state after a number of whole blocks.
pub trait BlockState: Copy + Debug + Eq {
    /// Returns the minimum number of streams for which advancing eight at once is fastest, if the processor supports it.
    fn min_wide_lanes() -> usize;

    /// Advances the state over blocks.
    fn advance(&mut self, blocks: &[[u8; BLOCK_LEN]]);

    /// Advances each state over its own run, by the number of blocks of the shortest run; returns that number.
    fn advance_all<const N: usize>(states: &mut [Self; N], runs: [&[[u8; BLOCK_LEN]]; N]) -> usize;
}

/// Hashes a stream of bytes in any fragmentation, from a given state.
#[derive(Debug, Clone)]
pub struct Hasher<S> {
    state: S,
    tail: [u8; BLOCK_LEN],
    tail_len: usize,
}

impl<S: BlockState> Hasher<S> {
    /// Starts from `state`.
    pub const fn from_state(state: S) -> Self {
        Self { state, tail: [0; BLOCK_LEN], tail_len: 0 }
    }

    /// Hashes more bytes.
    pub fn update(&mut self, data: &[u8]) {
        let blocks = self.align(data);
        self.state.advance(blocks);
    }

    /// Buffers the incomplete blocks at both ends of `data`, and returns the whole blocks between them. The caller
    /// must advance the state over these before any other call.
    fn align<'a>(&mut self, mut data: &'a [u8]) -> &'a [[u8; BLOCK_LEN]] {
        if self.tail_len > 0 {
            let free = self.tail.get_mut(self.tail_len..).unwrap_or_default();
            let taken = free.len().min(data.len());
            let (head, rest) = data.split_at(taken);
            for (to, from) in free.iter_mut().zip(head) {
                *to = *from;
            }
            self.tail_len += taken;
            data = rest;
            if self.tail_len < BLOCK_LEN {
                return &[];
            }
            self.state.advance(&[self.tail]);
        }
        let (blocks, rest) = data.as_chunks::<BLOCK_LEN>();
        for (to, from) in self.tail.iter_mut().zip(rest) {
            *to = *from;
        }
        self.tail_len = rest.len();
        blocks
    }

    /// Returns the state, if the bytes hashed so far fill whole blocks.
    pub fn state(&self) -> Option<S> {
        (self.tail_len == 0).then_some(self.state)
    }

    /// Pads the message and returns its final state. `length` is the total length in bytes, including those before
    /// the initial state.
    pub fn finish_state(mut self, length: u64) -> S {
        let bits = length.wrapping_mul(8).to_be_bytes();
        let mut padding = [0; BLOCK_LEN + 8];
        if let Some(first) = padding.first_mut() {
            *first = 0x80;
        }
        // Append 0x80, zeros up to 8 bytes before the end of a block, and the length in bits.
        let zeros = (BLOCK_LEN + BLOCK_LEN - 8 - 1 - self.tail_len) % BLOCK_LEN;
        self.update(padding.get(..=zeros).unwrap_or_default());
        self.update(&bits);
        self.state
    }
}
