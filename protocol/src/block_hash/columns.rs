//! Registers of x86-64 with one word of each of eight streams, for rounds in plain arithmetic.
//!
//! All functions are safe: their callers have the same target features, or have checked for them.

#![expect(clippy::many_single_char_names, reason = "eight streams and sixteen words need short names")]

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_extract_epi32, _mm256_permute2x128_si256, _mm256_set_epi32,
    _mm256_set_epi64x, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_unpackhi_epi32,
    _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
};

use super::{BLOCK_LEN, WIDE_LANES};

/// One word of each stream.
pub(crate) type WordColumn = __m256i;

/// 16 words of the schedule of each stream, in groups of four.
pub(crate) type MessageSchedule = [[WordColumn; 4]; 4];

// Truth tables of functions of three bits (FIPS 180-4, 4.1): bit 4x + 2y + z is the result for x, y and z.

/// y if x is set, otherwise z.
pub(crate) const CHOOSE: i32 = 0b1100_1010;

/// Set if one or all three are set.
pub(crate) const PARITY: i32 = 0b1001_0110;

/// Set if at least two are set.
pub(crate) const MAJORITY: i32 = 0b1110_1000;

/// Returns true if the processor has 256-bit registers, and AVX-512's rotations and three-way logic for them. The
/// functions here and in the two files named `avx512.rs` enable these three features and no others.
pub(crate) fn is_supported() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512vl")
}

/// Advances the state of each stream over the first `common` blocks of its run, which every run must have; `rounds`
/// computes the rounds over one block of each.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
pub(crate) fn advance<const N: usize>(
    mut states: [&mut [u32; N]; WIDE_LANES],
    runs: &[&[[u8; BLOCK_LEN]]; WIDE_LANES],
    common: usize,
    rounds: impl Fn([WordColumn; N], MessageSchedule) -> [WordColumn; N],
) {
    debug_assert!(runs.iter().all(|run| run.len() >= common), "a run is too short");
    let mut columns = [_mm256_setzero_si256(); N];
    for (number, column) in columns.iter_mut().enumerate() {
        *column = gather(states.each_ref().map(|state| state.get(number).copied().unwrap_or_default()));
    }
    for number in 0..common {
        let blocks = runs.map(|run| run.get(number).unwrap_or(&[0; BLOCK_LEN]));
        let mixed = rounds(columns, load(blocks));
        for (column, mixed) in columns.iter_mut().zip(mixed) {
            *column = _mm256_add_epi32(*column, mixed);
        }
    }
    for (number, column) in columns.into_iter().enumerate() {
        for (state, word) in states.iter_mut().zip(scatter(column)) {
            if let Some(target) = state.get_mut(number) {
                *target = word;
            }
        }
    }
}

/// Loads a word of each stream into a register, the first stream lowest.
#[inline]
#[target_feature(enable = "avx2")]
fn gather(words: [u32; WIDE_LANES]) -> WordColumn {
    let [a, b, c, d, e, f, g, h] = words.map(u32::cast_signed);
    _mm256_set_epi32(h, g, f, e, d, c, b, a)
}

/// Stores the words of a register.
#[inline]
#[target_feature(enable = "avx2")]
fn scatter(column: WordColumn) -> [u32; WIDE_LANES] {
    [
        _mm256_extract_epi32::<0>(column),
        _mm256_extract_epi32::<1>(column),
        _mm256_extract_epi32::<2>(column),
        _mm256_extract_epi32::<3>(column),
        _mm256_extract_epi32::<4>(column),
        _mm256_extract_epi32::<5>(column),
        _mm256_extract_epi32::<6>(column),
        _mm256_extract_epi32::<7>(column),
    ]
    .map(i32::cast_unsigned)
}

/// Loads a block of each stream: the first words of its schedule.
#[inline]
#[target_feature(enable = "avx2")]
fn load(blocks: [&[u8; BLOCK_LEN]; WIDE_LANES]) -> MessageSchedule {
    let half = |number: usize| {
        transpose(blocks.map(|block| row(block.as_chunks().0.get(number).unwrap_or(&[0; 32]))))
    };
    let ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]) = (half(0), half(1));
    [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]]
}

/// Loads eight big-endian words of one stream.
#[inline]
#[target_feature(enable = "avx2")]
fn row(bytes: &[u8; 32]) -> __m256i {
    let ([a, b, c, d], _) = bytes.as_chunks::<8>() else { return _mm256_setzero_si256() };
    let [a, b, c, d] = [a, b, c, d].map(|two| i64::from_le_bytes(*two));
    // Compiles to a single load of 32 bytes.
    let bytes = _mm256_set_epi64x(d, c, b, a);
    // Reverse the bytes of each word; shuffle indices count within each half of the register.
    let (low, high) = (0x0405_0607_0001_0203, 0x0c0d_0e0f_0809_0a0b);
    _mm256_shuffle_epi8(bytes, _mm256_set_epi64x(high, low, high, low))
}

/// Transposes rows into columns.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose([a, b, c, d, e, f, g, h]: [__m256i; WIDE_LANES]) -> [WordColumn; WIDE_LANES] {
    let twos = |x, y| (_mm256_unpacklo_epi32(x, y), _mm256_unpackhi_epi32(x, y));
    let fours = |x, y| (_mm256_unpacklo_epi64(x, y), _mm256_unpackhi_epi64(x, y));
    // Each resulting register has two columns, one in each half.
    let quarters = |a, b, c, d| {
        let ((ab, ab_after), (cd, cd_after)) = (twos(a, b), twos(c, d));
        (fours(ab, cd), fours(ab_after, cd_after))
    };
    let (((p, q), (r, s)), ((t, u), (v, w))) = (quarters(a, b, c, d), quarters(e, f, g, h));
    let low = |x, y| _mm256_permute2x128_si256::<0x20>(x, y);
    let high = |x, y| _mm256_permute2x128_si256::<0x31>(x, y);
    [low(p, t), low(q, u), low(r, v), low(s, w), high(p, t), high(q, u), high(r, v), high(s, w)]
}
