//! Third-party BitTorrent programs on the loopback, which find each other only through trackers.
//!
//! Each program has its own folder and ends when its owner is dropped. Stories skip if a program is not installed;
//! [`report_skipped`] prints that past the test harness's capture.

use std::env;
use std::fmt::Debug;
use std::io::Write as _;
use std::path::{Path, PathBuf};

mod aria2;
mod client_process;
mod encryption;
pub mod lan_peer;
mod libtorrent;
mod mktorrent;
mod network_location;
mod opentracker;
mod raw_key_exchange;
mod raw_peer;
mod raw_torrent;
mod raw_wire;
mod scrape;
mod swarm_tracker;
mod torrent_fixture;
mod transmission;

pub use aria2::Aria2Client;
pub use client_process::{ClientProcess, CompletionCheck, CompletionLine};
pub use encryption::Encryption;
pub use libtorrent::LibtorrentClient;
pub use mktorrent::Mktorrent;
pub use network_location::NetworkLocation;
pub use opentracker::OpentrackerProcess;
pub use raw_key_exchange::raw_key_exchange;
pub use raw_peer::{RawPeer, TorrentLie};
pub use raw_torrent::{read_infohash, write_torrent};
pub use raw_wire::{RawMessage, RawWire};
pub use scrape::ScrapeCounts;
pub use swarm_tracker::SwarmTracker;
pub use torrent_fixture::{SwarmMember, TorrentFixture, TorrentLayout};
pub use transmission::TransmissionClient;

/// A client that can download and seed a torrent.
pub trait TorrentClient: Debug {
    /// Returns the name for messages.
    fn name(&self) -> &'static str;

    /// Joins a torrent with whatever files the folder contains, until dropped.
    fn join(&self, torrent: &Path, folder: &Path) -> ClientProcess;

    /// Seeds a torrent whose files are complete in the folder, until dropped.
    fn seed(&self, torrent: &Path, folder: &Path) -> ClientProcess {
        self.join(torrent, folder)
    }

    /// Returns true if the client dials peers on the loopback; otherwise it must be dialled there.
    fn dials_loopback(&self) -> bool {
        true
    }

    /// Returns true if the client supports UDP trackers.
    fn supports_udp_trackers(&self) -> bool {
        true
    }

    /// Returns the infohash that the client reads from a `.torrent`.
    fn read_infohash(&self, torrent: &Path) -> String;
}

/// Returns the installed clients and prints which ones are missing.
pub fn installed_clients() -> Vec<Box<dyn TorrentClient>> {
    ["transmission", "aria2", "libtorrent"].into_iter().filter_map(find_client).collect()
}

/// Returns a client by its name, without encryption. Returns `None` and prints a notice if it is not installed.
pub fn find_client(name: &str) -> Option<Box<dyn TorrentClient>> {
    find_client_with(name, Encryption::Off, &NetworkLocation::default())
}

/// Returns a client by its name with the given encryption. Returns `None` and prints a notice if it is not installed.
/// Only Transmission can run outside the loopback.
pub fn find_client_with(
    name: &str,
    encryption: Encryption,
    location: &NetworkLocation,
) -> Option<Box<dyn TorrentClient>> {
    let found: Option<Box<dyn TorrentClient>> = match name {
        "transmission" => TransmissionClient::find(encryption, location).map(|client| Box::new(client) as _),
        "aria2" => Aria2Client::find(encryption).map(|client| Box::new(client) as _),
        "libtorrent" => LibtorrentClient::find(encryption).map(|client| Box::new(client) as _),
        other => panic!("unknown client {other}"),
    };
    if found.is_none() {
        report_skipped(name);
    }
    found
}

/// Returns the path of a program on the `PATH`.
pub fn find_program(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Prints that a story is skipped because a program is missing, past the test harness's capture.
pub fn report_skipped(program: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {program} is not installed");
}
