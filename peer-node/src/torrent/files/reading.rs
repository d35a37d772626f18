//! Where the bytes of a block lie, for those who send them.

use protocol::geometry::Block;

use super::TorrentFiles;
use super::handles::Lying;
use super::layout;
use crate::bittorrent::{PieceBytes, Segment};
use crate::library::FileIdentity;

impl PieceBytes for TorrentFiles {
    fn segments(&self, block: Block) -> Option<Vec<Segment>> {
        let segment = |span: layout::Span| {
            if span.is_padding {
                return Some(Segment::Zeros { length: span.length });
            }
            let (file, lying) = self.reader(span.file).ok()??;
            if let Lying::Named(then) = lying {
                let now = FileIdentity::of_file(&file).ok()??;
                let is_whole =
                    self.metainfo.files().get(span.file).is_some_and(|file| file.length == now.size);
                if now != then || !is_whole {
                    return None;
                }
            }
            Some(Segment::File { file, offset: span.offset, length: span.length })
        };
        layout::spans_of_block(&self.metainfo, block).map(segment).collect()
    }
}
