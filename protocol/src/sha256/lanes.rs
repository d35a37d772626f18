//! The block function of SHA-256 over several independent states in parallel.
//!
//! In one stream every round depends on the previous one, so a processor's SHA unit is idle half of the time;
//! interleaved rounds of other streams keep it busy. The instructions are those of x86-64's SHA extensions, if the
//! processor has them; otherwise the streams go through the `sha2` crate one by one. Eight streams are advanced with
//! AVX-512 where available, see `avx512.rs`.
//!
//! Two lanes nearly saturate the SHA unit; the words of more lanes do not all fit in the registers. For the cost per
//! GiB by number of lanes see docs/performance.md and `cargo bench -p protocol --bench sha256`.
//!
//! This file and its counterpart for SHA-1 are the only ones with `unsafe`, for two calls each: of functions with
//! target features, directly after the check that the processor has them.

use sha2::block_api::compress256;

#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::{BLOCK_LEN, Sha256State};
#[cfg(target_arch = "x86_64")]
use crate::block_hash::columns;

/// Advances each state over its own run, by the number of blocks of the shortest run; returns that number.
pub fn compress<const N: usize>(states: &mut [Sha256State; N], runs: [&[[u8; BLOCK_LEN]]; N]) -> usize {
    let common = runs.iter().map(|run| run.len()).min().unwrap_or(0);
    // The conversions succeed for exactly eight streams.
    #[cfg(target_arch = "x86_64")]
    if let (Ok(states), Ok(runs)) = (states.as_mut_slice().try_into(), runs.as_slice().try_into())
        && columns::is_supported()
    {
        // SAFETY: the function only requires the processor features that `is_supported` has checked.
        #[expect(unsafe_code, reason = "calls that need features detected at run time are unsafe")]
        unsafe {
            avx512::compress(states, runs, common);
        }
        return common;
    }
    #[cfg(target_arch = "x86_64")]
    if has_sha() {
        // SAFETY: the function only requires the processor features that `has_sha` has checked.
        #[expect(unsafe_code, reason = "calls that need features detected at run time are unsafe")]
        unsafe {
            sha_ni::compress(states, &runs, common);
        }
        return common;
    }
    compress_one_by_one(states, &runs, common);
    common
}

/// Returns the minimum number of streams for which advancing eight at once is faster than lanes, on processors with
/// AVX-512. Without SHA extensions there are no lanes. The numbers are measured, see docs/performance.md.
pub(super) fn min_wide_lanes() -> usize {
    if has_sha() { 5 } else { 2 }
}

/// Returns true if the processor has the instructions of [`sha_ni`].
fn has_sha() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("sha") && std::arch::is_x86_feature_detected!("sse4.1");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Advances the streams one by one.
fn compress_one_by_one<const N: usize>(
    states: &mut [Sha256State; N],
    runs: &[&[[u8; BLOCK_LEN]]; N],
    common: usize,
) {
    for (state, run) in states.iter_mut().zip(runs) {
        compress256(&mut state.0, run.get(..common).unwrap_or_default());
    }
}

/// The rounds with the SHA extensions, interleaved over all lanes in groups of four.
#[cfg(target_arch = "x86_64")]
mod sha_ni {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_set_epi64x, _mm_setzero_si128, _mm_sha256msg1_epu32,
        _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi32,
    };

    use super::{BLOCK_LEN, Sha256State};
    use crate::block_hash::registers::{array, load, vector};
    use crate::sha256::ROUND_CONSTANTS;

    /// One stream in registers: its state in the order that the instructions require, and the next 16 words of its
    /// schedule.
    #[derive(Clone, Copy)]
    struct Sha256Lane {
        abef: __m128i,
        cdgh: __m128i,
        words: [__m128i; 4],
    }

    #[expect(clippy::many_single_char_names, reason = "these are the names in the standard")]
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

    /// Computes the 64 rounds over the loaded block of each lane.
    #[inline]
    #[target_feature(enable = "sha,sse4.1")]
    fn block<const N: usize>(lanes: &mut [Sha256Lane; N]) {
        let before = *lanes;
        let [groups @ .., last] = &ROUND_CONSTANTS;
        // Unrolled by four: after four steps the words are back in their original registers, so none has to be moved.
        for [first, second, third, fourth] in groups {
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

    /// Computes four rounds with the first four words of the schedule.
    #[inline]
    #[target_feature(enable = "sha,sse4.1")]
    fn rounds(lane: &mut Sha256Lane, constants: [u32; 4]) {
        let [words, ..] = lane.words;
        let sum = _mm_add_epi32(words, vector(constants));
        lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, sum);
        lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, _mm_shuffle_epi32::<0x0e>(sum));
    }

    /// Drops the first four words of the schedule and appends the next four.
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
        let mut expected = seeds.map(Sha256State);
        compress_one_by_one(&mut expected, &runs, common);
        let mut ours = seeds.map(Sha256State);
        assert_eq!(compress(&mut ours, runs), common);
        assert_eq!(ours, expected);
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
