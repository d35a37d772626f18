//! Creates a `.torrent` from a file or folder.
//!
//! A [`TorrentPlan`] lists the content; [`TorrentPlan::make`] reads it once, sequentially on the calling thread, hashes
//! pieces on all cores, and returns the bytes of the torrent. mktorrent creates the same infohash from the same files.
//! The content is only read; the caller stores the result.

mod error;
mod hashing;
mod planned_content;
#[cfg(test)]
mod tests;
mod torrent_plan;

pub(crate) use error::MakeTorrentError;
pub(crate) use torrent_plan::{ExcludedEntry, TorrentPlan};

use protocol::limits::MAX_TORRENT;
use protocol::metainfo::{DraftContent, DraftFile, DraftOptionalFields, MetainfoDraft, MetainfoError};
use tokio_util::sync::CancellationToken;

use hashing::ContentHashes;
pub(crate) use hashing::default_piece_length;
use planned_content::PlannedContent;

/// Options of a new torrent.
#[derive(Debug, Clone, Default)]
pub(crate) struct MakeOptions {
    /// Name; default: the name of the file or folder.
    pub name: Option<String>,
    /// Piece length in bytes; default: chosen by size.
    pub piece_length: Option<u32>,
    /// True if peers may come from its trackers only.
    pub private: bool,
    /// Announce URLs by tier.
    pub tiers: Vec<Vec<String>>,
    /// A comment.
    pub comment: Option<String>,
    /// Creation time in seconds since 1970; omitted if none.
    pub creation_date: Option<u64>,
}

impl TorrentPlan {
    /// Reads the content and returns the encoded `.torrent`; `progress` receives the number of bytes read so far.
    pub(crate) fn make(
        &self,
        options: &MakeOptions,
        cancel: &CancellationToken,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<u8>, MakeTorrentError> {
        if self.size() == 0 {
            return Err(MakeTorrentError::Empty { path: self.root.clone() });
        }
        let mut draft = self.draft(options)?;
        let pieces = self.size().div_ceil(u64::from(draft.piece_length).max(1));
        // Encode with dummy hashes first, so that invalid metainfo is found before anything is read.
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

    /// Returns the default piece length for this content.
    pub(crate) fn default_piece_length(&self) -> u32 {
        default_piece_length(self.size())
    }

    fn draft(&self, options: &MakeOptions) -> Result<MetainfoDraft, MakeTorrentError> {
        let name = options.name.as_ref().or(self.name.as_ref());
        let name = name.ok_or_else(|| MakeTorrentError::InvalidName { path: self.root.clone() })?.clone();
        let file =
            |file: &torrent_plan::PlannedFile| DraftFile { path: file.names.clone(), length: file.length };
        let content = match (self.is_single_file(), self.files.as_slice()) {
            (true, [only]) => DraftContent::Single(only.length),
            (_, files) => DraftContent::Files(files.iter().map(file).collect()),
        };
        Ok(MetainfoDraft {
            name,
            piece_length: options.piece_length.unwrap_or_else(|| self.default_piece_length()),
            content,
            private: options.private,
            tiers: options.tiers.clone(),
            optional: DraftOptionalFields {
                comment: options.comment.clone(),
                created_by: Some(concat!("Peerdex ", env!("CARGO_PKG_VERSION")).to_owned()),
                creation_date: options.creation_date,
                digest: None,
            },
        })
    }

    fn invalid_metainfo(&self, fault: MetainfoError) -> MakeTorrentError {
        MakeTorrentError::InvalidMetainfo { path: self.root.clone(), fault }
    }
}
