//! Access control: lists of allowed and denied networks and nodes, read from files and reloaded on request.
//!
//! The deny list takes precedence over the allow list. After a reload, open connections are checked again.

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

/// Maximum size of a list file in bytes: about 100,000 nodes.
const MAX_LIST: u64 = 8 << 20;

/// An error while reading an access list.
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
    /// A line is not a valid entry.
    #[error("{path:?}, line {line}: {reason}")]
    BadLine {
        /// The file.
        path: PathBuf,
        /// The line number, from 1.
        line: usize,
        /// What is wrong with the line.
        reason: String,
    },
}

/// The paths of the access lists.
#[derive(Debug, Clone, Default)]
pub struct AccessFiles {
    /// Clients that may connect; all if not set.
    pub allow: Option<PathBuf>,
    /// Clients that may not connect.
    pub deny: Option<PathBuf>,
}

/// The access lists, shared by all connections. Clones share the same lists.
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

    /// Reads the lists again. On error the previous lists stay in force.
    pub fn reload(&self) -> Result<(), AccessError> {
        self.lists.send_replace(AccessLists::read(&self.files)?);
        Ok(())
    }

    /// Checks whether an address may connect.
    pub(crate) fn check_address(&self, address: IpAddr) -> Result<(), Refusal> {
        let lists = self.lists.borrow();
        let allowed = lists.allow.as_ref().is_none_or(|list| list.admits_address(address));
        let allowed = allowed && !lists.deny.contains_address(address);
        allowed.then_some(()).ok_or_else(|| Refusal::NotAllowed { what: "address".into() })
    }

    /// Checks whether an authenticated node may connect.
    pub(crate) fn check_node(&self, node: &NodeId) -> Result<(), Refusal> {
        let lists = self.lists.borrow();
        let allowed = lists.allow.as_ref().is_none_or(|list| list.admits_node(node));
        let allowed = allowed && !lists.deny.contains_node(node);
        allowed.then_some(()).ok_or_else(|| Refusal::NotAllowed { what: "node".into() })
    }

    /// Returns a watcher for changes of the lists. Its first wait returns immediately.
    pub(crate) fn changes(&self) -> AccessChanges {
        let mut lists = self.lists.subscribe();
        // The caller was checked earlier; a reload since then must not be missed.
        lists.mark_changed();
        AccessChanges(lists)
    }
}

/// Watches for changes of the lists.
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
        return Err(unreadable(format!("it is larger than {MAX_LIST} bytes")));
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
        let admits = |address: &str| access.check_address(address.parse().unwrap()).is_ok();
        assert!(admits("10.2.0.1") && admits("192.0.2.7") && admits("::ffff:10.2.0.1"));
        assert!(!admits("10.1.0.1") && !admits("192.0.2.8") && !admits("2001:db8::1"));
        let denied = access.check_node(&NodeId::from_bytes([0xab; 32]));
        assert_eq!(denied, Err(Refusal::NotAllowed { what: "node".into() }));
        assert!(access.check_node(&NodeId::from_bytes([0xac; 32])).is_ok());
        fs::write(&allow, "192.0.2.8\nnonsense\n").unwrap();
        let error = access.reload().unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("nonsense"), "{error}");
        assert!(admits("192.0.2.7"));
        fs::write(&allow, "192.0.2.8\n").unwrap();
        access.reload().unwrap();
        assert!(!admits("192.0.2.7") && admits("192.0.2.8"));
        fs::remove_file(&allow).unwrap();
        assert!(matches!(access.reload(), Err(AccessError::Unreadable { .. })));
    }
}
