use std::fs;
use std::path::Path;

use protocol::infohash::Infohash;

/// Reads the infohash out of a `.torrent` with nothing but a walk over its bytes, so that no reader is judged by itself.
pub fn infohash_of(torrent: &Path) -> Infohash {
    let bytes = fs::read(torrent).unwrap_or_else(|error| panic!("no {}: {error}", torrent.display()));
    let mut at = 1;
    while bytes[at] != b'e' {
        let (key, value) = (at, end_of(&bytes, at));
        at = end_of(&bytes, value);
        if bytes[key..value] == *b"4:info" {
            return Infohash::of(&bytes[value..at]);
        }
    }
    panic!("{} has no info", torrent.display());
}

/// Says where the value that begins at a byte ends.
fn end_of(bytes: &[u8], at: usize) -> usize {
    let until = |mark: u8| at + bytes[at..].iter().position(|byte| *byte == mark).expect("an end");
    match bytes[at] {
        b'i' => until(b'e') + 1,
        b'l' | b'd' => {
            let mut next = at + 1;
            while bytes[next] != b'e' {
                next = end_of(bytes, next);
            }
            next + 1
        }
        _ => {
            let colon = until(b':');
            let length = std::str::from_utf8(&bytes[at..colon]).ok().and_then(|text| text.parse().ok());
            colon + 1 + length.unwrap_or(0_usize)
        }
    }
}
