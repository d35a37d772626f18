//! A `.torrent` of one file, as BEP 3 describes it.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha1::{Digest as _, Sha1};

/// The length of a piece.
pub(super) const PIECE: usize = 1 << 20;

/// Writes the `.torrent` of a file beside it and returns where it is.
pub(super) fn write(file: &Path, announce: &str) -> Result<PathBuf> {
    let name = file.file_name().and_then(|name| name.to_str()).context("a file without a name")?;
    let (mut reader, mut piece, mut pieces, mut size) = (File::open(file)?, Vec::new(), Vec::new(), 0);
    while reader.by_ref().take(PIECE as u64).read_to_end(&mut piece)? > 0 {
        pieces.extend_from_slice(&Sha1::digest(&piece));
        size += piece.len();
        piece.clear();
    }
    let mut text = format!("d8:announce{}:{announce}4:infod6:lengthi{size}e", announce.len()).into_bytes();
    text.extend(
        format!("4:name{}:{name}12:piece lengthi{PIECE}e6:pieces{}:", name.len(), pieces.len()).bytes(),
    );
    text.extend(pieces);
    text.extend(b"ee");
    let path = file.with_extension("torrent");
    fs::write(&path, text)?;
    Ok(path)
}
