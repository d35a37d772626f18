//! What is served: a file of the library, or one that is still on its way here.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use protocol::digest::Digest;
use protocol::geometry::PieceIndex;
use protocol::limits::MAX_DETAILS;
use protocol::manifest::Manifest;
use protocol::peer::FileDetails;

use crate::library::{Library, OpenFile, SharedFile};
use crate::native::partials::{Partial, PartialStatus, Partials};

/// The bytes of a content that a peer has opened.
#[derive(Debug, Clone)]
pub(super) enum ServedContent {
    /// A shared file.
    Shared(Arc<OpenFile>),
    /// A file of which some pieces are here.
    Partial(Arc<Partial>),
}

/// A content with what the other side needs to know of it.
#[derive(Debug)]
pub(super) struct FoundContent {
    pub(super) content: ServedContent,
    pub(super) manifest: Arc<Manifest>,
    pub(super) manifest_id: Digest,
    /// Its name, for people.
    pub(super) name: String,
    /// What is known of the files that have it.
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

    /// Says whether a piece is here.
    pub(super) fn has(&self, piece: PieceIndex) -> bool {
        match self {
            Self::Shared(_) => true,
            Self::Partial(partial) => partial.has(piece),
        }
    }

    /// Says whether the file is still what was verified, as far as that can be seen without reading it.
    pub(super) fn is_valid(&self) -> bool {
        match self {
            Self::Shared(open) => open.is_unchanged(),
            Self::Partial(partial) => partial.status() != PartialStatus::Withdrawn,
        }
    }

    /// Says whether the content's download is over, so that it is for the library to share it, if anybody does.
    pub(super) fn is_download_over(&self) -> bool {
        matches!(self, Self::Partial(partial) if partial.status() != PartialStatus::Growing)
    }
}

/// Looks for a content, in the library first; reads from disk.
pub(super) fn find(library: &Library, partials: &Partials, digest: &Digest) -> Option<FoundContent> {
    find_shared(library, digest).or_else(|| find_partial(partials, digest))
}

/// Looks for a content in the library; reads from disk.
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

/// Looks at the files of a content that are shared, a few of them.
fn file_details(library: &Library, digest: &Digest) -> Vec<FileDetails> {
    let files = library.files();
    let details = |file: &SharedFile| {
        let found = file.open().ok()?.file.metadata().ok()?;
        let (seconds, nanoseconds) = (found.mtime(), u32::try_from(found.mtime_nsec()).ok()?);
        let (path, executable) = (file.path.as_str().to_owned(), found.mode() & 0o100 != 0);
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
