//! Infohashes, which identify torrents.

use std::fmt;

use bincode::{Decode, Encode};
use sha1::{Digest as _, Sha1};

use crate::hex::hex_text;

/// The SHA-1 of the original bytes of a torrent's `info` dictionary (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Infohash([u8; 20]);

/// The text is not an infohash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an infohash is 40 hexadecimal digits")]
pub struct ParseInfohashError;

impl Infohash {
    /// Hashes an `info` dictionary: the original bytes, from its `d` to its `e`.
    pub fn of(info: &[u8]) -> Self {
        Self(Sha1::digest(info).into())
    }
}

hex_text!(Infohash, 20, ParseInfohashError);

impl fmt::Debug for Infohash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Infohash({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn infohash_is_the_sha1_of_the_info_bytes() {
        let empty = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
        assert_eq!(Infohash::of(b"").to_string(), empty);
        assert_eq!(empty.to_uppercase().parse(), Ok(Infohash::of(b"")));
    }

    #[test]
    fn text_forms_are_parsed_strictly() {
        let text = Infohash::of(b"de").to_string();
        for bad in
            [&text[1..], &format!("{text}0"), &format!("0x{}", &text[2..]), &format!(" {}", &text[1..]), ""]
        {
            assert_eq!(bad.parse::<Infohash>(), Err(ParseInfohashError), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_returns_what_was_displayed(bytes: [u8; 20]) {
            let infohash = Infohash::from_bytes(bytes);
            prop_assert_eq!(infohash.to_string().parse(), Ok(infohash));
        }

        #[test]
        fn no_text_panics_the_parser(text: String) {
            let _ = text.parse::<Infohash>();
        }
    }
}
