//! The peer of a Peerdex network as a library; the binary is a thin shell around it.

mod account_file;
mod addresses;
mod backoff;
mod bittorrent;
mod configured;
mod doctor;
mod download;
mod finder;
mod frontend;
mod identity;
mod index_client;
mod lan;
mod library;
mod listener;
mod local_time;
mod log;
mod native;
mod node;
mod operations;
mod rate_limiter;
mod shared_torrents;
mod source_address;
mod state_dir;
mod storage;
mod throttle;
mod torrent;
mod transfer;
mod transport;
mod used_folders;
mod view;

pub use frontend::cli::main;
pub use identity::{ExposedKeyPolicy, Identity};
pub use index_client::{IndexClient, IndexConfig, IndexStatus, ShareChanges, ShareSource};
pub use native::ProbeKey;
pub use source_address::SourceAddress;
