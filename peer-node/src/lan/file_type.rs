/// How many bytes of a file tell what it is.
pub(super) const SIGNATURE_LEN: usize = 12;

/// Returns the extension of a file that begins like this, if every file that begins like this has it. The wire has no room for
/// an extension, so a file that was asked for without one gets it back from its content.
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
