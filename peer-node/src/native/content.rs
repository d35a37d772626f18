//! The contents that we serve: files of the library and downloads in progress.

use std::fs::File;
use std::sync::Arc;

use protocol::digest::Digest;
use protocol::geometry::PieceIndex;
use protocol::limits::MAX_DETAILS;
use protocol::manifest::Manifest;
use protocol::peer::FileDetails;

use crate::library::{Library, OpenFile, SharedFile};
use crate::native::partials::{Partial, PartialStatus, Partials};
use crate::platform::{is_executable, modified_time};

/// The bytes of a content that a peer has opened.
#[derive(Debug, Clone)]
pub(super) enum ServedContent {
    /// A shared file.
    Shared(Arc<OpenFile>),
    /// A file of which we have some pieces.
    Partial(Arc<Partial>),
}

/// A content with everything that its offer needs.
#[derive(Debug)]
pub(super) struct FoundContent {
    pub(super) content: ServedContent,
    pub(super) manifest: Arc<Manifest>,
    pub(super) manifest_id: Digest,
    /// Name for display.
    pub(super) name: String,
    /// Details of the shared files with this content.
    pub(super) details: Vec<FileDetails>,
}

impl ServedContent {
    /// Returns the open file.
    pub(super) fn file(&self) -> &File {
        match self {
            Self::Shared(open) => &open.file,
            Self::Partial(partial) => partial.file(),
        }
    }

    /// Returns true if we have the piece.
    pub(super) fn has(&self, piece: PieceIndex) -> bool {
        match self {
            Self::Shared(_) => true,
            Self::Partial(partial) => partial.has(piece),
        }
    }

    /// Returns true if the file still looks as it did when it was verified. Does not read its bytes.
    pub(super) fn is_valid(&self) -> bool {
        match self {
            Self::Shared(open) => open.is_unchanged(),
            Self::Partial(partial) => partial.status() != PartialStatus::Withdrawn,
        }
    }

    /// Returns true if the content's download has ended, so that the content can only be served from the library.
    pub(super) fn is_download_over(&self) -> bool {
        matches!(self, Self::Partial(partial) if partial.status() != PartialStatus::Growing)
    }
}

/// Looks a content up, first in the library, then among the downloads. Reads from disk.
pub(super) fn find(library: &Library, partials: &Partials, digest: &Digest) -> Option<FoundContent> {
    find_shared(library, digest).or_else(|| find_partial(partials, digest))
}

/// Looks a content up in the library. Reads from disk.
pub(super) fn find_shared(library: &Library, digest: &Digest) -> Option<FoundContent> {
    let file = library.open_file(digest).ok()?;
    let manifest = library.manifest(digest).ok()??;
    let manifest_id = manifest.id();
    let name = library.files().by_digest(digest).next().map(|file| file.path.as_str().to_owned());
    (manifest.geometry().size() == file.size).then(|| FoundContent {
        content: ServedContent::Shared(Arc::new(file)),
        manifest,
        manifest_id,
        name: name.unwrap_or_default(),
        details: file_details(library, digest),
    })
}

/// Returns details of up to [`MAX_DETAILS`] shared files with this content.
fn file_details(library: &Library, digest: &Digest) -> Vec<FileDetails> {
    let files = library.files();
    let details = |file: &SharedFile| {
        let found = file.open().ok()?.file.metadata().ok()?;
        let (seconds, nanoseconds) = modified_time(&found);
        let nanoseconds = u32::try_from(nanoseconds).ok()?;
        let (path, executable) = (file.path.as_str().to_owned(), is_executable(&found));
        Some(FileDetails { path, seconds, nanoseconds, executable }).filter(FileDetails::is_valid)
    };
    files.by_digest(digest).take(MAX_DETAILS).filter_map(details).collect()
}

fn find_partial(partials: &Partials, digest: &Digest) -> Option<FoundContent> {
    let partial = partials.find(digest)?;
    Some(FoundContent {
        manifest: Arc::clone(partial.manifest()),
        manifest_id: partial.manifest_id(),
        name: partial.path().as_str().to_owned(),
        content: ServedContent::Partial(partial),
        details: Vec::new(),
    })
}
