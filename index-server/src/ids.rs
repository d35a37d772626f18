//! Numbers that identify nodes, contents and titles in the catalog.

/// A node's number in memory and on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeNo(pub(crate) u32);

/// A content's number in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ContentNo(pub(crate) u32);

/// A title's number in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TitleNo(pub(crate) u32);
