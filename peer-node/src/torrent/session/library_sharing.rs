//! Shares the finished file of a torrent under its SHA-256, by which native nodes know it.
//!
//! A digest from a `.torrent` or the index is only a hint. The pieces are verified with the torrent's hashes, so the
//! file is the torrent's content in any case. The library hashes it once and shares it under its actual digest.

use protocol::digest::Digest;
use protocol::escape::display_safe;

use super::{JobOutcome, TorrentSession};
use crate::library::{LibraryError, ShareReport};

/// Result of sharing the finished file; none if the torrent was stopped first.
pub(super) type ShareOutcome = Option<Result<ShareReport, LibraryError>>;

impl TorrentSession {
    /// Starts hashing and sharing the finished file, if a digest was claimed for it. Returns true if that was started.
    pub(super) fn share_finished_file(&mut self) -> bool {
        let bridge = self.config.bridge.as_ref().filter(|_| self.spec.digest.is_some());
        let store = self.storage.as_ref().filter(|store| store.is_new && store.have.is_full());
        let (Some(bridge), Some(_)) = (bridge, store) else { return false };
        let (library, cancel, location) = (bridge.library.clone(), self.cancel.clone(), self.location());
        self.jobs.spawn(async move {
            JobOutcome::Shared(cancel.run_until_cancelled(library.register(vec![location])).await)
        });
        true
    }

    /// Handles the result of hashing the finished file.
    pub(super) fn handle_shared(&mut self, shared: ShareOutcome) {
        let infohash = self.spec.metainfo.infohash();
        if let Some(store) = &mut self.storage {
            store.is_new = shared.is_none();
        }
        let found = match shared {
            Some(Ok(report)) => report.files.first().map(|file| file.digest),
            Some(Err(error)) => {
                tracing::warn!(%infohash, %error, "cannot share the finished torrent");
                None
            }
            None => None,
        };
        self.view_publisher.update(|view| view.digest = found);
        match (self.spec.digest, found) {
            (Some(claimed), Some(found)) if claimed != found => {
                tracing::warn!(%infohash, %claimed, %found, "the torrent's content does not match its claimed digest");
            }
            _ => tracing::info!(%infohash, ?found, "finished torrent hashed"),
        }
        self.show_warning(None);
    }

    /// Shows a digest mismatch as a warning, or else a tracker problem.
    pub(super) fn show_warning(&self, tracker_warning: Option<String>) {
        let claimed = self.spec.digest;
        self.view_publisher.update(|view| {
            let mismatch = claimed.zip(view.digest).filter(|(claimed, found)| claimed != found);
            view.warning = mismatch
                .map(|(claimed, found)| digest_mismatch_message(&view.name, claimed, found))
                .or(tracker_warning);
        });
    }
}

fn digest_mismatch_message(name: &str, claimed: Digest, found: Digest) -> String {
    format!("{}: the content is not sha256 {claimed} as claimed, but {found}", display_safe(name))
}
