//! Everything that knows addresses: the index, the neighbours on the local network, and the trackers of torrents.
//!
//! Each of them has a protocol and a pace of its own, and none knows what its addresses are used for. No dialect knows this
//! module.

pub(crate) mod finder;
pub(crate) mod index_client;
pub(crate) mod neighbours;
pub(crate) mod trackers;
