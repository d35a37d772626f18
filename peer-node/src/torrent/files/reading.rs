//! Where the bytes of a block lie, for those who send them.

use std::io;

use protocol::geometry::Block;

use super::TorrentFiles;
use super::handles::Lying;
use super::layout;
use crate::bittorrent::{PieceBytes, Segment};
use crate::library::FileIdentity;

impl PieceBytes for TorrentFiles {
    fn segments(&self, block: Block) -> io::Result<Option<Vec<Segment>>> {
        let segment = |span: layout::Span| {
            if span.is_padding {
                return Ok(Some(Segment::Zeros { length: span.length }));
            }
            let Some((file, lying)) = self.reader(span.file)? else { return Ok(None) };
            if let Lying::Named(then) = lying {
                let now = FileIdentity::of_file(&file)?;
                let length = self.metainfo.files().get(span.file).map(|file| file.length);
                if now != Some(then) || length != Some(then.size) {
                    return Ok(None);
                }
            }
            Ok(Some(Segment::File { file, offset: span.offset, length: span.length }))
        };
        layout::spans_of_block(&self.metainfo, block).map(segment).collect()
    }
}
