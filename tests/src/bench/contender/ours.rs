use std::path::Path;
use std::thread;

use anyhow::{Result, bail};

use super::super::bench_setup::BenchSetup;
use super::super::interrupt;
use super::super::original::{FILE_NAME, SMALL_FILE_COUNT, TREE_NAME};
use super::super::receiver::{ReceiverCommand, ReceiverInput};
use super::super::senders::Senders;
use super::TransferContender;
use crate::index::IndexProcess;
use crate::peer::{PeerProcess, peer_node};

/// Peerdex's native transfer.
#[derive(Debug)]
pub(super) struct Ours;

impl TransferContender for Ours {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn description(&self) -> &'static str {
        "a new peer-node with `download DIGEST` on its standard input, until its `done` line; finding the sources, SHA-256 \
         and syncing the file included. Senders: the sources and the index"
    }

    fn missing_requirement(&self) -> Option<String> {
        None
    }

    fn start_senders(&self, setup: &BenchSetup, count: usize) -> Result<Senders> {
        start_index_and_sources(setup, count)
    }

    fn receiver_command(
        &self,
        setup: &BenchSetup,
        senders: &Senders,
        folder: &Path,
    ) -> Result<ReceiverCommand> {
        let script = format!("download {}\n", setup.original.digest);
        Ok(script_receiver(senders, folder, script, 1, FILE_NAME))
    }

    fn reported_rate(&self, line: &str) -> Option<f64> {
        parse_reported_rate(line)
    }
}

/// Parses the rate in MB/s from one of our `done` lines.
pub(super) fn parse_reported_rate(line: &str) -> Option<f64> {
    let rate = line.split('\t').find_map(|column| column.trim().strip_suffix("iB/s"))?;
    let (number, unit) = rate.split_once(' ')?;
    let factor = f64::from(match unit {
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    });
    Some(number.parse::<f64>().ok()? * factor / 1e6)
}

/// Returns a receiver that runs a script in a new node and is done after a given number of `done` lines.
pub(super) fn script_receiver(
    senders: &Senders,
    folder: &Path,
    script: String,
    times: usize,
    result: &str,
) -> ReceiverCommand {
    let [index, ..] = senders.addresses.as_slice() else { unreachable!("the index is started first") };
    let peer = peer_node(0, *index, &folder.join("share"));
    let command = [peer.get_program()].into_iter().chain(peer.get_args()).map(Into::into).collect();
    let result = Path::new("share").join(result);
    ReceiverCommand {
        command,
        input: ReceiverInput::Text(script),
        done_line: Some(("done\t", times)),
        result,
    }
}

/// Starts an index and `count` sources. The first address is that of the index.
pub(super) fn start_index_and_sources(setup: &BenchSetup, count: usize) -> Result<Senders> {
    let mut senders = Senders::default();
    let mut index = IndexProcess::start();
    let mut session = index.session();
    senders.addresses.push(index.address());
    for number in 0..count {
        let mut peer = PeerProcess::start(index.address(), &setup.sender_folder("ours", number)?);
        senders.addresses.push(peer.address());
        senders.add(peer.process().child().id(), peer);
    }
    let files = if setup.original.folder.join(TREE_NAME).is_dir() { SMALL_FILE_COUNT } else { 1 };
    let all = interrupt::wait(setup.limit, |slice| {
        thread::sleep(slice);
        let ready = |address: &_| session.files_of(*address).len() == files;
        senders.addresses.iter().skip(1).all(ready).then_some(())
    })?;
    if all.is_none() {
        bail!("the sources did not register their files in time");
    }
    senders.add(index.pid(), index);
    Ok(senders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_parsed_from_the_done_line() {
        let line = "done\ta b.bin\t1073741824\tsha256 00\t747.5 MiB/s\tfrom 4 sources";
        let rate = Ours.reported_rate(line).expect("a rate");
        assert!((rate - 783.8).abs() < 0.1, "{rate}");
        assert_eq!(Ours.reported_rate("done"), None);
    }
}
