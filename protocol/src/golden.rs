//! Helpers for golden tests, which freeze the bytes of messages.

use std::fmt::Debug;

use bincode::{Decode, Encode};

use crate::frame::{decode_body, encode_body};
use crate::hex::HexDigits;

/// Thirty-two bytes of `aa`.
pub(crate) const AA: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

pub(crate) fn hex(bytes: &[u8]) -> String {
    HexDigits(bytes).to_string()
}

/// Asserts that `message` encodes to `expected`, hexadecimal digits with optional whitespace, and decodes from it.
#[track_caller]
pub(crate) fn assert_frozen<M: Encode + Decode<()> + PartialEq + Debug>(message: &M, expected: &str) {
    let bytes = encode_body(message).unwrap();
    assert_eq!(hex(&bytes), expected.replace([' ', '\n'], ""), "{message:?}");
    assert_eq!(decode_body::<M>(&bytes).as_ref(), Ok(message));
}
