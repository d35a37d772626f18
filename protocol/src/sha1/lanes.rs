//! The block function of SHA-1 over several independent states in parallel.
//!
//! As with SHA-256, every round of a stream depends on the previous one; interleaved rounds of other streams keep the
//! processor's SHA unit busy. The instructions are those of x86-64's SHA extensions, if the processor has them;
//! otherwise the streams go through the `sha1` crate one by one. Eight streams are advanced with AVX-512 where
//! available, see `avx512.rs`.
//!
//! For the cost per GiB by number of lanes see docs/performance.md and `cargo bench -p protocol --bench sha1`.
//!
//! The `unsafe` calls are those of functions with target features, each directly after the check that the processor
//! has them.

use super::Sha1State;
#[cfg(target_arch = "x86_64")]
use super::avx512;
use crate::block_hash::BLOCK_LEN;
#[cfg(target_arch = "x86_64")]
use crate::block_hash::columns;

/// Advances each state over its own run, by the number of blocks of the shortest run; returns that number.
pub fn compress<const N: usize>(states: &mut [Sha1State; N], runs: [&[[u8; BLOCK_LEN]]; N]) -> usize {
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
    if has_sha() { 4 } else { 2 }
}

/// Returns true if the processor has the instructions of [`sha_ni`].
fn has_sha() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("sha")
        && std::arch::is_x86_feature_detected!("ssse3")
        && std::arch::is_x86_feature_detected!("sse4.1");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Advances the streams one by one.
fn compress_one_by_one<const N: usize>(
    states: &mut [Sha1State; N],
    runs: &[&[[u8; BLOCK_LEN]]; N],
    common: usize,
) {
    for (state, run) in states.iter_mut().zip(runs) {
        sha1::block_api::compress(&mut state.0, run.get(..common).unwrap_or_default());
    }
}

/// The rounds with the SHA extensions, interleaved over all lanes in groups of four.
#[cfg(target_arch = "x86_64")]
mod sha_ni {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_set_epi64x, _mm_setzero_si128, _mm_sha1msg1_epu32, _mm_sha1msg2_epu32,
        _mm_sha1nexte_epu32, _mm_sha1rnds4_epu32, _mm_xor_si128,
    };

    use super::{BLOCK_LEN, Sha1State};
    use crate::block_hash::registers::{array, load, vector};

    /// One stream in registers: its state (four words in one register, the fifth, from which the next rounds derive
    /// theirs, in another) and the next 16 words of its schedule.
    #[derive(Clone, Copy)]
    struct Sha1Lane {
        abcd: __m128i,
        e: __m128i,
        words: [__m128i; 4],
    }

    #[expect(clippy::many_single_char_names, reason = "these are the names in the standard")]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn compress<const N: usize>(
        states: &mut [Sha1State; N],
        runs: &[&[[u8; BLOCK_LEN]]; N],
        common: usize,
    ) {
        let zero = _mm_setzero_si128();
        let mut lanes = [Sha1Lane { abcd: zero, e: zero, words: [zero; 4] }; N];
        for (lane, Sha1State([a, b, c, d, e])) in lanes.iter_mut().zip(states.iter()) {
            lane.abcd = vector([*d, *c, *b, *a]);
            lane.e = vector([0, 0, 0, *e]);
        }
        // Words are big-endian, and the first is the highest.
        let order = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
        for number in 0..common {
            for (lane, run) in lanes.iter_mut().zip(runs) {
                if let Some(block) = run.get(number) {
                    load(&mut lane.words, block, order);
                }
            }
            block(&mut lanes);
        }
        for (Sha1State(state), Sha1Lane { abcd, e, .. }) in states.iter_mut().zip(lanes) {
            let [d, c, b, a] = array(abcd);
            let [.., e] = array(e);
            *state = [a, b, c, d, e];
        }
    }

    /// Computes the 80 rounds over the loaded block of each lane: 20 groups of four, five groups for each of four
    /// functions.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn block<const N: usize>(lanes: &mut [Sha1Lane; N]) {
        let before = *lanes;
        for lane in lanes.iter_mut() {
            let [words, ..] = lane.words;
            lane.e = _mm_add_epi32(lane.e, words);
            rounds::<0>(lane);
            schedule(lane);
        }
        round_groups::<N, 0>(lanes, 4);
        round_groups::<N, 1>(lanes, 5);
        round_groups::<N, 2>(lanes, 5);
        round_groups::<N, 3>(lanes, 1);
        for _ in 0..4 {
            for lane in lanes.iter_mut() {
                next(lane);
                rounds::<3>(lane);
                let [used, second, third, fourth] = lane.words;
                lane.words = [second, third, fourth, used];
            }
        }
        for (lane, before) in lanes.iter_mut().zip(before) {
            lane.e = _mm_sha1nexte_epu32(lane.e, before.e);
            lane.abcd = _mm_add_epi32(lane.abcd, before.abcd);
        }
    }

    /// Computes `count` groups of four rounds in all lanes, with one of the four functions.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn round_groups<const N: usize, const FUNCTION: i32>(lanes: &mut [Sha1Lane; N], count: usize) {
        for _ in 0..count {
            for lane in lanes.iter_mut() {
                next(lane);
                rounds::<FUNCTION>(lane);
                schedule(lane);
            }
        }
    }

    /// Derives the fifth word of the state from the first word of four rounds ago, and adds the schedule words.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn next(lane: &mut Sha1Lane) {
        let [words, ..] = lane.words;
        lane.e = _mm_sha1nexte_epu32(lane.e, words);
    }

    /// Computes four rounds.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn rounds<const FUNCTION: i32>(lane: &mut Sha1Lane) {
        let before = lane.abcd;
        lane.abcd = _mm_sha1rnds4_epu32::<FUNCTION>(lane.abcd, lane.e);
        lane.e = before;
    }

    /// Drops the first four words of the schedule and appends the next four.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn schedule(lane: &mut Sha1Lane) {
        let [first, second, third, fourth] = lane.words;
        let partial = _mm_xor_si128(_mm_sha1msg1_epu32(first, second), third);
        lane.words = [second, third, fourth, _mm_sha1msg2_epu32(partial, fourth)];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn advance_like_sha1<const N: usize>(seeds: [[u32; 5]; N], messages: &[Vec<[u8; BLOCK_LEN]>]) {
        let runs: [&[[u8; BLOCK_LEN]]; N] = std::array::from_fn(|lane| messages[lane].as_slice());
        let common = runs.iter().map(|run| run.len()).min().unwrap();
        let mut expected = seeds.map(Sha1State);
        compress_one_by_one(&mut expected, &runs, common);
        let mut ours = seeds.map(Sha1State);
        assert_eq!(compress(&mut ours, runs), common);
        assert_eq!(ours, expected);
    }

    proptest! {
        #[test]
        fn any_number_of_lanes_matches_sha1(
            seeds: [[u32; 5]; 8],
            messages in prop::collection::vec(prop::collection::vec(any::<[u8; BLOCK_LEN]>(), 0..20), 8)
        ) {
            let [first, second, third, fourth, ..] = seeds;
            advance_like_sha1([first], &messages);
            advance_like_sha1([first, second], &messages);
            advance_like_sha1([first, second, third], &messages);
            advance_like_sha1([first, second, third, fourth], &messages);
            advance_like_sha1(seeds, &messages);
        }
    }
}
