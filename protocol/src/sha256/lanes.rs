//! The block function of SHA-256 over several independent states at once.
//!
//! In one stream every round waits for the one before, so a processor's SHA unit stands idle half of the time. Rounds
//! of other streams, put between, fill it. The instructions are those of x86-64's SHA extensions, where the processor
//! is found to have them; elsewhere the streams go through `sha2` one after the other.
//!
//! CPU seconds per GiB on an AMD EPYC (`cargo bench -p protocol --bench sha256`), pieces of 256 KiB: `sha2` in one stream
//! 0.69, two lanes 0.39, three 0.41, four 0.38. Two keep the unit nearly full; the words of more do not all fit into the
//! registers.
//!
//! This file and its like for SHA-1 are the two with `unsafe` in them, each for one call: of a function that needs instructions
//! which the line before has asked for.

use sha2::block_api::compress256;

use super::{BLOCK, State};

/// Advances each state over its own blocks, as many as the shortest run has; returns how many that is.
pub fn compress<const N: usize>(states: &mut [State; N], runs: [&[[u8; BLOCK]]; N]) -> usize {
    let common = runs.iter().map(|run| run.len()).min().unwrap_or(0);
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sha") && std::arch::is_x86_feature_detected!("sse4.1") {
        // SAFETY: the function's only demand is that the processor has these two features, and it was asked for both.
        #[expect(unsafe_code, reason = "no safe call is possible of what needs features found at run time")]
        unsafe {
            sha_ni::compress(states, &runs, common);
        }
        return common;
    }
    one_by_one(states, &runs, common);
    common
}

/// Does the same with one stream after the other.
fn one_by_one<const N: usize>(states: &mut [State; N], runs: &[&[[u8; BLOCK]]; N], common: usize) {
    for (state, run) in states.iter_mut().zip(runs) {
        compress256(&mut state.0, run.get(..common).unwrap_or_default());
    }
}

/// The rounds with the SHA extensions: of every four rounds, those of all lanes stand side by side.
#[cfg(target_arch = "x86_64")]
mod sha_ni {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_set_epi64x, _mm_setzero_si128, _mm_sha256msg1_epu32,
        _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi32,
    };

    use super::{BLOCK, State};
    use crate::block_hash::registers::{array, load, vector};

    /// The constants of the rounds (FIPS 180-4, 4.2.2), four for each step, four steps for each turn of the schedule.
    #[rustfmt::skip]
    static CONSTANTS: [[[u32; 4]; 4]; 4] = [
        [[0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5], [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
         [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3], [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174]],
        [[0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc], [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
         [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7], [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967]],
        [[0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13], [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
         [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3], [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070]],
        [[0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5], [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
         [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208], [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2]],
    ];

    /// One stream in registers: its state in the order that the instructions want, and the next 16 words of its schedule.
    #[derive(Clone, Copy)]
    struct Lane {
        abef: __m128i,
        cdgh: __m128i,
        words: [__m128i; 4],
    }

    #[expect(clippy::many_single_char_names, reason = "they are the words' names in the standard")]
    #[target_feature(enable = "sha,sse4.1")]
    pub(super) fn compress<const N: usize>(
        states: &mut [State; N],
        runs: &[&[[u8; BLOCK]]; N],
        common: usize,
    ) {
        let zero = _mm_setzero_si128();
        let mut lanes = [Lane { abef: zero, cdgh: zero, words: [zero; 4] }; N];
        for (lane, State([a, b, c, d, e, f, g, h])) in lanes.iter_mut().zip(states.iter()) {
            lane.abef = vector([*f, *e, *b, *a]);
            lane.cdgh = vector([*h, *g, *d, *c]);
        }
        // Words are big-endian.
        let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        for number in 0..common {
            for (lane, run) in lanes.iter_mut().zip(runs) {
                if let Some(block) = run.get(number) {
                    load(&mut lane.words, block, order);
                }
            }
            block(&mut lanes);
        }
        for (State(state), Lane { abef, cdgh, .. }) in states.iter_mut().zip(lanes) {
            let [f, e, b, a] = array(abef);
            let [h, g, d, c] = array(cdgh);
            *state = [a, b, c, d, e, f, g, h];
        }
    }

    /// The 64 rounds over the block that each lane has loaded.
    #[inline]
    #[target_feature(enable = "sha,sse4.1")]
    fn block<const N: usize>(lanes: &mut [Lane; N]) {
        let before = *lanes;
        let [turns @ .., last] = &CONSTANTS;
        // Four steps bring the words back into the registers they were in, so that none has to be moved.
        for [first, second, third, fourth] in turns {
            for constants in [first, second, third, fourth] {
                for lane in lanes.iter_mut() {
                    rounds(lane, *constants);
                    schedule(lane);
                }
            }
        }
        for constants in last {
            for lane in lanes.iter_mut() {
                rounds(lane, *constants);
                let [used, second, third, fourth] = lane.words;
                lane.words = [second, third, fourth, used];
            }
        }
        for (lane, before) in lanes.iter_mut().zip(before) {
            lane.abef = _mm_add_epi32(lane.abef, before.abef);
            lane.cdgh = _mm_add_epi32(lane.cdgh, before.cdgh);
        }
    }

    /// Four rounds, with the first of the words.
    #[inline]
    #[target_feature(enable = "sha,sse4.1")]
    fn rounds(lane: &mut Lane, constants: [u32; 4]) {
        let [words, ..] = lane.words;
        let sum = _mm_add_epi32(words, vector(constants));
        lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, sum);
        lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, _mm_shuffle_epi32::<0x0e>(sum));
    }

    /// Puts the next four words of the schedule behind those that are there, in the place of the first.
    #[inline]
    #[target_feature(enable = "sha,sse4.1")]
    fn schedule(lane: &mut Lane) {
        let [first, second, third, fourth] = lane.words;
        let partial = _mm_add_epi32(_mm_sha256msg1_epu32(first, second), _mm_alignr_epi8::<4>(fourth, third));
        lane.words = [second, third, fourth, _mm_sha256msg2_epu32(partial, fourth)];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn advance_like_sha2<const N: usize>(seeds: [[u32; 8]; N], messages: &[Vec<[u8; BLOCK]>]) {
        let runs: [&[[u8; BLOCK]]; N] = std::array::from_fn(|lane| messages[lane].as_slice());
        let common = runs.iter().map(|run| run.len()).min().unwrap();
        let mut right = seeds.map(State);
        one_by_one(&mut right, &runs, common);
        let mut ours = seeds.map(State);
        assert_eq!(compress(&mut ours, runs), common);
        assert_eq!(ours, right);
    }

    fn run_of_blocks() -> impl Strategy<Value = Vec<[u8; BLOCK]>> {
        prop::collection::vec(any::<[u8; BLOCK]>(), 0..20)
    }

    proptest! {
        #[test]
        fn any_number_of_lanes_ends_where_sha2_does(seeds: [[u32; 8]; 4],
                                                    messages in prop::collection::vec(run_of_blocks(), 4)) {
            let [first, second, third, _] = seeds;
            advance_like_sha2([first], &messages);
            advance_like_sha2([first, second], &messages);
            advance_like_sha2([first, second, third], &messages);
            advance_like_sha2(seeds, &messages);
        }
    }
}
