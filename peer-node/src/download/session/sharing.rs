//! Shares an unfinished download: verified pieces are offered at once, and nodes that fetch them may be sources as well.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::manifest::Manifest;
use protocol::share_path::{SharePath, local_file_name};

use super::{DownloadInbox, DownloadSession, DownloadStage, PartFile};
use crate::native::partials::{Partials, Publication, Visitors};

/// Downloads shorter than this are not announced to the index before they are complete; that saves it two updates in quick
/// succession.
const ANNOUNCE_DELAY: Duration = Duration::from_millis(500);

/// The shared part of an unfinished download.
#[derive(Debug)]
pub(super) struct Sharing {
    pub(super) publication: Publication,
    visitors: Visitors,
    started: Instant,
}

impl Sharing {
    /// Starts sharing the verified pieces of a part file. Returns `None` if it has no name that can be shared.
    pub(super) fn begin(
        partials: &Partials,
        root: &Path,
        manifest: &Arc<Manifest>,
        part: &PartFile,
        have: &Bitfield,
    ) -> Option<Self> {
        let path = shared_path(root, part.target())?;
        let (publication, visitors) = partials.publish(path, Arc::clone(manifest), part.file(), have);
        Some(Self { publication, visitors, started: Instant::now() })
    }
}

/// Returns the path under which an unfinished file is shared. It is the file's final path, because the index keeps only one of
/// two contents with the same path.
fn shared_path(root: &Path, target: &Path) -> Option<SharePath> {
    let name = target.strip_prefix(root).unwrap_or(target).to_string_lossy();
    SharePath::parse(&name).ok().or_else(|| {
        let last = name.rsplit('/').next().unwrap_or(&name);
        SharePath::parse(&local_file_name(last)).ok()
    })
}

impl DownloadSession {
    /// Announces the verified pieces to the index, once the download has run for long enough.
    pub(super) fn announce(&self) {
        if let DownloadStage::Fetching(fetching) = &self.stage
            && let Some(sharing) = &fetching.sharing
            && sharing.started.elapsed() >= ANNOUNCE_DELAY
            && fetching.pieces.swarm().pieces_done() > 0
        {
            sharing.publication.announce();
        }
    }

    /// Adds nodes that connected to fetch from this download, unless they are sources already or were disconnected.
    pub(super) fn add_visitors(&mut self, inbox: &DownloadInbox) {
        let now = Instant::now();
        while let DownloadStage::Fetching(fetching) = &mut self.stage
            && let Some(sharing) = &mut fetching.sharing
            && let Ok(link) = sharing.visitors.try_recv()
        {
            if !self.sources.not_to_dial(now).contains(&link.node()) {
                self.add_connected_peer(&link, inbox);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;
    use protocol::geometry::Geometry;

    use super::*;
    use crate::download::{NameReservations, PartFolders};

    #[test]
    fn contents_with_one_name_are_shared_separately() {
        let root = tempfile::tempdir().unwrap();
        let geometry = Geometry::for_native(3 << 18).unwrap();
        let target = root.path().join("films/a.iso");
        let (folders, reservations) = (PartFolders::for_test(root.path()), NameReservations::default());
        let path_of = |tag| {
            let digest = Digest::from_bytes([tag; 32]);
            let reserved = reservations.reserve(&target).unwrap();
            let (part, _) = PartFile::open(&folders, reserved.name(), digest, geometry).unwrap();
            (shared_path(root.path(), part.target()).unwrap().as_str().to_owned(), reserved)
        };
        let ((first, _first), (second, _second)) = (path_of(1), path_of(2));
        assert_eq!((first.as_str(), second.as_str()), ("films/a.iso", "films/a (1).iso"));
        let outside = shared_path(root.path(), Path::new("/elsewhere/b.iso")).unwrap();
        assert_eq!(outside.as_str(), "b.iso");
    }
}
