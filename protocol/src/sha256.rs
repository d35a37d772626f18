//! SHA-256 that can be stopped and taken up again at any block, which is what a [manifest](crate::manifest) rests on.
//!
//! The block function is the `sha2` crate's, or that of [`lanes`] for several messages at once.

pub mod lanes;

use sha2::block_api::compress256;

use crate::block_hash::{self, BlockState};
use crate::digest::Digest;

pub use crate::block_hash::BLOCK;

/// SHA-256's intermediate state after some whole blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State([u32; 8]);

impl BlockState for State {
    fn advance(&mut self, blocks: &[[u8; BLOCK]]) {
        compress256(&mut self.0, blocks);
    }

    fn advance_all<const N: usize>(states: &mut [Self; N], runs: [&[[u8; BLOCK]]; N]) -> usize {
        lanes::compress(states, runs)
    }
}

impl State {
    /// The state before the first byte (FIPS 180-4, 5.3.3).
    pub const INITIAL: Self = Self([
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ]);

    /// Reads a state from its 32 bytes, big-endian words.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let mut state = [0; 8];
        for (word, bytes) in state.iter_mut().zip(words) {
            *word = u32::from_be_bytes(*bytes);
        }
        Self(state)
    }

    /// Returns the state's 32 bytes, big-endian words.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (chunks, _) = bytes.as_chunks_mut::<4>();
        for (chunk, word) in chunks.iter_mut().zip(self.0) {
            *chunk = word.to_be_bytes();
        }
        bytes
    }
}

/// Hashes a stream of bytes from a given state on.
pub type Hasher = block_hash::Hasher<State>;

impl Hasher {
    /// Pads and returns the digest of a message of `length` bytes in all, those before the first state included.
    pub fn finish(self, length: u64) -> Digest {
        Digest::from_bytes(self.last_state(length).to_bytes())
    }
}

/// Hashes one message held in memory.
pub fn sha256(data: &[u8]) -> Digest {
    let mut hasher = Hasher::from_state(State::INITIAL);
    hasher.update(data);
    hasher.finish(data.len() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::Digest as _;

    use super::*;

    #[test]
    fn nothing_hashes_to_the_known_digest() {
        assert_eq!(sha256(b""), Digest::OF_NOTHING);
    }

    proptest! {
        #[test]
        fn any_cutting_gives_what_sha2_gives(data in prop::collection::vec(any::<u8>(), 0..700),
                                             cuts in prop::collection::vec(0usize..700, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(data.len())).collect();
            cuts.sort_unstable();
            let mut hasher = Hasher::from_state(State::INITIAL);
            let mut from = 0;
            for cut in cuts.into_iter().chain([data.len()]) {
                hasher.update(&data[from..cut]);
                from = cut;
            }
            let ours = hasher.finish(data.len() as u64);
            let theirs: [u8; 32] = sha2::Sha256::digest(&data).into();
            prop_assert_eq!(ours.as_bytes(), &theirs);
        }

        #[test]
        fn a_state_survives_its_bytes(bytes: [u8; 32]) {
            prop_assert_eq!(State::from_bytes(&bytes).to_bytes(), bytes);
        }
    }
}
