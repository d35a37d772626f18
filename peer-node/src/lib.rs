//! A peer of a Peerdex network, as a library; the binary is a thin shell around it.

mod addresses;
mod backoff;
pub mod bittorrent;
pub mod cli;
mod configured;
pub mod download;
mod front_door;
pub mod identity;
pub mod index_client;
pub mod library;
mod local_time;
pub mod log;
pub mod native;
pub mod node;
pub mod partials;
pub mod repl;
pub mod state_dir;
mod storage;
pub mod swarm;
pub mod throttle;
pub mod torrent;
pub mod transfers;
pub mod transport;
