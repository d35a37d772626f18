use protocol::index::PeerRef;
use protocol::limits::MAX_LISTING;
use protocol::node_id::NodeId;
use serde::Serialize;

use super::Operations;
use super::as_text::as_text;
use super::content::Page;
use super::folder_level::{FolderEntry, FolderLevel, PeerFile};
use super::problem::Problem;
use super::safe_name::SafeName;

/// The maximum number of files read to list one level of a folder.
const MAX_READ: usize = 100_000;

/// One level of a folder of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FolderContents {
    /// The peer.
    #[serde(serialize_with = "as_text")]
    pub(crate) peer: NodeId,
    /// The direct entries: folders before files, each in natural order.
    pub(crate) entries: Vec<FolderEntry>,
    /// The number of files below the folder that were read.
    pub(crate) files: u64,
    /// The total size of these files.
    pub(crate) bytes: u64,
    /// Whether there are more files than were read.
    pub(crate) is_truncated: bool,
}

/// A request for the files below a folder of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilesRequest {
    /// The peer.
    pub(crate) peer: NodeId,
    /// The folder, without a trailing `/`; `None` for all files of the peer.
    pub(crate) folder: Option<String>,
    /// The last file of the previous page; `None` for the first page.
    pub(crate) after: Option<SafeName>,
    /// The maximum number of files.
    pub(crate) limit: u16,
}

/// A page of files, in the order of their paths.
pub(crate) type FilePage = Page<PeerFile, SafeName>;

impl Operations {
    /// Returns the node id of a peer that is online.
    pub(crate) async fn identify_peer(&self, peer: PeerRef) -> Result<NodeId, Problem> {
        let (node, _, _) = self.node.finder().browse(peer, None, 1).await?;
        Ok(node)
    }

    /// Returns a page of the files below a folder of a peer, at any depth.
    pub(crate) async fn list_files(&self, request: FilesRequest) -> Result<FilePage, Problem> {
        let below = request.folder.as_ref().map(|folder| format!("{folder}/"));
        let after = request.after.map(|after| after.original().to_owned()).or_else(|| below.clone());
        let peer = PeerRef::Node(request.peer);
        let (_, mut files, more) = self.node.finder().browse(peer, after, request.limit).await?;
        let received = files.len();
        files.retain(|file| below.as_ref().is_none_or(|below| file.path.starts_with(below)));
        let last = files.last().map(|file| SafeName::new(file.path.as_str()));
        let next = last.filter(|_| more && files.len() == received);
        Ok(Page { items: files.iter().map(PeerFile::from).collect(), next, is_truncated: false })
    }

    /// Returns the direct entries of a folder of a peer; `None` is the root. Returns no entries for a folder without files.
    pub(crate) async fn list_folder(
        &self,
        peer: PeerRef,
        folder: Option<&str>,
    ) -> Result<FolderContents, Problem> {
        let mut level = FolderLevel::new(folder);
        let (mut peer, mut files, mut bytes) = (peer, 0, 0_u64);
        let mut after = folder.map(|folder| format!("{folder}/"));
        loop {
            let (node, page, more) = self.node.finder().browse(peer, after, MAX_LISTING).await?;
            // All pages come from the same node, even if another one takes over its address.
            peer = PeerRef::Node(node);
            after = page.last().map(|file| file.path.clone());
            for file in page {
                let size = file.size;
                if !level.add(file) {
                    after = None;
                    break;
                }
                (files, bytes) = (files + 1, bytes.saturating_add(size));
            }
            if !more || after.is_none() || files >= MAX_READ {
                let (entries, files) = (level.entries(), files as u64);
                let is_truncated = more && after.is_some();
                return Ok(FolderContents { peer: node, entries, files, bytes, is_truncated });
            }
        }
    }
}
