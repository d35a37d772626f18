//! A download as a source: what is verified is shared at once, and whoever fetches it may be a source as well.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::manifest::Manifest;
use protocol::share_path::{SharePath, local_file_name};

use super::{DownloadInbox, DownloadSession, DownloadStage, PartFile};
use crate::native::partials::{Partials, Publication, Visitors};

/// The index is told of a download that takes longer than this: of a short one it would be told twice in a moment, that
/// some of it is here, and that all is.
const ANNOUNCE_DELAY: Duration = Duration::from_millis(500);

/// What a download shares before it is whole.
#[derive(Debug)]
pub(super) struct Sharing {
    pub(super) publication: Publication,
    visitors: Visitors,
    started: Instant,
}

impl Sharing {
    /// Begins to share the verified pieces of a part file; nothing if it has no name that can be shared.
    pub(super) fn begin(
        partials: &Partials,
        root: &Path,
        manifest: &Arc<Manifest>,
        part: &PartFile,
        here: &Bitfield,
    ) -> Option<Self> {
        let path = shared_path(root, part.target())?;
        let (publication, visitors) = partials.publish(path, Arc::clone(manifest), part.file(), here);
        Some(Self { publication, visitors, started: Instant::now() })
    }
}

/// Returns the path under which a file that will lie at `target` is shared until it does. It is the one that it will have:
/// of two contents with one path the index would know one alone.
fn shared_path(root: &Path, target: &Path) -> Option<SharePath> {
    let name = target.strip_prefix(root).unwrap_or(target).to_string_lossy();
    SharePath::parse(&name).ok().or_else(|| {
        let last = name.rsplit('/').next().unwrap_or(&name);
        SharePath::parse(&local_file_name(last)).ok()
    })
}

impl DownloadSession {
    /// Has the index told of what is here, once that is worth it.
    pub(super) fn announce(&self) {
        if let DownloadStage::Fetching(fetching) = &self.stage
            && let Some(sharing) = &fetching.sharing
            && sharing.started.elapsed() >= ANNOUNCE_DELAY
            && fetching.swarm.pieces_done() > 0
        {
            sharing.publication.announce();
        }
    }

    /// Takes in those who have come to fetch what is here, unless they are sources already or were left.
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
