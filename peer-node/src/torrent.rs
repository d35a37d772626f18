//! Torrents: reads and creates `.torrent` files, verifies their content, and takes part in their swarms.
//!
//! A parsed `.torrent` is a [`Metainfo`](protocol::metainfo::Metainfo), fully validated by `protocol`. Only this module
//! of the dialect accesses files. It is driven by a command of the program or by a download.

pub(crate) mod dot_torrent;
pub(crate) mod files;
mod fresh_peer_id;
pub(crate) mod make;
mod no_usable_source;
mod peer_table;
pub(crate) mod selection;
pub(crate) mod session;
pub(crate) mod standalone;
pub(crate) mod torrent_spec;
mod translation;

pub(crate) use fresh_peer_id::fresh_peer_id;
pub(crate) use no_usable_source::NoUsableSource;
pub(crate) use session::{NativeBridge, TorrentConfig};
pub(crate) use torrent_spec::{OnCompletion, TorrentLocation, TorrentSpec};
