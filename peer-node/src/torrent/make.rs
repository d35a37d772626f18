//! Makes a `.torrent` of a file or a folder.
//!
//! A [`TorrentPlan`] says what will be in it; [`TorrentPlan::make`] reads the content once, from its beginning to its end, on the calling
//! thread, hashes the pieces on all cores, and writes the torrent that mktorrent would write of the same files, with the
//! same infohash. It touches nothing but by reading; where the torrent is put is for its caller to say. Who drives it is
//! a command, on a thread that may block.

mod error;
mod hashing;
mod planned_content;
#[cfg(test)]
mod tests;
mod torrent_plan;

pub use error::MakeTorrentError;
pub use torrent_plan::{ExcludedEntry, ExclusionReason, TorrentPlan};

use protocol::limits::MAX_TORRENT;
use protocol::metainfo::{DraftContent, DraftFile, DraftOptionalFields, MetainfoDraft, MetainfoError};
use tokio_util::sync::CancellationToken;

use hashing::ContentHashes;
pub(crate) use hashing::default_piece_length;
use planned_content::PlannedContent;

/// What the maker of a torrent wants it to say, beside its content.
#[derive(Debug, Clone, Default)]
pub struct MakeOptions {
    /// The torrent's name, if not that of the file or folder.
    pub name: Option<String>,
    /// The length of a piece in bytes, if not the one that suits the size.
    pub piece_length: Option<u32>,
    /// Whether peers may come from its trackers alone.
    pub private: bool,
    /// The trackers' addresses by tier.
    pub tiers: Vec<Vec<String>>,
    /// A remark.
    pub comment: Option<String>,
    /// When it is made, in seconds since 1970; not said if nothing.
    pub creation_date: Option<u64>,
}

impl TorrentPlan {
    /// Reads the content and returns the whole `.torrent`; `progress` is told how many bytes were read so far.
    pub fn make(
        &self,
        wish: &MakeOptions,
        cancel: &CancellationToken,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<u8>, MakeTorrentError> {
        if self.size() == 0 {
            return Err(MakeTorrentError::Empty { path: self.root.clone() });
        }
        let mut draft = self.draft(wish)?;
        let pieces = self.size().div_ceil(u64::from(draft.piece_length).max(1));
        // Before anything is read, a torrent without true hashes tells whether there can be one at all.
        let count = usize::try_from(pieces).ok().filter(|count| *count <= MAX_TORRENT / 20);
        let count =
            count.ok_or(MakeTorrentError::TooManyPieces { pieces, piece_length: draft.piece_length })?;
        draft.encode(&vec![[0; 20]; count]).map_err(|fault| self.invalid_metainfo(fault))?;

        let content = PlannedContent::new(self);
        let ContentHashes { pieces, digest } =
            hashing::hash(content, draft.piece_length, self.is_single_file(), cancel, progress)?;
        draft.optional.digest = digest;
        draft.encode(&pieces).map_err(|fault| self.invalid_metainfo(fault))
    }

    /// Returns the length of a piece that a torrent of this content gets if nobody wishes another.
    pub fn default_piece_length(&self) -> u32 {
        default_piece_length(self.size())
    }

    fn draft(&self, wish: &MakeOptions) -> Result<MetainfoDraft, MakeTorrentError> {
        let name = wish.name.as_ref().or(self.name.as_ref());
        let name = name.ok_or_else(|| MakeTorrentError::InvalidName { path: self.root.clone() })?.clone();
        let file =
            |file: &torrent_plan::PlannedFile| DraftFile { path: file.names.clone(), length: file.length };
        let content = match (self.is_single_file(), self.files.as_slice()) {
            (true, [only]) => DraftContent::Single(only.length),
            (_, files) => DraftContent::Files(files.iter().map(file).collect()),
        };
        Ok(MetainfoDraft {
            name,
            piece_length: wish.piece_length.unwrap_or_else(|| self.default_piece_length()),
            content,
            private: wish.private,
            tiers: wish.tiers.clone(),
            optional: DraftOptionalFields {
                comment: wish.comment.clone(),
                created_by: Some(concat!("Peerdex ", env!("CARGO_PKG_VERSION")).to_owned()),
                creation_date: wish.creation_date,
                digest: None,
            },
        })
    }

    fn invalid_metainfo(&self, fault: MetainfoError) -> MakeTorrentError {
        MakeTorrentError::InvalidMetainfo { path: self.root.clone(), fault }
    }
}
