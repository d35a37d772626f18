//! Who takes part.

use std::fmt::Debug;
use std::path::Path;
use std::rc::Rc;

use anyhow::Result;

use super::receiver::Receiver;
use super::senders::Senders;
use super::stage::Stage;
use crate::foreign::find;

mod aria2;
mod aria2_torrent;
mod curl;
mod fed;
mod libtorrent;
mod ours;
mod ours_torrent;
mod rqbit;
mod small;
mod transmission;

pub(super) use aria2_torrent::OPTIONS as ARIA2_TORRENT_OPTIONS;

/// One way to transfer a file, or a folder of small ones.
pub(super) trait Contender: Debug {
    /// Its name on the command line and in the table.
    fn name(&self) -> &'static str;

    /// Says in a line how it runs.
    fn about(&self) -> &'static str;

    /// Names what it needs and this machine does not have.
    fn missing(&self) -> Option<String>;

    /// Says from how many senders on one machine it can receive.
    fn most_senders(&self) -> usize {
        usize::MAX
    }

    /// Starts so many senders and waits until they are ready.
    fn senders(&self, stage: &Stage, count: usize) -> Result<Senders>;

    /// Tells how to receive from them into an empty folder.
    fn receiver(&self, stage: &Stage, senders: &Senders, folder: &Path) -> Result<Receiver>;

    /// Reads the rate in MB/s out of the line with which it said that it is done.
    fn own_rate(&self, _said: &str) -> Option<f64> {
        None
    }
}

/// Returns all for one large file, ours first.
pub(super) fn for_a_file() -> Vec<Box<dyn Contender>> {
    [
        Box::new(ours::Ours) as Box<dyn Contender>,
        Box::new(curl::Curl { piped: false }),
        Box::new(curl::Curl { piped: true }),
        Box::new(aria2::Aria2 { own_check: true }),
        Box::new(aria2::Aria2 { own_check: false }),
    ]
    .into_iter()
    .chain(for_a_torrent())
    .collect()
}

/// Returns all who speak BitTorrent, each with seeders of its own kind, ours first.
pub(super) fn for_a_torrent() -> Vec<Box<dyn Contender>> {
    vec![
        Box::new(ours_torrent::OursTorrent),
        Box::new(aria2_torrent::Aria2Torrent),
        Box::new(transmission::Transmission),
        Box::new(rqbit::Rqbit),
        Box::new(libtorrent::Libtorrent),
    ]
}

/// Returns all who speak BitTorrent, ours first, all with seeders of one of them.
pub(super) fn for_a_torrent_from(seeders: &str) -> Option<Vec<Box<dyn Contender>>> {
    let seeders: Rc<dyn Contender> =
        for_a_torrent().into_iter().find(|contender| contender.name() == seeders)?.into();
    // Transmission refuses peers on the loopback, where the seeders of the others are.
    let fetchers = for_a_torrent().into_iter().filter(|fetcher| {
        let is_transmission = fetcher.name() == transmission::NAMED;
        !is_transmission || seeders.name() == transmission::NAMED
    });
    let fed = fetchers.map(|fetcher| -> Box<dyn Contender> {
        Box::new(fed::Fed { seeders: Rc::clone(&seeders), fetcher })
    });
    Some(fed.collect())
}

/// Returns all for many small files, ours first.
pub(super) fn for_small_files() -> Vec<Box<dyn Contender>> {
    vec![
        Box::new(small::OurTree),
        Box::new(small::CurlTree { verifier: None }),
        Box::new(small::CurlTree { verifier: Some("openssl") }),
        Box::new(small::CurlTree { verifier: Some("sha256sum") }),
    ]
}

/// Names the programs among some that are not installed.
fn not_installed(programs: &[&str]) -> Option<String> {
    let missing: Vec<&str> = programs.iter().copied().filter(|program| find(program).is_none()).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}
