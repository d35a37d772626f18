//! The finished file of a torrent as a content that has a SHA-256: native nodes know it by that.
//!
//! What a `.torrent` or the index says of it is a hint. The pieces were verified by the torrent's own hashes, so the file is
//! the torrent's, whatever the hint was worth; what it is natively shows when it is hashed, once, by the library, which
//! shares it as what it is.

use protocol::digest::Digest;
use protocol::escape::display_safe;

use super::{JobOutcome, TorrentSession};
use crate::library::{LibraryError, ShareReport};

/// What the library says of the finished file; nothing if the torrent was stopped before.
pub(super) type ShareOutcome = Option<Result<ShareReport, LibraryError>>;

impl TorrentSession {
    /// Has the finished file hashed and shared, if it was fetched as a content whose digest somebody told. Says whether it is.
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

    /// Takes in what the finished file is.
    pub(super) fn handle_shared(&mut self, shared: ShareOutcome) {
        let infohash = self.spec.metainfo.infohash();
        if let Some(store) = &mut self.storage {
            store.is_new = shared.is_none();
        }
        let found = match shared {
            Some(Ok(report)) => report.files.first().map(|file| file.digest),
            Some(Err(error)) => {
                tracing::warn!(%infohash, %error, "finished torrent not shared");
                None
            }
            None => None,
        };
        self.board.update(|view| view.digest = found);
        match (self.spec.digest, found) {
            (Some(claimed), Some(found)) if claimed != found => {
                tracing::warn!(%infohash, %claimed, %found, "torrent is not the content that it was said to be");
            }
            _ => tracing::info!(%infohash, ?found, "finished torrent hashed"),
        }
        self.show_trouble(None);
    }

    /// Shows that the torrent is not what it was said to be, or else what a tracker complains of.
    pub(super) fn show_trouble(&self, complaint: Option<String>) {
        let claimed = self.spec.digest;
        self.board.update(|view| {
            let denied = claimed.zip(view.digest).filter(|(claimed, found)| claimed != found);
            view.warning = denied
                .map(|(claimed, found)| digest_mismatch_message(&view.name, claimed, found))
                .or(complaint);
        });
    }
}

fn digest_mismatch_message(name: &str, claimed: Digest, found: Digest) -> String {
    format!("{}: as a file it is not sha256 {claimed}, as was said, but {found}", display_safe(name))
}
