//! A peer of a Peerdex network, as a library; the binary is a thin shell around it.

mod addresses;
mod backoff;
pub mod bittorrent;
pub mod cli;
mod configured;
mod doctor;
pub mod download;
pub mod finder;
mod front_door;
mod gate;
pub mod identity;
pub mod index_client;
mod lan;
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
