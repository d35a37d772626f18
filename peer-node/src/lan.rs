//! The LAN dialect's programs: they tell the network which chunks lie in a folder, hear what others tell, fetch chunks and
//! give them.
//!
//! Each part works on one [`ChunkFolder`] and nothing else: what is heard stands in files there, so that the parts can be
//! programs of their own. What is said and heard is judged in `protocol::lan`; who is believed how often, and how much is
//! kept, is decided here ([`Sightings`], and a [`Gate`](crate::gate::Gate)). The programs around it are in `cli/lan.rs`.

mod announcer;
mod board;
mod discovery;
mod download_log;
mod downloader;
mod fetch;
mod file_type;
mod folder;
mod folder_error;
mod fresh;
mod in_order;
mod log_file;
mod merge;
mod neighbours;
mod news;
mod port_holders;
mod settings;
mod sightings;
mod sink;
mod socket;
mod upload_log;
mod uploader;
mod wanted;

pub(crate) use announcer::announce;
pub(crate) use discovery::discover;
pub(crate) use downloader::{DownloadError, Downloaded, download};
pub(crate) use folder::ChunkFolder;
pub(crate) use folder_error::FolderError;
pub(crate) use news::News;
pub(crate) use settings::{Bell, Settings};
pub(crate) use socket::{announcing_socket, chunk_listener, hearing_socket, networks, targets};
pub(crate) use uploader::upload;

pub(crate) use neighbours::{Neighbours, NeighboursConfig, Sighted};
use sightings::Sightings;
