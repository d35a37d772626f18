//! The block function of SHA-256 over several independent states at once.
//!
//! In one stream every round waits for the one before, so a processor's SHA unit stands idle half of the time. Rounds
//! of other streams, put between, fill it. The instructions are those of x86-64's SHA extensions, where the processor
//! is found to have them; elsewhere the streams go through `sha2` one after the other. Eight streams are advanced by AVX-512
//! where there is that, see `avx512.rs`.
//!
//! CPU seconds per GiB (`cargo bench -p protocol --bench sha256`), pieces of 256 KiB: `sha2` in one stream 0.69 on an AMD EPYC
//! and 0.90 on an Intel Xeon, two lanes 0.39 and 0.58, three 0.41 and 0.51, four 0.38 and 0.51, eight 0.34 on the Xeon. Two keep
//! the SHA unit nearly full; the words of more do not all fit into the registers.
//!
//! This file and its like for SHA-1 are the two with `unsafe` in them, each for two calls: of functions that need instructions,
//! right behind the question whether they are there.

use sha2::block_api::compress256;

#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::{BLOCK_LEN, Sha256State};
#[cfg(target_arch = "x86_64")]
use crate::block_hash::columns;

/// Advances each state over its own blocks, as many as the shortest run has; returns how many that is.
pub fn compress<const N: usize>(states: &mut [Sha256State; N], runs: [&[[u8; BLOCK_LEN]]; N]) -> usize {
    let common = runs.iter().map(|run| run.len()).min().unwrap_or(0);
    // If there are eight.
    #[cfg(target_arch = "x86_64")]
    if let (Ok(states), Ok(runs)) = (states.as_mut_slice().try_into(), runs.as_slice().try_into())
        && columns::is_supported()
    {
        // SAFETY: the function's only demand is that the processor has what `is_supported` has asked it for.
        #[expect(unsafe_code, reason = "no safe call is possible of what needs features found at run time")]
        unsafe {
            avx512::compress(states, runs, common);
        }
        return common;
    }
    #[cfg(target_arch = "x86_64")]
    if has_sha() {
        // SAFETY: the function's only demand is that the processor has what `has_sha` has asked it for.
        #[expect(unsafe_code, reason = "no safe call is possible of what needs features found at run time")]
        unsafe {
            sha_ni::compress(states, &runs, common);
        }
        return common;
    }
    compress_one_by_one(states, &runs, common);
    common
}

/// Returns from how many streams on they are best advanced as eight, where the processor does that. Eight of a GiB each take 2.7
/// CPU seconds so, four in lanes and one more 2.9, four 2.0; without SHA extensions there are no lanes.
pub(super) fn min_wide_lanes() -> usize {
    if has_sha() { 5 } else { 2 }
}

/// Says whether the processor has the instructions of [`sha_ni`].
fn has_sha() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("sha") && std::arch::is_x86_feature_detected!("sse4.1");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Does the same with one stream after the other.
fn compress_one_by_one<const N: usize>(
    states: &mut [Sha256State; N],
    runs: &[&[[u8; BLOCK_LEN]]; N],
    common: usize,
) {
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

    use super::{BLOCK_LEN, Sha256State};
    use crate::block_hash::registers::{array, load, vector};
    use crate::sha256::ROUND_CONSTANTS;

    /// One stream in registers: its state in the order that the instructions want, and the next 16 words of its schedule.
    #[derive(Clone, Copy)]
    struct Sha256Lane {
        abef: __m128i,
        cdgh: __m128i,
        words: [__m128i; 4],
    }

    #[expect(clippy::many_single_char_names, reason = "they are the words' names in the standard")]
    #[target_feature(enable = "sha,sse4.1")]
    pub(super) fn compress<const N: usize>(
        states: &mut [Sha256State; N],
        runs: &[&[[u8; BLOCK_LEN]]; N],
        common: usize,
    ) {
        let zero = _mm_setzero_si128();
        let mut lanes = [Sha256Lane { abef: zero, cdgh: zero, words: [zero; 4] }; N];
        for (lane, Sha256State([a, b, c, d, e, f, g, h])) in lanes.iter_mut().zip(states.iter()) {
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
        for (Sha256State(state), Sha256Lane { abef, cdgh, .. }) in states.iter_mut().zip(lanes) {
            let [f, e, b, a] = array(abef);
            let [h, g, d, c] = array(cdgh);
            *state = [a, b, c, d, e, f, g, h];
        }
    }

    /// The 64 rounds over the block that each lane has loaded.
    #[inline]
    #[target_feature(enable = "sha,sse4.1")]
    fn block<const N: usize>(lanes: &mut [Sha256Lane; N]) {
        let before = *lanes;
        let [turns @ .., last] = &ROUND_CONSTANTS;
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
    fn rounds(lane: &mut Sha256Lane, constants: [u32; 4]) {
        let [words, ..] = lane.words;
        let sum = _mm_add_epi32(words, vector(constants));
        lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, sum);
        lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, _mm_shuffle_epi32::<0x0e>(sum));
    }

    /// Puts the next four words of the schedule behind those that are there, in the place of the first.
    #[inline]
    #[target_feature(enable = "sha,sse4.1")]
    fn schedule(lane: &mut Sha256Lane) {
        let [first, second, third, fourth] = lane.words;
        let partial = _mm_add_epi32(_mm_sha256msg1_epu32(first, second), _mm_alignr_epi8::<4>(fourth, third));
        lane.words = [second, third, fourth, _mm_sha256msg2_epu32(partial, fourth)];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn advance_like_sha2<const N: usize>(seeds: [[u32; 8]; N], messages: &[Vec<[u8; BLOCK_LEN]>]) {
        let runs: [&[[u8; BLOCK_LEN]]; N] = std::array::from_fn(|lane| messages[lane].as_slice());
        let common = runs.iter().map(|run| run.len()).min().unwrap();
        let mut right = seeds.map(Sha256State);
        compress_one_by_one(&mut right, &runs, common);
        let mut ours = seeds.map(Sha256State);
        assert_eq!(compress(&mut ours, runs), common);
        assert_eq!(ours, right);
    }

    fn run_of_blocks() -> impl Strategy<Value = Vec<[u8; BLOCK_LEN]>> {
        prop::collection::vec(any::<[u8; BLOCK_LEN]>(), 0..20)
    }

    proptest! {
        #[test]
        fn any_number_of_lanes_matches_sha2(seeds: [[u32; 8]; 8],
                                                    messages in prop::collection::vec(run_of_blocks(), 8)) {
            let [first, second, third, fourth, ..] = seeds;
            advance_like_sha2([first], &messages);
            advance_like_sha2([first, second], &messages);
            advance_like_sha2([first, second, third], &messages);
            advance_like_sha2([first, second, third, fourth], &messages);
            advance_like_sha2(seeds, &messages);
        }
    }
}
