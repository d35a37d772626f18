//! Four words in a register of x86-64, for the hash functions whose rounds are instructions of it. All of it is safe: who calls
//! has found the instructions, or says so.

use std::arch::x86_64::{__m128i, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x, _mm_shuffle_epi8};

use super::BLOCK_LEN;

/// Takes a block's words, 16 bytes to a register, and puts the bytes of each in the order that `order` names.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) fn load(registers: &mut [__m128i; 4], block: &[u8; BLOCK_LEN], order: __m128i) {
    let (quarters, _) = block.as_chunks::<16>();
    for (register, quarter) in registers.iter_mut().zip(quarters) {
        if let ([low, high], _) = quarter.as_chunks::<8>() {
            // Together one load of 16 bytes.
            let bytes = _mm_set_epi64x(i64::from_le_bytes(*high), i64::from_le_bytes(*low));
            *register = _mm_shuffle_epi8(bytes, order);
        }
    }
}

/// Puts four words into a register, the first lowest.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) fn vector(words: [u32; 4]) -> __m128i {
    let [first, second, third, fourth] = words.map(u32::cast_signed);
    _mm_set_epi32(fourth, third, second, first)
}

/// Takes the four words out of a register, the lowest first.
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
