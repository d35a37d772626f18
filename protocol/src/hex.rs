//! Bytes as hexadecimal digits: the one place that writes and parses them, and the text forms of the values that are shown so.

use std::fmt::{self, Write};

/// Bytes that are displayed as two lower-case hexadecimal digits each. With a precision, as in `{:.8}`, only the first digits
/// are displayed.
#[derive(Debug, Clone, Copy)]
pub struct HexDigits<'a>(pub &'a [u8]);

impl fmt::Display for HexDigits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nibbles = self.0.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        for nibble in nibbles.take(f.precision().unwrap_or(usize::MAX)) {
            f.write_char(char::from_digit(nibble.into(), 16).unwrap_or('?'))?;
        }
        Ok(())
    }
}

/// Returns the value of a hexadecimal digit of either case.
pub(crate) fn digit(character: char) -> Option<u8> {
    character.to_digit(16).and_then(|digit| digit.try_into().ok())
}

/// Returns the byte that two digits form.
pub(crate) const fn byte(high: u8, low: u8) -> u8 {
    debug_assert!(high < 16 && low < 16, "a digit has four bits");
    high << 4 | low
}

/// Parses exactly two hexadecimal digits per byte, of either case.
pub(crate) fn parse<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    if text.len() != 2 * BYTES {
        return None;
    }
    let mut bytes = [0; BYTES];
    let mut digits = text.chars().map(digit);
    for value in &mut bytes {
        *value = byte(digits.next()??, digits.next()??);
    }
    Some(bytes)
}

/// Parses two hexadecimal digits per byte, of either case.
pub fn parse_bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(digit).collect::<Option<Vec<u8>>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| byte(*high, *low)).collect())
}

/// Implements the conversions of a newtype of bytes whose text form is their hexadecimal digits: from and to bytes, display
/// (with a precision: only the first digits), and strict parsing without surrounding whitespace.
macro_rules! hex_text {
    ($name:ident, $bytes:literal, $error:ident) => {
        impl $name {
            /// Wraps the bytes of the value.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// Returns the bytes of the value.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&$crate::hex::HexDigits(&self.0), f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                $crate::hex::parse(text).map(Self).ok_or($error)
            }
        }
    };
}

pub(crate) use hex_text;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn precision_limits_the_digits() {
        let bytes = HexDigits(&[0x01, 0xab, 0xff]);
        assert_eq!(format!("{bytes} {bytes:.3} {bytes:.0} {bytes:.9}"), "01abff 01a  01abff");
    }

    proptest! {
        #[test]
        fn parsing_returns_what_was_displayed(bytes: [u8; 20]) {
            let text = HexDigits(&bytes).to_string();
            prop_assert_eq!(text.len(), 40);
            prop_assert_eq!(parse(&text), Some(bytes));
            prop_assert_eq!(parse(&text.to_uppercase()), Some(bytes));
            prop_assert_eq!(parse_bytes(&text), Some(bytes.to_vec()));
            prop_assert_eq!(parse_bytes(&text[1..]), None);
        }

        #[test]
        fn only_digits_of_the_exact_number_are_parsed(text in "[0-9a-fA-Fg +x]{0,20}") {
            let is_valid = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            prop_assert_eq!(parse::<8>(&text).is_some(), is_valid);
        }
    }
}
