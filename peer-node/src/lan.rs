//! The LAN dialect: announces the chunks in a folder, receives the announcements of others, and downloads and uploads
//! chunks.
//!
//! Each part works on one [`ChunkFolder`] and shares state only through its files, so that the parts can run as separate
//! programs. `protocol::lan` decodes and validates announcements; this module bounds how many are accepted and kept
//! ([`AnnouncedChunks`] and an [`AddressRateLimiter`](crate::rate_limiter::AddressRateLimiter)). The commands are in
//! `cli/lan.rs`.

mod announced_chunks;
mod announcer;
mod chunk_folder;
mod chunk_folder_error;
mod dictionary;
mod discovery;
mod download_log;
mod downloader;
mod event;
mod fetch;
mod file_type;
mod hashing_writer;
mod log_file;
mod merge;
mod port_holders;
mod reorder_buffer;
mod requested_content;
mod settings;
mod socket;
mod temp_file;
mod upload_log;
mod uploader;

pub(crate) use announcer::announce;
pub(crate) use chunk_folder::ChunkFolder;
pub(crate) use chunk_folder_error::ChunkFolderError;
pub(crate) use discovery::discover;
pub(crate) use downloader::{DownloadedFile, LanDownloadError, download};
pub(crate) use event::LanEvent;
pub(crate) use settings::{AnnounceTrigger, DATAGRAM_LIMITS, LanSettings};
pub(crate) use socket::{announce_socket, broadcast_targets, chunk_listener, local_networks, receive_socket};
pub(crate) use uploader::upload;

use announced_chunks::AnnouncedChunks;
