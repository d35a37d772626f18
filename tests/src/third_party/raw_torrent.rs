use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use protocol::infohash::Infohash;
use sha1::{Digest as _, Sha1};

/// Writes the `.torrent` of a file (BEP 3) beside it and returns its path.
pub fn write_torrent(file: &Path, announce: &str, piece_length: u64) -> Result<PathBuf> {
    let name = file.file_name().and_then(|name| name.to_str()).context("a file without a name")?;
    let (mut reader, mut piece, mut pieces, mut size) = (File::open(file)?, Vec::new(), Vec::new(), 0);
    while reader.by_ref().take(piece_length).read_to_end(&mut piece)? > 0 {
        pieces.extend_from_slice(&Sha1::digest(&piece));
        size += piece.len();
        piece.clear();
    }
    let mut text = format!("d8:announce{}:{announce}4:infod6:lengthi{size}e", announce.len()).into_bytes();
    text.extend(
        format!("4:name{}:{name}12:piece lengthi{piece_length}e6:pieces{}:", name.len(), pieces.len())
            .bytes(),
    );
    text.extend(pieces);
    text.extend(b"ee");
    let path = file.with_extension("torrent");
    fs::write(&path, text)?;
    Ok(path)
}

/// Returns the infohash of a `.torrent`. Parses the bytes independently, so that no program verifies its own output.
pub fn read_infohash(torrent: &Path) -> Infohash {
    let bytes = fs::read(torrent).unwrap_or_else(|error| panic!("no {}: {error}", torrent.display()));
    let mut at = 1;
    while bytes[at] != b'e' {
        let (key, value) = (at, value_end(&bytes, at));
        at = value_end(&bytes, value);
        if bytes[key..value] == *b"4:info" {
            return Infohash::of(&bytes[value..at]);
        }
    }
    panic!("{} has no info", torrent.display());
}

/// Returns the end of the value that begins at a byte offset.
fn value_end(bytes: &[u8], at: usize) -> usize {
    let until = |delimiter: u8| at + bytes[at..].iter().position(|byte| *byte == delimiter).expect("an end");
    match bytes[at] {
        b'i' => until(b'e') + 1,
        b'l' | b'd' => {
            let mut next = at + 1;
            while bytes[next] != b'e' {
                next = value_end(bytes, next);
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
