//! The rounds of SHA-1 over eight streams in lockstep, with one word of each stream in a register.
//!
//! They use the additions, rotations and three-way logic of AVX-512 in 256-bit registers.

use std::arch::x86_64::{
    _mm256_add_epi32, _mm256_rol_epi32, _mm256_set1_epi32, _mm256_ternarylogic_epi32, _mm256_xor_si256,
};

use super::Sha1State;
use crate::block_hash::columns::{CHOOSE, MAJORITY, MessageSchedule, PARITY, WordColumn, advance};
use crate::block_hash::{BLOCK_LEN, WIDE_LANES};

/// The states of all streams.
type Sha1Columns = [WordColumn; 5];

/// Advances each state over the first `common` blocks of its run.
#[target_feature(enable = "avx2,avx512f,avx512vl")]
pub(super) fn compress(
    states: &mut [Sha1State; WIDE_LANES],
    runs: &[&[[u8; BLOCK_LEN]]; WIDE_LANES],
    common: usize,
) {
    // A function with target features does not implement `Fn`; a closure does.
    advance(states.each_mut().map(|Sha1State(words)| words), runs, common, |states, schedule| {
        rounds(states, schedule)
    });
}

/// Computes the 80 rounds over one block of each stream.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn rounds(mut states: Sha1Columns, mut schedule: MessageSchedule) -> Sha1Columns {
    twenty_rounds::<CHOOSE, 0x5a82_7999>(&mut states, &mut schedule);
    twenty_rounds::<PARITY, 0x6ed9_eba1>(&mut states, &mut schedule);
    twenty_rounds::<MAJORITY, 0x8f1b_bcdc>(&mut states, &mut schedule);
    twenty_rounds::<PARITY, 0xca62_c1d6>(&mut states, &mut schedule);
    states
}

/// Computes twenty rounds with one function and constant. Both are const generics, so each of the four uses is a
/// function of its own that is called once and inlined into the loop over the blocks; a shared call is much slower
/// (see docs/performance.md).
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn twenty_rounds<const FUNCTION: i32, const CONSTANT: u32>(
    states: &mut Sha1Columns,
    schedule: &mut MessageSchedule,
) {
    let constant = _mm256_set1_epi32(CONSTANT.cast_signed());
    four_rounds::<FUNCTION>(states, constant, schedule);
    four_rounds::<FUNCTION>(states, constant, schedule);
    four_rounds::<FUNCTION>(states, constant, schedule);
    four_rounds::<FUNCTION>(states, constant, schedule);
    four_rounds::<FUNCTION>(states, constant, schedule);
}

/// Computes four rounds; then drops the first four words of the schedule and appends the next four.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn four_rounds<const FUNCTION: i32>(
    states: &mut Sha1Columns,
    constant: WordColumn,
    schedule: &mut MessageSchedule,
) {
    // Each group is named after its first word.
    let [w0, w4, w8, w12] = *schedule;
    for word in w0 {
        round::<FUNCTION>(states, _mm256_add_epi32(word, constant));
    }
    let next = |before16, before14, before8, before3| {
        let three = _mm256_ternarylogic_epi32::<PARITY>(before16, before14, before8);
        _mm256_rol_epi32::<1>(_mm256_xor_si256(three, before3))
    };
    let w16 = next(w0[0], w0[2], w8[0], w12[1]);
    let (w17, w18) = (next(w0[1], w0[3], w8[1], w12[2]), next(w0[2], w4[0], w8[2], w12[3]));
    *schedule = [w4, w8, w12, [w16, w17, w18, next(w0[3], w4[1], w8[3], w16)]];
}

/// Computes one round; `word` is the sum of the schedule word and the constant.
#[expect(clippy::many_single_char_names, reason = "these are the names in the standard")]
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn round<const FUNCTION: i32>(states: &mut Sha1Columns, word: WordColumn) {
    let [a, b, c, d, e] = *states;
    let mixed = _mm256_ternarylogic_epi32::<FUNCTION>(b, c, d);
    let sum = _mm256_add_epi32(_mm256_add_epi32(e, word), mixed);
    *states = [_mm256_add_epi32(sum, _mm256_rol_epi32::<5>(a)), a, _mm256_rol_epi32::<30>(b), c, d];
}
