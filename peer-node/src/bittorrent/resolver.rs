use std::fmt::Debug;
use std::pin::Pin;

use protocol::infohash::Infohash;

/// Whoever may have a torrent ready that is not here yet.
pub trait Resolver: Debug + Send + Sync {
    /// Is asked when somebody connects for a torrent that is not here; true says that it has [joined](super::Wires::join)
    /// meanwhile. The peer waits for the answer only some seconds.
    fn resolve(&self, infohash: Infohash) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;
}
