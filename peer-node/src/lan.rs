//! The LAN dialect's programs: they tell the network which chunks lie in a folder, hear what others tell, fetch chunks and
//! give them.
//!
//! Each part works on one [`ChunkFolder`] and nothing else: what is heard stands in files there, so that the parts can be
//! programs of their own. What is said and heard is judged in `protocol::lan`; who is believed how often, and how much is
//! kept, is decided here ([`Sightings`], and a [`Gate`](crate::gate::Gate)). The programs around it are in `cli/lan.rs`.

mod announcer;
mod board;
mod discovery;
mod downloader;
mod fetch;
mod folder;
mod folder_error;
mod fresh;
mod merge;
mod neighbours;
mod news;
mod settings;
mod sightings;
mod socket;
mod uploader;

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
