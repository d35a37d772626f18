//! Torrents: reading and making a `.torrent`, checking its content, and taking part in it.
//!
//! What a `.torrent` says is a [`Metainfo`](protocol::metainfo::Metainfo), judged whole by `protocol`; everything here works
//! from one. Files are touched here and nowhere else in the dialect; who drives it is a command of the program or a
//! download.

pub mod announcer;
pub mod dot_torrent;
pub mod files;
mod fresh_peer_id;
pub mod make;
mod no_usable_source;
mod peer_table;
pub mod selection;
pub(crate) mod session;
pub mod standalone;
pub(crate) mod torrent_spec;
mod translation;

pub(crate) use fresh_peer_id::fresh_peer_id;
pub use no_usable_source::NoUsableSource;
pub use session::{NativeBridge, TorrentConfig};
pub use torrent_spec::{OnCompletion, TorrentLocation, TorrentSpec};
