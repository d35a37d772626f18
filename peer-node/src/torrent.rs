//! Torrents: reading and making a `.torrent`, checking its content, and taking part in it.
//!
//! What a `.torrent` says is a [`Metainfo`](protocol::metainfo::Metainfo), judged whole by `protocol`; everything here works
//! from one. Files are touched here and nowhere else in the dialect; who drives it is a command of the program or a
//! download.

pub mod announcer;
pub mod dot_torrent;
pub mod files;
pub mod make;
pub mod selection;
