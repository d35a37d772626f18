/// Number of bytes that identify a file type.
pub(super) const SIGNATURE_LEN: usize = 12;

/// Returns the extension of a file with this beginning, if the type is certain. The protocol does not transmit extensions,
/// so a file requested without one gets it from its content.
pub(super) fn extension(beginning: &[u8]) -> Option<&'static str> {
    match beginning {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("png"),
        [0xff, 0xd8, 0xff, ..] => Some("jpg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("webp"),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some("pdf"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_types_are_recognized_by_their_signatures() {
        for (beginning, expected) in [
            (&b"\x89PNG\r\n\x1a\nrest"[..], Some("png")),
            (b"\xff\xd8\xff\xe0", Some("jpg")),
            (b"GIF89a", Some("gif")),
            (b"RIFF\x01\x02\x03\x04WEBP", Some("webp")),
            (b"%PDF-1.7", Some("pdf")),
            (b"\x89PNG\r\n\x1a", None),
            (b"RIFF\x01\x02\x03\x04WAVE", None),
            (b"PK\x03\x04", None),
            (b"", None),
        ] {
            assert!(beginning.len() <= SIGNATURE_LEN);
            assert_eq!(extension(beginning), expected, "{beginning:?}");
        }
    }
}
