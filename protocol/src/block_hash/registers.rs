//! Registers of x86-64 with four words of one stream, for rounds in SHA instructions. All functions are safe: their
//! callers have the same target features, or have checked for them.

use std::arch::x86_64::{__m128i, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x, _mm_shuffle_epi8};

use super::BLOCK_LEN;

/// Loads a block, 16 bytes per register, and permutes the bytes of each register by `order`.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) fn load(registers: &mut [__m128i; 4], block: &[u8; BLOCK_LEN], order: __m128i) {
    let (quarters, _) = block.as_chunks::<16>();
    for (register, quarter) in registers.iter_mut().zip(quarters) {
        if let ([low, high], _) = quarter.as_chunks::<8>() {
            // Compiles to a single load of 16 bytes.
            let bytes = _mm_set_epi64x(i64::from_le_bytes(*high), i64::from_le_bytes(*low));
            *register = _mm_shuffle_epi8(bytes, order);
        }
    }
}

/// Loads four words into a register, the first lowest.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) fn vector(words: [u32; 4]) -> __m128i {
    let [first, second, third, fourth] = words.map(u32::cast_signed);
    _mm_set_epi32(fourth, third, second, first)
}

/// Stores the four words of a register, the lowest first.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) fn array(vector: __m128i) -> [u32; 4] {
    [
        _mm_extract_epi32::<0>(vector).cast_unsigned(),
        _mm_extract_epi32::<1>(vector).cast_unsigned(),
        _mm_extract_epi32::<2>(vector).cast_unsigned(),
        _mm_extract_epi32::<3>(vector).cast_unsigned(),
    ]
}
