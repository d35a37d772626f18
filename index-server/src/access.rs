//! Whom the index serves: lists of networks and nodes in files, read again when the operator says so.
//!
//! A list of whom it does not serve goes before one of whom it does. Who is connected when the lists change is judged
//! again.

mod list;
mod network;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::index::Refusal;
use protocol::node_id::NodeId;
use tokio::sync::watch;

use crate::regular_file::read_regular;
use list::{AccessList, AccessListError};

/// The longest list that is read, in bytes: a hundred thousand nodes.
const MAX_LIST: u64 = 8 << 20;

/// A list that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The file cannot be read.
    #[error("cannot read the list {path:?}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A line of it is none.
    #[error("{path:?}, line {line}: {reason}")]
    BadLine {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where the lists lie.
#[derive(Debug, Clone, Default)]
pub struct AccessFiles {
    /// Whom the index serves; without it, everybody.
    pub allow: Option<PathBuf>,
    /// Whom it does not serve.
    pub deny: Option<PathBuf>,
}

/// The lists, for everybody who lets somebody in; a clone is another view of the same.
#[derive(Debug, Clone)]
pub struct Access {
    files: AccessFiles,
    lists: Arc<watch::Sender<AccessLists>>,
}

#[derive(Debug, Default)]
struct AccessLists {
    allow: Option<AccessList>,
    deny: AccessList,
}

impl Default for Access {
    fn default() -> Self {
        Self { files: AccessFiles::default(), lists: Arc::new(watch::Sender::new(AccessLists::default())) }
    }
}

impl Access {
    /// Reads the lists.
    pub fn read(files: AccessFiles) -> Result<Self, AccessError> {
        let lists = AccessLists::read(&files)?;
        Ok(Self { files, lists: Arc::new(watch::Sender::new(lists)) })
    }

    /// Reads the lists again; those that were in force stay so if that fails.
    pub fn reload(&self) -> Result<(), AccessError> {
        self.lists.send_replace(AccessLists::read(&self.files)?);
        Ok(())
    }

    /// Judges an address.
    pub(crate) fn check_address(&self, address: IpAddr) -> Result<(), Refusal> {
        let lists = self.lists.borrow();
        let allowed = lists.allow.as_ref().is_none_or(|list| list.admits_address(address));
        let allowed = allowed && !lists.deny.contains_address(address);
        allowed.then_some(()).ok_or_else(|| Refusal::NotAllowed { what: "address".into() })
    }

    /// Judges a node that has proven who it is.
    pub(crate) fn check_node(&self, node: &NodeId) -> Result<(), Refusal> {
        let lists = self.lists.borrow();
        let allowed = lists.allow.as_ref().is_none_or(|list| list.admits_node(node));
        let allowed = allowed && !lists.deny.contains_node(node);
        allowed.then_some(()).ok_or_else(|| Refusal::NotAllowed { what: "node".into() })
    }

    /// Returns what tells of changes to the lists, and at first at once.
    pub(crate) fn changes(&self) -> AccessChanges {
        let mut lists = self.lists.subscribe();
        // Whoever watches was judged before; what changed in between counts as well.
        lists.mark_changed();
        AccessChanges(lists)
    }
}

/// Tells of changes to the lists.
#[derive(Debug)]
pub(crate) struct AccessChanges(watch::Receiver<AccessLists>);

impl AccessChanges {
    /// Waits for the next change.
    pub(crate) async fn next(mut self) -> Self {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self
    }
}

impl AccessLists {
    fn read(files: &AccessFiles) -> Result<Self, AccessError> {
        let allow = files.allow.as_deref().map(read_list).transpose()?;
        let deny = files.deny.as_deref().map(read_list).transpose()?.unwrap_or_default();
        Ok(Self { allow, deny })
    }
}

fn read_list(path: &Path) -> Result<AccessList, AccessError> {
    let unreadable = |reason: String| AccessError::Unreadable { path: path.to_owned(), reason };
    let bytes = read_regular(path, MAX_LIST + 1).map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > MAX_LIST {
        return Err(unreadable(format!("it has more than {MAX_LIST} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
    AccessList::parse(&text).map_err(|AccessListError { line, reason }| AccessError::BadLine {
        path: path.to_owned(),
        line,
        reason,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::tempdir;

    use super::*;

    #[test]
    fn invalid_reload_keeps_previous_lists() {
        let dir = tempdir().unwrap();
        let (allow, deny) = (dir.path().join("allow"), dir.path().join("deny"));
        fs::write(&allow, "10.0.0.0/8\n192.0.2.7\n").unwrap();
        fs::write(&deny, format!("10.1.0.0/16\n{}\n", "ab".repeat(32))).unwrap();
        let access = Access::read(AccessFiles { allow: Some(allow.clone()), deny: Some(deny) }).unwrap();
        let judge = |address: &str| access.check_address(address.parse().unwrap()).is_ok();
        assert!(judge("10.2.0.1") && judge("192.0.2.7") && judge("::ffff:10.2.0.1"));
        assert!(!judge("10.1.0.1") && !judge("192.0.2.8") && !judge("2001:db8::1"));
        let denied = access.check_node(&NodeId::from_bytes([0xab; 32]));
        assert_eq!(denied, Err(Refusal::NotAllowed { what: "node".into() }));
        assert!(access.check_node(&NodeId::from_bytes([0xac; 32])).is_ok());
        fs::write(&allow, "192.0.2.8\nnonsense\n").unwrap();
        let error = access.reload().unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("nonsense"), "{error}");
        assert!(judge("192.0.2.7"));
        fs::write(&allow, "192.0.2.8\n").unwrap();
        access.reload().unwrap();
        assert!(!judge("192.0.2.7") && judge("192.0.2.8"));
        fs::remove_file(&allow).unwrap();
        assert!(matches!(access.reload(), Err(AccessError::Unreadable { .. })));
    }
}
