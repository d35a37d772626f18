//! Hashing the way SHA-1 and SHA-256 have in common: a state is advanced over blocks of 64 bytes, and the message is padded to
//! whole blocks at its end.
//!
//! Which function it is, is for a [`BlockState`] to know. One stream is serial by its nature; [`batch`] hashes several side by
//! side.

pub mod batch;
#[cfg(target_arch = "x86_64")]
pub(crate) mod columns;
#[cfg(target_arch = "x86_64")]
pub(crate) mod registers;

use std::fmt::Debug;

/// The bytes that are taken in at a time.
pub const BLOCK_LEN: usize = 64;

/// How many streams go together where the processor computes with a word of each at once.
pub(crate) const WIDE_LANES: usize = 8;

/// Says whether the processor computes with words of eight streams at once.
fn is_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    return columns::is_supported();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// A hash function's intermediate state after some whole blocks.
pub trait BlockState: Copy + Debug + Eq {
    /// Returns from how many streams on they are best advanced as eight, where the processor does that.
    fn min_wide_lanes() -> usize;

    /// Advances the state over some blocks.
    fn advance(&mut self, blocks: &[[u8; BLOCK_LEN]]);

    /// Advances each state over its own blocks, as many as the shortest run has; returns how many that is.
    fn advance_all<const N: usize>(states: &mut [Self; N], runs: [&[[u8; BLOCK_LEN]]; N]) -> usize;
}

/// Hashes a stream of bytes from a given state on, whatever way the stream is cut.
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

    /// Takes in more bytes.
    pub fn update(&mut self, data: &[u8]) {
        let blocks = self.align(data);
        self.state.advance(blocks);
    }

    /// Takes in more bytes, but for the whole blocks among them, over which the caller must advance the state before
    /// anything else is asked of it.
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

    /// Returns the state, if what was taken in so far fills whole blocks.
    pub fn state(&self) -> Option<S> {
        (self.tail_len == 0).then_some(self.state)
    }

    /// Pads and returns the last state of a message of `length` bytes in all, those before the first state included.
    pub fn finish_state(mut self, length: u64) -> S {
        let bits = length.wrapping_mul(8).to_be_bytes();
        let mut padding = [0; BLOCK_LEN + 8];
        if let Some(first) = padding.first_mut() {
            *first = 0x80;
        }
        // One 0x80, then zeros up to 8 bytes short of a block's end.
        let zeros = (BLOCK_LEN + BLOCK_LEN - 8 - 1 - self.tail_len) % BLOCK_LEN;
        self.update(padding.get(..=zeros).unwrap_or_default());
        self.update(&bits);
        self.state
    }
}
