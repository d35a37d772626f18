//! Makes a `.torrent` of a file or a folder.
//!
//! A [`Plan`] says what will be in it; [`Plan::make`] reads the content once, from its beginning to its end, on the calling
//! thread, hashes the pieces on all cores, and writes the torrent that mktorrent would write of the same files, with the
//! same infohash. It touches nothing but by reading; where the torrent is put is for its caller to say. Who drives it is
//! a command, on a thread that may block.

mod content;
mod error;
mod hashing;
mod plan;
#[cfg(test)]
mod tests;

pub use error::MakeError;
pub use plan::{LeftOut, Plan, Why};

use protocol::limits::MAX_TORRENT;
use protocol::metainfo::{Draft, DraftContent, DraftFile, DraftNotes, MetainfoError};
use tokio_util::sync::CancellationToken;

use content::Content;
use hashing::Hashes;
pub(crate) use hashing::suitable_piece_length;

/// What the maker of a torrent wants it to say, beside its content.
#[derive(Debug, Clone, Default)]
pub struct Wish {
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

impl Plan {
    /// Reads the content and returns the whole `.torrent`; `progress` is told how many bytes were read so far.
    pub fn make(
        &self,
        wish: &Wish,
        cancel: &CancellationToken,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<u8>, MakeError> {
        if self.size() == 0 {
            return Err(MakeError::Empty { path: self.root.clone() });
        }
        let mut draft = self.draft(wish)?;
        let pieces = self.size().div_ceil(u64::from(draft.piece_length).max(1));
        // Before anything is read, a torrent without true hashes tells whether there can be one at all.
        let count = usize::try_from(pieces).ok().filter(|count| *count <= MAX_TORRENT / 20);
        let count = count.ok_or(MakeError::TooManyPieces { pieces, piece_length: draft.piece_length })?;
        draft.encode(&vec![[0; 20]; count]).map_err(|fault| self.refused(fault))?;

        let content = Content::new(self);
        let Hashes { pieces, digest } =
            hashing::hash(content, draft.piece_length, self.is_single_file(), cancel, progress)?;
        draft.notes.digest = digest;
        draft.encode(&pieces).map_err(|fault| self.refused(fault))
    }

    /// Returns the length of a piece that a torrent of this content gets if nobody wishes another.
    pub fn piece_length(&self) -> u32 {
        suitable_piece_length(self.size())
    }

    fn draft(&self, wish: &Wish) -> Result<Draft, MakeError> {
        let name = wish.name.as_ref().or(self.name.as_ref());
        let name = name.ok_or_else(|| MakeError::NoName { path: self.root.clone() })?.clone();
        let file = |file: &plan::PlannedFile| DraftFile { path: file.names.clone(), length: file.length };
        let content = match (self.is_single_file(), self.files.as_slice()) {
            (true, [only]) => DraftContent::Single(only.length),
            (_, files) => DraftContent::Files(files.iter().map(file).collect()),
        };
        Ok(Draft {
            name,
            piece_length: wish.piece_length.unwrap_or_else(|| self.piece_length()),
            content,
            private: wish.private,
            tiers: wish.tiers.clone(),
            notes: DraftNotes {
                comment: wish.comment.clone(),
                created_by: Some(concat!("Peerdex ", env!("CARGO_PKG_VERSION")).to_owned()),
                creation_date: wish.creation_date,
                digest: None,
            },
        })
    }

    fn refused(&self, fault: MetainfoError) -> MakeError {
        MakeError::Refused { path: self.root.clone(), fault }
    }
}
