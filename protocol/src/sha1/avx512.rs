//! The rounds of SHA-1 over eight streams in lockstep, a word of each in a register.
//!
//! They are made of the additions, rotations and three-way logic of AVX-512 in registers of 256 bits.

use std::arch::x86_64::{
    _mm256_add_epi32, _mm256_rol_epi32, _mm256_set1_epi32, _mm256_ternarylogic_epi32, _mm256_xor_si256,
};

use super::Sha1State;
use crate::block_hash::columns::{CHOOSE, MAJORITY, MessageSchedule, PARITY, WordColumn, advance};
use crate::block_hash::{BLOCK_LEN, WIDE_LANES};

/// A state of each stream.
type Sha1Columns = [WordColumn; 5];

/// Advances each state over the blocks that the runs have in `common`.
#[target_feature(enable = "avx2,avx512f,avx512vl")]
pub(super) fn compress(
    states: &mut [Sha1State; WIDE_LANES],
    runs: &[&[[u8; BLOCK_LEN]]; WIDE_LANES],
    common: usize,
) {
    // A function with target features is not one that can be passed on; a closure is.
    advance(states.each_mut().map(|Sha1State(words)| words), runs, common, |states, schedule| {
        rounds(states, schedule)
    });
}

/// The 80 rounds over a block of each stream.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn rounds(mut states: Sha1Columns, mut schedule: MessageSchedule) -> Sha1Columns {
    twenty_rounds::<CHOOSE, 0x5a82_7999>(&mut states, &mut schedule);
    twenty_rounds::<PARITY, 0x6ed9_eba1>(&mut states, &mut schedule);
    twenty_rounds::<MAJORITY, 0x8f1b_bcdc>(&mut states, &mut schedule);
    twenty_rounds::<PARITY, 0xca62_c1d6>(&mut states, &mut schedule);
    states
}

/// Twenty rounds, with one function and constant. As constants they make four functions of it, each called once and so part of
/// the loop over the blocks; while the second and the last twenty were calls of one, a GiB took 0.32 instead of 0.19 CPU seconds.
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

/// Four rounds, after which the next four words of the schedule stand behind the others, and the first four are gone.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn four_rounds<const FUNCTION: i32>(
    states: &mut Sha1Columns,
    constant: WordColumn,
    schedule: &mut MessageSchedule,
) {
    // Each is named after its first word.
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

/// One round, with its word of the schedule and its constant added up.
#[expect(clippy::many_single_char_names, reason = "they are the words' names in the standard")]
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn round<const FUNCTION: i32>(states: &mut Sha1Columns, word: WordColumn) {
    let [a, b, c, d, e] = *states;
    let mixed = _mm256_ternarylogic_epi32::<FUNCTION>(b, c, d);
    let sum = _mm256_add_epi32(_mm256_add_epi32(e, word), mixed);
    *states = [_mm256_add_epi32(sum, _mm256_rol_epi32::<5>(a)), a, _mm256_rol_epi32::<30>(b), c, d];
}
