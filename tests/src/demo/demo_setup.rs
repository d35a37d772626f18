use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use protocol::digest::Digest;
use protocol::index::{Reply, Request};
use rustix::process::Signal;
use tempfile::TempDir;

use super::demo_file::DemoFile;
use super::interrupt::Interrupt;
use crate::index_session::IndexSession;
use crate::output_lines::OutputLines;
use crate::process::Process;
use crate::programs::Programs;

const LISTENING_PREFIX: &str = "index-server listening on ";
const START_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A rate that every machine exceeds when hashing.
const MIN_HASHING_RATE: u64 = 10 << 20;

/// The temporary folder and the processes of the demo. When it is dropped, it stops the processes and removes the
/// folder.
#[derive(Debug)]
pub(super) struct DemoSetup {
    /// First field, so that the processes end before their folder is removed.
    processes: Vec<DemoProcess>,
    index: SocketAddr,
    programs: Programs,
    interrupt: Interrupt,
    folder: TempDir,
}

/// A process and the write end of its standard input.
#[derive(Debug)]
struct DemoProcess {
    process: Process,
    _input: Option<ChildStdin>,
}

impl DemoSetup {
    pub(super) fn new(programs: Programs, interrupt: Interrupt) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("peerdex-demo-").tempdir()?;
        let index = SocketAddr::from(([127, 0, 0, 1], 0));
        Ok(Self { processes: Vec::new(), index, programs, interrupt, folder })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn check(&self) -> Result<()> {
        self.interrupt.check()
    }

    /// Starts the index on a free port.
    pub(super) fn start_index(&mut self) -> Result<SocketAddr> {
        let mut command = Command::new(&self.programs.index_server);
        command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(self.folder.path().join("index"));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(fs::File::create(self.folder.path().join("index.log"))?);
        let mut process = Process::try_spawn("index-server", command)?;
        let output = OutputLines::collect(process.child().stdout.take().context("no pipe")?);
        self.processes.push(DemoProcess { process, _input: None });
        let position = output.find(0, START_TIMEOUT, |line| line.starts_with(LISTENING_PREFIX));
        let position = position.with_context(|| format!("the index does not start: {}", self.index_log()))?;
        let line = output.lines_from(position).swap_remove(0);
        self.index = line
            .trim_start_matches(LISTENING_PREFIX)
            .parse()
            .context("the index did not print its address")?;
        Ok(self.index)
    }

    fn index_log(&self) -> String {
        fs::read_to_string(self.folder.path().join("index.log")).unwrap_or_default()
    }

    /// Starts a peer with the file in its folder.
    pub(super) fn start_sharer(&mut self, number: u32, original: &DemoFile) -> Result<()> {
        self.check()?;
        let share_dir = self.create_share_dir(number)?;
        original.link_or_copy_into(&share_dir)?;
        let mut command = self.peer_command(&share_dir);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command.stderr(fs::File::create(self.folder.path().join(format!("peer{number}.log")))?);
        let mut process = Process::try_spawn("peer-node", command)?;
        let input = Some(process.take_stdin());
        self.processes.push(DemoProcess { process, _input: input });
        Ok(())
    }

    /// Creates a peer's folder.
    pub(super) fn create_share_dir(&self, number: u32) -> Result<PathBuf> {
        let folder = self.folder.path().join(format!("peer{number}"));
        fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// Returns the command of a peer on a free port.
    pub(super) fn peer_command(&self, share_dir: &Path) -> Command {
        let mut command = Command::new(&self.programs.peer_node);
        command.args(["0", "--listen-host", "127.0.0.1", "--index", &self.index.to_string(), "--share-dir"]);
        command.arg(share_dir);
        command
    }

    /// Waits until the index lists `count` sources of the content, which they must hash first.
    pub(super) fn wait_for_sources(
        &mut self,
        digest: Digest,
        count: usize,
        size: u64,
    ) -> Result<Vec<SocketAddr>> {
        let limit = START_TIMEOUT + Duration::from_secs(size / MIN_HASHING_RATE);
        let (end, mut session) = (Instant::now() + limit, IndexSession::open(self.index)?);
        while Instant::now() < end {
            self.check()?;
            if !self.processes.iter_mut().all(|actor| actor.process.is_running()) {
                bail!("one of the programs has ended: {}{}", self.index_log(), self.peer_logs());
            }
            match session.call(Request::Locate { digest, limit: 10 })? {
                Reply::Sources { sources } if sources.len() == count => {
                    let mut addresses: Vec<_> = sources.into_iter().map(|source| source.address).collect();
                    addresses.sort();
                    return Ok(addresses);
                }
                _ => thread::sleep(POLL_INTERVAL),
            }
        }
        bail!("the index does not list the three peers after {limit:?}: {}", self.peer_logs())
    }

    fn peer_logs(&self) -> String {
        let logs = (1..=3).map(|number| self.folder.path().join(format!("peer{number}.log")));
        logs.filter_map(|log| fs::read_to_string(log).ok()).collect()
    }

    /// Stops all programs in order and removes the folder.
    pub(super) fn stop(mut self) -> Result<()> {
        for actor in self.processes.iter_mut().rev() {
            actor.process.signal(Signal::TERM);
        }
        let end = Instant::now() + START_TIMEOUT;
        while self.processes.iter_mut().any(|actor| actor.process.is_running()) && Instant::now() < end {
            self.check()?;
            thread::sleep(POLL_INTERVAL);
        }
        let Self { processes: actors, folder, .. } = self;
        drop(actors);
        folder.close().context("cannot remove the temporary folder")
    }
}
