use crate::digest::Digest;
use crate::escape::excerpt;
use crate::hex;
use thiserror::Error;

/// The minimum number of digits: fewer would match too many files.
const MIN_DIGITS: usize = 4;

/// The number of digits of a complete digest.
const MAX_DIGITS: usize = 64;

/// Why a text is not a digest prefix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DigestPrefixError {
    /// The number of digits is out of range.
    #[error("expected 4 to 64 hexadecimal digits, found {digits}")]
    Length {
        /// The number of characters.
        digits: usize,
    },
    /// A character is not a hexadecimal digit.
    #[error("`{text}` has characters other than the hexadecimal digits 0-9 and a-f")]
    NotHexadecimal {
        /// The text, shortened and display-safe.
        text: String,
    },
}

/// The first 4 to 64 hexadecimal digits of a digest, stored as the range of digests that begin with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestPrefix {
    low: [u8; 32],
    high: [u8; 32],
    digits: usize,
}

impl DigestPrefix {
    /// Parses hexadecimal digits in upper or lower case.
    pub fn parse(text: &str) -> Result<Self, DigestPrefixError> {
        let digits = text.chars().count();
        if !(MIN_DIGITS..=MAX_DIGITS).contains(&digits) {
            return Err(DigestPrefixError::Length { digits });
        }
        // Missing digits stay `None`; they become 0 in the lower bound and f in the upper bound.
        let mut nibbles = [None; MAX_DIGITS];
        for (nibble, character) in nibbles.iter_mut().zip(text.chars()) {
            let not_hexadecimal = || DigestPrefixError::NotHexadecimal { text: excerpt(text) };
            *nibble = Some(hex::digit(character).ok_or_else(not_hexadecimal)?);
        }
        Ok(Self { low: pack(&nibbles, 0x0), high: pack(&nibbles, 0xf), digits })
    }

    /// Returns true if the digest begins with these digits.
    pub fn matches(&self, digest: &Digest) -> bool {
        (self.low..=self.high).contains(digest.as_bytes())
    }

    /// Returns the lowest and the highest digest that begin with these digits, both inclusive.
    pub fn range(&self) -> ([u8; 32], [u8; 32]) {
        (self.low, self.high)
    }

    /// Returns the number of digits, from 4 to 64.
    pub fn digits(&self) -> usize {
        self.digits
    }

    /// Returns the digest, if the prefix is complete.
    pub fn full_digest(&self) -> Option<Digest> {
        (self.digits == MAX_DIGITS).then(|| Digest::from_bytes(self.low))
    }
}

/// Packs two digits into each byte; missing digits are replaced by `fill`.
fn pack(nibbles: &[Option<u8>; MAX_DIGITS], fill: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    let (pairs, _) = nibbles.as_chunks::<2>();
    for (byte, [first, second]) in bytes.iter_mut().zip(pairs) {
        *byte = hex::byte(first.unwrap_or(fill), second.unwrap_or(fill));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hexadecimal(bytes: &[u8; 32]) -> String {
        hex::HexDigits(bytes).to_string()
    }

    #[test]
    fn odd_digit_counts_split_a_byte() {
        let (low, high) = DigestPrefix::parse("aBcDe").unwrap().range();
        assert_eq!((&low[..4], low[31]), (&[0xab, 0xcd, 0xe0, 0x00][..], 0x00));
        assert_eq!((&high[..4], high[31]), (&[0xab, 0xcd, 0xef, 0xff][..], 0xff));
    }

    #[test]
    fn full_digest_is_recognized() {
        let prefix = DigestPrefix::parse(&"5a".repeat(32)).unwrap();
        assert_eq!(prefix.full_digest(), Some(Digest::from_bytes([0x5a; 32])));
        assert_eq!(prefix.digits(), 64);
        assert_eq!(DigestPrefix::parse("5a5a").unwrap().full_digest(), None);
    }

    #[test]
    fn invalid_digest_prefixes_are_refused() {
        for (text, digits) in [("", 0), ("abc", 3), (&*"0".repeat(65), 65)] {
            assert_eq!(DigestPrefix::parse(text), Err(DigestPrefixError::Length { digits }));
        }
        for text in ["abcg", "+abc", "äbcd", "ab d"] {
            assert_eq!(
                DigestPrefix::parse(text),
                Err(DigestPrefixError::NotHexadecimal { text: text.to_owned() })
            );
        }
    }

    proptest! {
        #[test]
        fn prefix_matches_like_its_text(
            bytes: [u8; 32],
            other: [u8; 32],
            kept in 0_usize..32,
            digits in 4_usize..=64,
        ) {
            let mut similar = other;
            similar[..kept].copy_from_slice(&bytes[..kept]);
            let text = hexadecimal(&bytes);
            let prefix = DigestPrefix::parse(&text[..digits]).unwrap();
            prop_assert!(prefix.matches(&Digest::from_bytes(bytes)));
            let expected = hexadecimal(&similar).starts_with(&text[..digits]);
            prop_assert_eq!(prefix.matches(&Digest::from_bytes(similar)), expected);
        }

        #[test]
        fn no_text_panics_the_parser(text in any::<String>()) {
            let _ = DigestPrefix::parse(&text);
        }
    }
}
