//! Locates the bytes of a block for uploads.

use std::io;

use protocol::geometry::Block;

use super::TorrentFiles;
use super::handles::FileState;
use super::layout;
use crate::bittorrent::{BlockSegment, PieceLocator};
use crate::storage::FileIdentity;

impl PieceLocator for TorrentFiles {
    fn segments(&self, block: Block) -> io::Result<Option<Vec<BlockSegment>>> {
        let segment = |span: layout::ContentSpan| {
            if span.is_padding {
                return Ok(Some(BlockSegment::Zeros { length: span.length }));
            }
            let Some((file, state)) = self.reader(span.file)? else { return Ok(None) };
            if let FileState::Named(recorded) = state {
                let current = FileIdentity::from_file(&file)?;
                let length = self.metainfo.files().get(span.file).map(|file| file.length);
                if current != Some(recorded) || length != Some(recorded.size) {
                    return Ok(None);
                }
            }
            Ok(Some(BlockSegment::File { file, offset: span.offset, length: span.length }))
        };
        layout::spans_of_block(&self.metainfo, block).map(segment).collect()
    }
}
