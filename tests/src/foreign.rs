//! The BitTorrent programs of other people, on loopback, with nothing but trackers to find each other by.
//!
//! Each is started with a folder of its own and ends with the value that stands for it. A program that is not installed
//! makes a story skip, which [`skip`] says where everybody sees it.

use std::env;
use std::fmt::Debug;
use std::io::Write as _;
use std::path::{Path, PathBuf};

mod aria2;
mod encryption;
pub mod lan_peer;
mod libtorrent;
mod mktorrent;
mod opentracker;
mod place;
mod raw_exchange;
mod raw_peer;
mod raw_torrent;
mod raw_wire;
mod running;
mod scene;
mod scrape;
mod swarm_tracker;
mod transmission;

pub use aria2::Aria2;
pub use encryption::Encryption;
pub use libtorrent::Libtorrent;
pub use mktorrent::Mktorrent;
pub use opentracker::Opentracker;
pub use place::Place;
pub use raw_exchange::raw_exchange;
pub use raw_peer::{RawPeer, WireLie};
pub use raw_torrent::{infohash_of, write_torrent};
pub use raw_wire::{RawMessage, RawWire};
pub use running::{Running, SaysSo, Watch};
pub use scene::{Layout, Member, Scene};
pub use scrape::Scrape;
pub use swarm_tracker::SwarmTracker;
pub use transmission::Transmission;

/// A client that can take part in a torrent.
pub trait Client: Debug {
    /// Gives its name for messages.
    fn name(&self) -> &'static str;

    /// Takes part in a torrent, of which anything or nothing lies in a folder, until it is dropped.
    fn join(&self, torrent: &Path, folder: &Path) -> Running;

    /// Shares a torrent, which lies whole in a folder, until it is dropped.
    fn seed(&self, torrent: &Path, folder: &Path) -> Running {
        self.join(torrent, folder)
    }

    /// Says whether it dials peers on the loopback, or has to be dialled there.
    fn dials(&self) -> bool {
        true
    }

    /// Says whether it asks trackers over UDP.
    fn has_udp(&self) -> bool {
        true
    }

    /// Says which infohash it reads out of a `.torrent`.
    fn infohash(&self, torrent: &Path) -> String;
}

/// Gives every client that is installed, and says which are not.
pub fn clients() -> Vec<Box<dyn Client>> {
    ["transmission", "aria2", "libtorrent"].into_iter().filter_map(client).collect()
}

/// Gives a client by its name, without encryption, or says that it is not installed.
pub fn client(name: &str) -> Option<Box<dyn Client>> {
    client_with(name, Encryption::Off, &Place::default())
}

/// Gives a client by its name that encrypts as told, or says that it is not installed. Only Transmission can be in another place
/// than on the loopback.
pub fn client_with(name: &str, encryption: Encryption, place: &Place) -> Option<Box<dyn Client>> {
    let found: Option<Box<dyn Client>> = match name {
        "transmission" => Transmission::find(encryption, place).map(|client| Box::new(client) as _),
        "aria2" => Aria2::find(encryption).map(|client| Box::new(client) as _),
        "libtorrent" => Libtorrent::find(encryption).map(|client| Box::new(client) as _),
        other => panic!("{other} is no client"),
    };
    if found.is_none() {
        skip(name);
    }
    found
}

/// Finds a program on the `PATH`.
pub fn find(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Says that a story is skipped because a program is missing, past the capture of what tests print.
pub fn skip(program: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {program} is not installed");
}
