//! Counters of the directory.

use std::time::Duration;

use crate::catalog::Catalog;
use crate::roster::Roster;

/// Counters of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DirectoryStatistics {
    /// Listed nodes.
    pub(crate) online: u32,
    /// Nodes whose list is stored.
    pub(crate) nodes: u32,
    /// Files in those lists.
    pub(crate) files: u64,
    /// Distinct contents in those lists.
    pub(crate) contents: u64,
    /// The total size of those contents in bytes.
    pub(crate) bytes: u64,
    /// Searches answered since the start.
    pub(crate) searches: u64,
    /// Time since the start.
    pub(crate) uptime: Duration,
}

impl DirectoryStatistics {
    /// Counts what the catalog and the roster contain.
    pub(crate) fn count(catalog: &Catalog, roster: &Roster, searches: u64, uptime: Duration) -> Self {
        let (nodes, files) = catalog.count_files();
        Self {
            online: roster.count_listed(),
            nodes,
            files,
            contents: catalog.contents().len() as u64,
            bytes: catalog.contents().bytes(),
            searches,
            uptime,
        }
    }
}
