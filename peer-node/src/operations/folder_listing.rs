use protocol::index::{FileRecord, PeerRef};
use protocol::limits::MAX_LISTING;
use protocol::share_path::SharePath;

use super::Operations;
use super::content::ListedContent;
use super::problem::Problem;
use super::safe_name::SafeName;

/// The maximum number of files that one request fetches.
const MAX_FILES: usize = 20_000;

/// The files below a folder of a peer.
#[derive(Debug)]
pub(super) struct FolderListing {
    pub(super) files: Vec<ListedContent>,
    /// How many files have invalid names.
    pub(super) unusable: usize,
}

impl Operations {
    /// Lists all files below a folder of a peer.
    pub(super) async fn list_below(
        &self,
        peer: PeerRef,
        folder: &SafeName,
    ) -> Result<FolderListing, Problem> {
        let not_found = || Problem::not_found(format!("{}/", folder.original()));
        let path = SharePath::parse(folder.original()).map_err(|_| not_found())?;
        let (mut files, mut unusable, prefix) = (Vec::new(), 0, format!("{}/", path.as_str()));
        // Listings are sorted by path, so the files below the folder are contiguous.
        let (mut peer, mut after) = (peer, Some(prefix.clone()));
        loop {
            let (node, page, more) = self.node.finder().browse(peer, after, MAX_LISTING).await?;
            // All pages come from the same node, even if another one takes over its address.
            peer = PeerRef::Node(node);
            after = page.last().map(|file| file.path.clone());
            let below: Vec<&FileRecord> = page.iter().filter(|file| file.path.starts_with(&prefix)).collect();
            let usable = below.iter().copied().filter(|file| is_below(file, &path));
            files.extend(usable.map(ListedContent::from));
            unusable += below.iter().filter(|file| !is_below(file, &path)).count();
            if files.len() > MAX_FILES {
                return Err(Problem::TooManyFiles { folder: folder.clone(), limit: MAX_FILES });
            }
            let is_beyond = page.last().is_none_or(|file| !file.path.starts_with(&prefix));
            if !more || is_beyond {
                break;
            }
        }
        if files.is_empty() && unusable == 0 {
            return Err(not_found());
        }
        Ok(FolderListing { files, unusable })
    }
}

/// Returns true if a file has a valid path below a folder.
fn is_below(file: &FileRecord, folder: &SharePath) -> bool {
    file.check().is_ok_and(|path| path.starts_with_folder(folder) && path != *folder)
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;
    use protocol::index::Share;

    use super::*;

    #[test]
    fn only_files_below_the_folder_are_fetched() {
        let folder = SharePath::parse("music/live").unwrap();
        let is_fetched = |path: &str| {
            let file =
                FileRecord { path: path.into(), size: 0, digest: Digest::EMPTY, share: Share::Complete };
            is_below(&file, &folder)
        };
        assert!(is_fetched("music/live/a") && is_fetched("music/live/b/c"));
        assert!(!is_fetched("music/live") && !is_fetched("music/lively/a") && !is_fetched("../music/live/a"));
    }
}
