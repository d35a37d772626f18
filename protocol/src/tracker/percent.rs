//! Percent-encoding of bytes in the query of a URL (RFC 3986, section 2.1).

use std::fmt::Write;

use crate::hex;

/// Encodes bytes as a query value: letters, digits and `-._~` are kept, all other bytes become `%1F`.
pub(super) fn encode(bytes: &[u8], out: &mut String) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Decodes a query value; `None` if a `%` is not followed by two hexadecimal digits. A `+` is a space, as in HTML
/// forms.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex::byte(digit(bytes.next()?)?, digit(bytes.next()?)?),
            b'+' => b' ',
            other => other,
        });
    }
    Some(decoded)
}

fn digit(byte: u8) -> Option<u8> {
    hex::digit(char::from(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_reserved_bytes_are_escaped() {
        let mut text = String::new();
        encode(b"aZ9-._~ +&=%/\x00\xff", &mut text);
        assert_eq!(text, "aZ9-._~%20%2B%26%3D%25%2F%00%FF");
    }

    #[test]
    fn broken_escapes_are_refused() {
        for bad in ["%", "%1", "a%", "%g0", "%0g", "%-1", "%%41"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        assert_eq!(decode("%1f+%1F").unwrap(), b"\x1f \x1f");
    }

    proptest! {
        #[test]
        fn decoding_returns_what_was_encoded(bytes: Vec<u8>) {
            let mut text = String::new();
            encode(&bytes, &mut text);
            prop_assert_eq!(decode(&text), Some(bytes));
        }

        #[test]
        fn no_text_panics_the_decoder(text: String) {
            let _ = decode(&text);
        }
    }
}
