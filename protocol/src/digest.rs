//! Digests: the SHA-256 hashes that identify contents.

use std::fmt;

use bincode::{Decode, Encode};

use crate::hex::hex_text;

/// The SHA-256 of a complete content, which identifies it on the network; displayed as by `sha256sum`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Digest([u8; 32]);

/// The text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits, as sha256sum prints it")]
pub struct ParseDigestError;

impl Digest {
    /// The digest of the empty content.
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
        0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// The number of hexadecimal digits of the short form for display.
    pub const SHORT_LEN: usize = 12;

    /// Returns the first [`Digest::SHORT_LEN`] hexadecimal digits.
    pub fn short(&self) -> String {
        format!("{self:.len$}", len = Self::SHORT_LEN)
    }
}

hex_text!(Digest, 32, ParseDigestError);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_forms_are_parsed_strictly() {
        let text = Digest::EMPTY.to_string();
        assert_eq!(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(text.parse(), Ok(Digest::EMPTY));
        assert_eq!(text.to_uppercase().parse(), Ok(Digest::EMPTY));
        for bad in
            [&text[1..], &format!("{text}0"), &format!("0x{}", &text[2..]), &format!(" {}", &text[1..]), ""]
        {
            assert_eq!(bad.parse::<Digest>(), Err(ParseDigestError), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_returns_what_was_displayed(bytes: [u8; 32]) {
            let digest = Digest::from_bytes(bytes);
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        }

        #[test]
        fn no_text_panics_the_parser(text: String) {
            let _ = text.parse::<Digest>();
        }
    }
}
