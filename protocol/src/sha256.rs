//! SHA-256 that can be suspended and resumed at any block boundary, as [manifests](crate::manifest) require.
//!
//! The block function is that of the `sha2` crate, or of [`lanes`] for several messages at once.

#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod lanes;

use sha2::block_api::compress256;

use crate::block_hash::{self, BlockState};
use crate::digest::Digest;

pub use crate::block_hash::BLOCK_LEN;

/// The round constants (FIPS 180-4, 4.2.2), grouped by four rounds and by sixteen.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
static ROUND_CONSTANTS: [[[u32; 4]; 4]; 4] = [
    [[0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5], [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
     [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3], [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174]],
    [[0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc], [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
     [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7], [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967]],
    [[0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13], [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
     [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3], [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070]],
    [[0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5], [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
     [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208], [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2]],
];

/// SHA-256's intermediate state after a number of whole blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256State([u32; 8]);

impl BlockState for Sha256State {
    fn min_wide_lanes() -> usize {
        lanes::min_wide_lanes()
    }

    fn advance(&mut self, blocks: &[[u8; BLOCK_LEN]]) {
        compress256(&mut self.0, blocks);
    }

    fn advance_all<const N: usize>(states: &mut [Self; N], runs: [&[[u8; BLOCK_LEN]]; N]) -> usize {
        lanes::compress(states, runs)
    }
}

impl Sha256State {
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

    /// Creates a state from 32 bytes of big-endian words.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let mut state = [0; 8];
        for (word, bytes) in state.iter_mut().zip(words) {
            *word = u32::from_be_bytes(*bytes);
        }
        Self(state)
    }

    /// Returns the state as 32 bytes of big-endian words.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (chunks, _) = bytes.as_chunks_mut::<4>();
        for (chunk, word) in chunks.iter_mut().zip(self.0) {
            *chunk = word.to_be_bytes();
        }
        bytes
    }
}

/// Hashes a stream of bytes from a given state.
pub type Sha256Hasher = block_hash::Hasher<Sha256State>;

impl Sha256Hasher {
    /// Pads the message and returns its digest. `length` is the total length in bytes, including those before the
    /// initial state.
    pub fn finish(self, length: u64) -> Digest {
        Digest::from_bytes(self.finish_state(length).to_bytes())
    }
}

/// Hashes one message in memory.
pub fn sha256(data: &[u8]) -> Digest {
    let mut hasher = Sha256Hasher::from_state(Sha256State::INITIAL);
    hasher.update(data);
    hasher.finish(data.len() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::Digest as _;

    use super::*;

    #[test]
    fn empty_input_has_the_known_digest() {
        assert_eq!(sha256(b""), Digest::EMPTY);
    }

    proptest! {
        #[test]
        fn any_fragmentation_matches_sha2(data in prop::collection::vec(any::<u8>(), 0..700),
                                             cuts in prop::collection::vec(0usize..700, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(data.len())).collect();
            cuts.sort_unstable();
            let mut hasher = Sha256Hasher::from_state(Sha256State::INITIAL);
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
        fn state_round_trips(bytes: [u8; 32]) {
            prop_assert_eq!(Sha256State::from_bytes(&bytes).to_bytes(), bytes);
        }
    }
}
