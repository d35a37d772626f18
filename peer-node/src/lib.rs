//! A peer of a Peerdex network, as a library; the binary is a thin shell around it.

pub mod identity;
pub mod index_client;
pub mod library;
pub mod log;
pub mod state_dir;
