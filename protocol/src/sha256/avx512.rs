//! The rounds of SHA-256 over eight streams in lockstep, with one word of each stream in a register.
//!
//! They use the additions, rotations and three-way logic of AVX-512 in 256-bit registers.

use std::arch::x86_64::{
    _mm256_add_epi32, _mm256_ror_epi32, _mm256_set1_epi32, _mm256_srli_epi32, _mm256_ternarylogic_epi32,
};

use super::{ROUND_CONSTANTS, Sha256State};
use crate::block_hash::columns::{CHOOSE, MAJORITY, MessageSchedule, PARITY, WordColumn, advance};
use crate::block_hash::{BLOCK_LEN, WIDE_LANES};

/// The states of all streams.
type Sha256Columns = [WordColumn; 8];

/// Advances each state over the first `common` blocks of its run.
#[target_feature(enable = "avx2,avx512f,avx512vl")]
pub(super) fn compress(
    states: &mut [Sha256State; WIDE_LANES],
    runs: &[&[[u8; BLOCK_LEN]]; WIDE_LANES],
    common: usize,
) {
    // A function with target features does not implement `Fn`; a closure does.
    advance(states.each_mut().map(|Sha256State(words)| words), runs, common, |states, schedule| {
        rounds(states, schedule)
    });
}

/// Computes the 64 rounds over one block of each stream.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn rounds(mut states: Sha256Columns, mut schedule: MessageSchedule) -> Sha256Columns {
    let [groups @ .., last] = &ROUND_CONSTANTS;
    for group in groups {
        sixteen_rounds::<true>(&mut states, group, &mut schedule);
    }
    sixteen_rounds::<false>(&mut states, last, &mut schedule);
    states
}

/// Computes sixteen rounds, and extends the schedule unless they are the last.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn sixteen_rounds<const EXTEND: bool>(
    states: &mut Sha256Columns,
    constants: &[[u32; 4]; 4],
    schedule: &mut MessageSchedule,
) {
    for constants in constants {
        four_rounds::<EXTEND>(states, *constants, schedule);
    }
}

/// Computes four rounds; then drops the first four words of the schedule and appends the next four.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn four_rounds<const EXTEND: bool>(
    states: &mut Sha256Columns,
    constants: [u32; 4],
    schedule: &mut MessageSchedule,
) {
    // Each group is named after its first word.
    let [w0, w4, w8, w12] = *schedule;
    for (word, constant) in w0.into_iter().zip(constants) {
        round(states, _mm256_add_epi32(word, _mm256_set1_epi32(constant.cast_signed())));
    }
    *schedule = [w4, w8, w12, w0];
    if EXTEND {
        let next = |before16, before15, before7, before2| {
            let (far, near) = (small_sigma::<7, 18, 3>(before15), small_sigma::<17, 19, 10>(before2));
            _mm256_add_epi32(_mm256_add_epi32(before16, far), _mm256_add_epi32(before7, near))
        };
        let w16 = next(w0[0], w0[1], w8[1], w12[2]);
        let w17 = next(w0[1], w0[2], w8[2], w12[3]);
        *schedule =
            [w4, w8, w12, [w16, w17, next(w0[2], w0[3], w8[3], w16), next(w0[3], w4[0], w12[0], w17)]];
    }
}

/// Computes one round; `word` is the sum of the schedule word and the constant.
#[expect(clippy::many_single_char_names, reason = "these are the names in the standard")]
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn round(states: &mut Sha256Columns, word: WordColumn) {
    let [a, b, c, d, e, f, g, h] = *states;
    let chosen = _mm256_add_epi32(_mm256_ternarylogic_epi32::<CHOOSE>(e, f, g), big_sigma::<6, 11, 25>(e));
    let one = _mm256_add_epi32(_mm256_add_epi32(h, word), chosen);
    let other = _mm256_add_epi32(_mm256_ternarylogic_epi32::<MAJORITY>(a, b, c), big_sigma::<2, 13, 22>(a));
    *states = [_mm256_add_epi32(one, other), a, b, c, _mm256_add_epi32(d, one), e, f, g];
}

/// Returns the XOR of three rotations of a word.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn big_sigma<const A: i32, const B: i32, const C: i32>(word: WordColumn) -> WordColumn {
    let (a, b, c) = (_mm256_ror_epi32::<A>(word), _mm256_ror_epi32::<B>(word), _mm256_ror_epi32::<C>(word));
    _mm256_ternarylogic_epi32::<PARITY>(a, b, c)
}

/// Returns the XOR of two rotations and a shift of a word.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn small_sigma<const A: i32, const B: i32, const C: i32>(word: WordColumn) -> WordColumn {
    let (a, b, c) = (_mm256_ror_epi32::<A>(word), _mm256_ror_epi32::<B>(word), _mm256_srli_epi32::<C>(word));
    _mm256_ternarylogic_epi32::<PARITY>(a, b, c)
}
