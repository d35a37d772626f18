//! The programs that the transfer benchmark compares.

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

/// One way to transfer a file or a folder of small files.
pub(super) trait TransferContender: Debug {
    /// Returns the name on the command line and in the table.
    fn name(&self) -> &'static str;

    /// Returns one line about how the contender runs.
    fn description(&self) -> &'static str;

    /// Returns what the contender needs and this machine lacks, or `None` if the contender can run.
    fn missing_requirement(&self) -> Option<String>;

    /// Returns the largest number of senders on one machine that the contender can receive from.
    fn max_senders(&self) -> usize {
        usize::MAX
    }

    /// Starts `count` senders and waits until they are ready.
    fn start_senders(&self, setup: &BenchSetup, count: usize) -> Result<Senders>;

    /// Returns the command that receives from the senders into an empty folder.
    fn receiver_command(
        &self,
        setup: &BenchSetup,
        senders: &Senders,
        folder: &Path,
    ) -> Result<ReceiverCommand>;

    /// Parses the rate in MB/s from the program's completion line.
    fn reported_rate(&self, _line: &str) -> Option<f64> {
        None
    }
}

/// Returns the contenders for one large file, ours first.
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

/// Returns the BitTorrent contenders, ours first; each downloads from its own seeders.
pub(super) fn for_torrent() -> Vec<Box<dyn TransferContender>> {
    vec![
        Box::new(ours_torrent::OursTorrent),
        Box::new(aria2_torrent::Aria2Torrent),
        Box::new(transmission::Transmission),
        Box::new(rqbit::Rqbit),
        Box::new(libtorrent::Libtorrent),
    ]
}

/// Returns the BitTorrent contenders, ours first; all download from the seeders of one program.
pub(super) fn for_torrent_with_seeders(seeders: &str) -> Option<Vec<Box<dyn TransferContender>>> {
    let seeders: Rc<dyn TransferContender> =
        for_torrent().into_iter().find(|contender| contender.name() == seeders)?.into();
    // Transmission refuses loopback peers, and the seeders of the others are on the loopback.
    let fetchers = for_torrent().into_iter().filter(|fetcher| {
        let is_transmission = fetcher.name() == transmission::CONTENDER_NAME;
        !is_transmission || seeders.name() == transmission::CONTENDER_NAME
    });
    let fed = fetchers.map(|fetcher| -> Box<dyn TransferContender> {
        Box::new(cross_seeded::CrossSeeded { seeders: Rc::clone(&seeders), fetcher })
    });
    Some(fed.collect())
}

/// Returns the contenders for many small files, ours first.
pub(super) fn for_small_files() -> Vec<Box<dyn TransferContender>> {
    vec![
        Box::new(small_files::OursTree),
        Box::new(small_files::CurlTree { verifier: None }),
        Box::new(small_files::CurlTree { verifier: Some("openssl") }),
        Box::new(small_files::CurlTree { verifier: Some("sha256sum") }),
    ]
}

/// Returns the names of `programs` that are not installed.
fn not_installed(programs: &[&str]) -> Option<String> {
    let missing: Vec<&str> =
        programs.iter().copied().filter(|program| find_program(program).is_none()).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}
