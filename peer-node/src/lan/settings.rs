use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use protocol::lan::{ChunkCount, Cookie};
use tokio::sync::Notify;

/// Rung when the folder has chunks that were not announced yet.
pub(crate) type Bell = Arc<Notify>;

/// How the programs of the LAN dialect work.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The UDP port on which announcements are sent and heard.
    pub(crate) announce_port: u16,
    /// The TCP port on which chunks are asked for.
    pub(crate) chunk_port: u16,
    /// The time between two announcements.
    pub(crate) period: Duration,
    /// Into how many chunks files are cut.
    pub(crate) count: ChunkCount,
    /// Where announcements go; if nobody said, to everybody on every network of this machine.
    pub(crate) broadcast: Option<Ipv4Addr>,
    /// The address of this machine from which is sent, and on which chunks are given.
    pub(crate) host: Ipv4Addr,
    /// The largest file that is fetched, in bytes.
    pub(crate) max_size: u64,
    /// What our own announcements are known by.
    pub(crate) cookie: Cookie,
}
