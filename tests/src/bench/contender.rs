//! Who takes part.

use std::fmt::Debug;
use std::path::Path;
use std::rc::Rc;

use anyhow::Result;

use super::bench_setup::BenchSetup;
use super::receiver::ReceiverCommand;
use super::senders::Senders;
use crate::third_party::find_program;

mod aria2;
mod aria2_torrent;
mod cross_seeded;
mod curl;
mod libtorrent;
mod ours;
mod ours_torrent;
mod rqbit;
mod small_files;
mod transmission;

pub(super) use aria2_torrent::OPTIONS as ARIA2_TORRENT_OPTIONS;

/// One way to transfer a file, or a folder of small ones.
pub(super) trait TransferContender: Debug {
    /// Its name on the command line and in the table.
    fn name(&self) -> &'static str;

    /// Says in a line how it runs.
    fn description(&self) -> &'static str;

    /// Names what it needs and this machine does not have.
    fn missing_requirement(&self) -> Option<String>;

    /// Says from how many senders on one machine it can receive.
    fn max_senders(&self) -> usize {
        usize::MAX
    }

    /// Starts so many senders and waits until they are ready.
    fn start_senders(&self, stage: &BenchSetup, count: usize) -> Result<Senders>;

    /// Tells how to receive from them into an empty folder.
    fn receiver_command(
        &self,
        stage: &BenchSetup,
        senders: &Senders,
        folder: &Path,
    ) -> Result<ReceiverCommand>;

    /// Reads the rate in MB/s out of the line with which it said that it is done.
    fn reported_rate(&self, _said: &str) -> Option<f64> {
        None
    }
}

/// Returns all for one large file, ours first.
pub(super) fn for_large_file() -> Vec<Box<dyn TransferContender>> {
    [
        Box::new(ours::Ours) as Box<dyn TransferContender>,
        Box::new(curl::Curl { hashes_from_pipe: false }),
        Box::new(curl::Curl { hashes_from_pipe: true }),
        Box::new(aria2::Aria2 { verifies_itself: true }),
        Box::new(aria2::Aria2 { verifies_itself: false }),
    ]
    .into_iter()
    .chain(for_torrent())
    .collect()
}

/// Returns all who speak BitTorrent, each with seeders of its own kind, ours first.
pub(super) fn for_torrent() -> Vec<Box<dyn TransferContender>> {
    vec![
        Box::new(ours_torrent::OursTorrent),
        Box::new(aria2_torrent::Aria2Torrent),
        Box::new(transmission::Transmission),
        Box::new(rqbit::Rqbit),
        Box::new(libtorrent::Libtorrent),
    ]
}

/// Returns all who speak BitTorrent, ours first, all with seeders of one of them.
pub(super) fn for_torrent_with_seeders(seeders: &str) -> Option<Vec<Box<dyn TransferContender>>> {
    let seeders: Rc<dyn TransferContender> =
        for_torrent().into_iter().find(|contender| contender.name() == seeders)?.into();
    // Transmission refuses peers on the loopback, where the seeders of the others are.
    let fetchers = for_torrent().into_iter().filter(|fetcher| {
        let is_transmission = fetcher.name() == transmission::CONTENDER_NAME;
        !is_transmission || seeders.name() == transmission::CONTENDER_NAME
    });
    let fed = fetchers.map(|fetcher| -> Box<dyn TransferContender> {
        Box::new(cross_seeded::CrossSeeded { seeders: Rc::clone(&seeders), fetcher })
    });
    Some(fed.collect())
}

/// Returns all for many small files, ours first.
pub(super) fn for_small_files() -> Vec<Box<dyn TransferContender>> {
    vec![
        Box::new(small_files::OursTree),
        Box::new(small_files::CurlTree { verifier: None }),
        Box::new(small_files::CurlTree { verifier: Some("openssl") }),
        Box::new(small_files::CurlTree { verifier: Some("sha256sum") }),
    ]
}

/// Names the programs among some that are not installed.
fn not_installed(programs: &[&str]) -> Option<String> {
    let missing: Vec<&str> =
        programs.iter().copied().filter(|program| find_program(program).is_none()).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}
