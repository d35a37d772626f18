use std::env;
use std::io;
use std::process::{ExitStatus, Stdio};

use protocol::configured::ConfiguredPeerId;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::frontend::cli::swarm::report::PeerProgress;
use crate::frontend::cli::swarm::{FramingOption, SwarmOptions};
use crate::platform::{ProcessId, StopSignal, detach_from_terminal};

/// Lines of all peers that wait to be handled; peers pause when it is full.
const BACKLOG: usize = 256;

/// A peer in a process of its own.
#[derive(Debug)]
pub(super) struct SwarmPeerProcess {
    pub(super) id: ConfiguredPeerId,
    pid: Option<ProcessId>,
    pub(super) report: Option<PeerProgress>,
    /// Whether the peer has reported its start.
    pub(super) has_started: bool,
    /// The stderr lines from before the start.
    pub(super) early_stderr: Vec<String>,
    /// The exit status, if the process has ended.
    pub(super) exit_status: Option<u8>,
}

/// An event of a process.
#[derive(Debug)]
pub(super) enum ProcessEvent {
    Stdout(ConfiguredPeerId, String),
    Stderr(ConfiguredPeerId, String),
    /// The process has ended, after all its output: with this status, or without one if a signal killed it.
    Exited(ConfiguredPeerId, Option<u8>),
}

/// The started peers; those still running are killed on drop.
#[derive(Debug)]
pub(super) struct PeerProcesses {
    pub(super) peers: Vec<SwarmPeerProcess>,
    event_sender: mpsc::Sender<ProcessEvent>,
    events: mpsc::Receiver<ProcessEvent>,
    monitors: JoinSet<()>,
}

impl PeerProcesses {
    pub(super) fn new() -> Self {
        let (event_sender, events) = mpsc::channel(BACKLOG);
        Self { peers: Vec::new(), event_sender, events, monitors: JoinSet::new() }
    }

    /// Starts another peer.
    pub(super) fn start(
        &mut self,
        options: &SwarmOptions,
        framing: FramingOption,
        id: ConfiguredPeerId,
    ) -> io::Result<()> {
        let child = spawn(options, framing, id)?;
        let pid = ProcessId::of(&child);
        let started = SwarmPeerProcess {
            id,
            pid,
            report: None,
            has_started: false,
            early_stderr: Vec::new(),
            exit_status: None,
        };
        self.peers.push(started);
        self.monitors.spawn(monitor(id, child, self.event_sender.clone()));
        Ok(())
    }

    /// Returns true if any process is running.
    pub(super) fn is_running(&self) -> bool {
        self.peers.iter().any(|peer| peer.exit_status.is_none())
    }

    /// Waits for the next event of any process. Cancel safe.
    pub(super) async fn next_event(&mut self) -> Option<ProcessEvent> {
        self.events.recv().await
    }

    pub(super) fn find(&mut self, id: ConfiguredPeerId) -> Option<&mut SwarmPeerProcess> {
        self.peers.iter_mut().find(|peer| peer.id == id)
    }

    /// Sends a signal to all processes that are running.
    pub(super) fn signal(&self, stop: StopSignal) {
        for pid in self.peers.iter().filter(|peer| peer.exit_status.is_none()).filter_map(|peer| peer.pid) {
            // A process that has just ended needs no signal.
            let _ = pid.send(stop);
        }
    }
}

/// Starts a peer in a process group of its own: Ctrl-C at the terminal reaches only this process, which forwards it.
fn spawn(options: &SwarmOptions, framing: FramingOption, id: ConfiguredPeerId) -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["swarm", &id.to_string(), "--report", "--dir"]).arg(&options.dir);
    command.arg("--common").arg(options.common_path()).arg("--peers").arg(options.peers_path());
    let framing = format!("{framing:?}").to_ascii_lowercase();
    command.args(["--framing", &framing]).args((0..options.verbosity.verbose).map(|_| "-v"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    detach_from_terminal(&mut command).kill_on_drop(true).spawn()
}

/// Forwards all output of a process, and then its end.
async fn monitor(id: ConfiguredPeerId, mut child: Child, events: mpsc::Sender<ProcessEvent>) {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let stdout = forward_lines(out, |line| events.send(ProcessEvent::Stdout(id, line)));
    let stderr = forward_lines(err, |line| events.send(ProcessEvent::Stderr(id, line)));
    tokio::join!(stdout, stderr);
    let code = |status: ExitStatus| status.code().and_then(|code| u8::try_from(code).ok());
    let status = child.wait().await.ok().and_then(code);
    // A closed channel means that the program is stopping.
    let _ = events.send(ProcessEvent::Exited(id, status)).await;
}

async fn forward_lines<F>(pipe: Option<impl AsyncRead + Unpin>, send: impl Fn(String) -> F)
where
    F: Future<Output = Result<(), mpsc::error::SendError<ProcessEvent>>>,
{
    let Some(pipe) = pipe else { return };
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if send(line).await.is_err() {
            return;
        }
    }
}
