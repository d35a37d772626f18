//! A native download whose content is wanted as a torrent as well: the torrent goes on with its part file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::digest::Digest;
use protocol::metainfo::Metainfo;
use protocol::share_path::safe_file_name;

use super::listed::Item;
use super::{Downloads, Wanted, place};
use rustix::fs::CWD;

use crate::storage::{remove_record, rename_new};
use crate::transfers::ContentId;

/// How long the index may take to say which content a torrent is.
const ASKING: Duration = Duration::from_secs(2);

/// How long a download may take to put its part in order.
const SETTLING: Duration = Duration::from_secs(10);

impl Downloads {
    /// Finds out the SHA-256 of a torrent's content: from the `.torrent` itself, or from the index. It is a hint.
    pub(super) async fn digest_of(&self, metainfo: &Metainfo) -> Option<Digest> {
        if !metainfo.is_single_file() {
            return None;
        }
        if let Some(digest) = metainfo.digest() {
            return Some(digest);
        }
        let asked = self.inner.config.index.find_torrent(metainfo.infohash());
        let hints = tokio::time::timeout(ASKING, asked).await.ok()?.ok()?;
        // The one that most nodes offer; whatever it is worth, all that comes is verified by the torrent itself.
        hints.first().map(|hint| hint.digest)
    }

    /// Stops the native download of a content, if there is one, so that a torrent of the same content goes on with what it
    /// has. Returns the folder in which that lies.
    pub(super) async fn take_over(&self, digest: Digest, name: &str) -> Option<PathBuf> {
        let (id, mut view) = {
            let table = self.inner.table.lock();
            let id = table.running_one(&ContentId::File(digest))?;
            (id, table.watch(id)?)
        };
        let Item::File(wanted) = self.inner.ledger.item(id)? else { return None };
        self.inner.ledger.strike(id);
        self.suspend(id);
        let over = view.wait_for(|view| view.state.is_over());
        let _ = tokio::time::timeout(SETTLING, over).await.ok()?;
        tracing::info!(%digest, "native download goes on as a torrent");
        let (root, name) = (self.inner.config.root.clone(), safe_file_name(name));
        tokio::task::spawn_blocking(move || hand_over(&root, &wanted, &name.into())).await.ok()?
    }
}

/// Gives a part file the name under which a torrent looks for it. Returns the folder in which it lies.
fn hand_over(root: &Path, wanted: &Wanted, name: &PathBuf) -> Option<PathBuf> {
    let target = place::asked_for(root, &wanted.target);
    let folder = target.parent()?.to_owned();
    let found = place::find(root, &target, &wanted.digest).ok()?;
    if found.part.is_file() {
        let mut part = folder.join(name).into_os_string();
        part.push(".part");
        let renamed = if found.part.as_os_str() == part {
            Ok(())
        } else {
            rename_new((CWD, &found.part), (CWD, Path::new(&part)))
        };
        match renamed {
            Ok(()) => remove_record(&found.record),
            // Then it is fetched anew.
            Err(error) => tracing::warn!(%error, "part of a download not taken over"),
        }
    }
    Some(folder)
}
