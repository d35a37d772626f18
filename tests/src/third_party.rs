//! The BitTorrent programs of other people, on loopback, with nothing but trackers to find each other by.
//!
//! Each is started with a folder of its own and ends with the value that stands for it. A program that is not installed
//! makes a story skip, which [`report_skipped`] says where everybody sees it.

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

/// A client that can take part in a torrent.
pub trait TorrentClient: Debug {
    /// Gives its name for messages.
    fn name(&self) -> &'static str;

    /// Takes part in a torrent, of which anything or nothing lies in a folder, until it is dropped.
    fn join(&self, torrent: &Path, folder: &Path) -> ClientProcess;

    /// Shares a torrent, which lies whole in a folder, until it is dropped.
    fn seed(&self, torrent: &Path, folder: &Path) -> ClientProcess {
        self.join(torrent, folder)
    }

    /// Says whether it dials peers on the loopback, or has to be dialled there.
    fn dials_loopback(&self) -> bool {
        true
    }

    /// Says whether it asks trackers over UDP.
    fn supports_udp_trackers(&self) -> bool {
        true
    }

    /// Says which infohash it reads out of a `.torrent`.
    fn read_infohash(&self, torrent: &Path) -> String;
}

/// Gives every client that is installed, and says which are not.
pub fn installed_clients() -> Vec<Box<dyn TorrentClient>> {
    ["transmission", "aria2", "libtorrent"].into_iter().filter_map(find_client).collect()
}

/// Gives a client by its name, without encryption, or says that it is not installed.
pub fn find_client(name: &str) -> Option<Box<dyn TorrentClient>> {
    find_client_with(name, Encryption::Off, &NetworkLocation::default())
}

/// Gives a client by its name that encrypts as told, or says that it is not installed. Only Transmission can be in another place
/// than on the loopback.
pub fn find_client_with(
    name: &str,
    encryption: Encryption,
    place: &NetworkLocation,
) -> Option<Box<dyn TorrentClient>> {
    let found: Option<Box<dyn TorrentClient>> = match name {
        "transmission" => TransmissionClient::find(encryption, place).map(|client| Box::new(client) as _),
        "aria2" => Aria2Client::find(encryption).map(|client| Box::new(client) as _),
        "libtorrent" => LibtorrentClient::find(encryption).map(|client| Box::new(client) as _),
        other => panic!("{other} is no client"),
    };
    if found.is_none() {
        report_skipped(name);
    }
    found
}

/// Finds a program on the `PATH`.
pub fn find_program(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Says that a story is skipped because a program is missing, past the capture of what tests print.
pub fn report_skipped(program: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {program} is not installed");
}
