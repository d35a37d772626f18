use std::fmt::Debug;
use std::pin::Pin;

use protocol::bittorrent::mse::TorrentKey;
use protocol::infohash::Infohash;

/// Whoever may have a torrent ready that is not here yet.
pub trait TorrentResolver: Debug + Send + Sync {
    /// Is asked when somebody connects for a torrent that is not here; true says that it has [joined](super::Wires::join)
    /// meanwhile. The peer waits for the answer only some seconds.
    fn resolve(&self, infohash: Infohash) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;

    /// Is asked which torrent that is not here has a key; it need not be ready. Only a torrent that is known can be recognised.
    fn identify(&self, key: TorrentKey) -> Pin<Box<dyn Future<Output = Option<Infohash>> + Send + '_>>;
}
