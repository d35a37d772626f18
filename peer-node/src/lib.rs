//! The peer of a Peerdex network as a library; the binary is a thin shell around it.

mod account_file;
mod addresses;
mod bittorrent;
mod configured;
mod discovery;
mod doctor;
mod download;
mod essential_task;
mod frontend;
mod identity;
mod lan;
mod library;
mod listener;
mod local_time;
mod log;
mod native;
mod node;
mod operations;
mod platform;
mod rate_limiter;
mod shared_torrents;
mod sorted_chunks;
mod source_address;
mod state_dir;
mod storage;
mod throttle;
mod torrent;
mod transfer;
mod transport;
mod used_folders;
mod view;

pub use discovery::index_client::{
    IndexClient, IndexConfig, IndexStatus, ShareChanges, ShareRecords, ShareSource,
};
pub use frontend::cli::main;
pub use identity::{ExposedKeyPolicy, Identity};
pub use native::ProbeKey;
pub use source_address::SourceAddress;
