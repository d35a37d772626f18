use std::fmt::Debug;
use std::pin::Pin;

use protocol::bittorrent::mse::TorrentKey;
use protocol::infohash::Infohash;

/// Prepares torrents on demand, when a peer connects for one that has not joined.
pub(crate) trait TorrentResolver: Debug + Send + Sync {
    /// Prepares the torrent of an incoming connection. Returns true if it has [joined](super::Wires::join). The peer
    /// waits only a few seconds for the answer.
    fn resolve(&self, infohash: Infohash) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;

    /// Returns the infohash of a known torrent with this key, for an incoming key exchange. The torrent need not be
    /// ready.
    fn identify(&self, key: TorrentKey) -> Pin<Box<dyn Future<Output = Option<Infohash>> + Send + '_>>;
}
