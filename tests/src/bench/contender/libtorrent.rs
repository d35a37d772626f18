use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::super::bench_setup::BenchSetup;
use super::super::original::FILE_NAME;
use super::super::receiver::{ReceiverCommand, ReceiverInput};
use super::super::senders::Senders;
use super::{TransferContender, not_installed};

/// libtorrent (rasterbar), through its Python bindings.
#[derive(Debug)]
pub(super) struct Libtorrent;

const CLIENT_SCRIPT: &str = include_str!("libtorrent.py");

impl TransferContender for Libtorrent {
    fn name(&self) -> &'static str {
        "libtorrent"
    }

    fn description(&self) -> &'static str {
        "libtorrent through Python, seeders and leecher with its high-performance settings, from the creation of the \
         session until the torrent is complete and its files are written; loading Python does not count; SHA-1 pieces of \
         1 MiB; not synced"
    }

    fn missing_requirement(&self) -> Option<String> {
        not_installed(&["python3"]).or_else(|| {
            let mut command = Command::new("python3");
            command.args(["-c", "import libtorrent"]).stdin(Stdio::null()).stderr(Stdio::null());
            let works = command.status().is_ok_and(|status| status.success());
            (!works).then(|| "libtorrent for python3".into())
        })
    }

    fn start_senders(&self, setup: &BenchSetup, count: usize) -> Result<Senders> {
        setup.tracker.reset(Ipv4Addr::LOCALHOST);
        let mut senders = Senders::default();
        for number in 0..count {
            let mut command = Command::new("python3");
            command
                .args(["-c", CLIENT_SCRIPT, "seed"])
                .arg(&setup.torrent)
                .arg(setup.sender_folder(self.name(), number)?);
            senders.start(command)?;
        }
        setup.tracker.wait_for_seeders(count, setup.limit)?;
        Ok(senders)
    }

    fn receiver_command(
        &self,
        setup: &BenchSetup,
        _senders: &Senders,
        folder: &Path,
    ) -> Result<ReceiverCommand> {
        let mut receiver = ReceiverCommand::new(&["python3", "-c", CLIENT_SCRIPT, "fetch"], FILE_NAME);
        receiver.command.extend([(&setup.torrent).into(), folder.into()]);
        receiver.input = ReceiverInput::LineWhenReady;
        receiver.done_line = Some(("finished", 1));
        Ok(receiver)
    }
}
