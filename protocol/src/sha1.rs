//! SHA-1 over several messages in parallel, for the pieces of torrents.
//!
//! The block function is that of the `sha1` crate, or of [`lanes`] for several messages at once.

#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod lanes;

use sha1::block_api::compress;

use crate::block_hash::batch::{HashInput, update_all};
use crate::block_hash::{BLOCK_LEN, BlockState, Hasher};

/// SHA-1's intermediate state after a number of whole blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha1State([u32; 5]);

impl Sha1State {
    /// The state before the first byte (FIPS 180-4, 5.3.1).
    pub const INITIAL: Self = Self([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]);

    /// Returns the state as 20 bytes of big-endian words.
    pub fn to_bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        let (chunks, _) = bytes.as_chunks_mut::<4>();
        for (chunk, word) in chunks.iter_mut().zip(self.0) {
            *chunk = word.to_be_bytes();
        }
        bytes
    }
}

impl BlockState for Sha1State {
    fn min_wide_lanes() -> usize {
        lanes::min_wide_lanes()
    }

    fn advance(&mut self, blocks: &[[u8; BLOCK_LEN]]) {
        compress(&mut self.0, blocks);
    }

    fn advance_all<const N: usize>(states: &mut [Self; N], runs: [&[[u8; BLOCK_LEN]]; N]) -> usize {
        lanes::compress(states, runs)
    }
}

/// Hashes messages, each given in parts. A batch is much faster than single calls;
/// [`min_batch_len`](crate::block_hash::batch::min_batch_len) returns the best batch size.
pub fn sha1_all<'a>(messages: impl IntoIterator<Item = Vec<&'a [u8]>>) -> Vec<[u8; 20]> {
    let begin = |parts| HashInput { hasher: Hasher::from_state(Sha1State::INITIAL), parts };
    let mut messages: Vec<HashInput<'a, Sha1State>> = messages.into_iter().map(begin).collect();
    update_all(&mut messages);
    let end = |HashInput { hasher, parts }: HashInput<'_, Sha1State>| {
        hasher.finish_state(parts.iter().map(|part| part.len() as u64).sum()).to_bytes()
    };
    messages.into_iter().map(end).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha1::{Digest as _, Sha1};

    use super::*;

    #[test]
    fn empty_input_has_the_known_hash() {
        assert_eq!(
            sha1_all([vec![]]),
            [[
                0xda, 0x39, 0xa3, 0xee, 0x5e, 0x6b, 0x4b, 0x0d, 0x32, 0x55, 0xbf, 0xef, 0x95, 0x60, 0x18,
                0x90, 0xaf, 0xd8, 0x07, 0x09
            ]]
        );
    }

    proptest! {
        #[test]
        fn batched_hashes_match_single_ones(
            messages in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 0..4), 0..11)
        ) {
            let parts = messages.iter().map(|message| message.iter().map(Vec::as_slice).collect());
            let alone: Vec<[u8; 20]> =
                messages.iter().map(|message| Sha1::digest(message.concat()).into()).collect();
            prop_assert_eq!(sha1_all(parts), alone);
        }
    }
}
