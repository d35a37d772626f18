use std::env;
use std::io;
use std::process::{ExitStatus, Stdio};

use protocol::configured::ConfiguredPeerId;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cli::StopSignal;
use crate::cli::swarm::report::PeerProgress;
use crate::cli::swarm::{FramingOption, SwarmOptions};

/// Lines of all peers that wait to be seen to; peers pause when it is full.
const BACKLOG: usize = 256;

/// A peer in a process of its own.
#[derive(Debug)]
pub(super) struct SwarmPeerProcess {
    pub(super) id: ConfiguredPeerId,
    pid: Option<Pid>,
    pub(super) report: Option<PeerProgress>,
    /// Whether it has begun as one of the group.
    pub(super) has_started: bool,
    /// What it complained of before it had begun.
    pub(super) early_stderr: Vec<String>,
    /// How it ended, if it has.
    pub(super) exit_status: Option<u8>,
}

/// What comes from the processes.
#[derive(Debug)]
pub(super) enum ProcessEvent {
    Stdout(ConfiguredPeerId, String),
    Stderr(ConfiguredPeerId, String),
    /// It has said all, and ended with that status; with none if a signal has ended it.
    Exited(ConfiguredPeerId, Option<u8>),
}

/// The peers that were started; killed when it is dropped before they have ended.
#[derive(Debug)]
pub(super) struct PeerProcesses {
    pub(super) peers: Vec<SwarmPeerProcess>,
    event_sender: mpsc::Sender<ProcessEvent>,
    events: mpsc::Receiver<ProcessEvent>,
    monitors: JoinSet<()>,
}

impl PeerProcesses {
    pub(super) fn new() -> Self {
        let (sender, news) = mpsc::channel(BACKLOG);
        Self { peers: Vec::new(), event_sender: sender, events: news, monitors: JoinSet::new() }
    }

    /// Starts one more.
    pub(super) fn start(
        &mut self,
        options: &SwarmOptions,
        framing: FramingOption,
        id: ConfiguredPeerId,
    ) -> io::Result<()> {
        let child = spawn(options, framing, id)?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
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

    /// Says whether any of them has not ended.
    pub(super) fn is_running(&self) -> bool {
        self.peers.iter().any(|peer| peer.exit_status.is_none())
    }

    /// Waits for what one of them says or does next. Cancel safe.
    pub(super) async fn next_event(&mut self) -> Option<ProcessEvent> {
        self.events.recv().await
    }

    pub(super) fn find(&mut self, id: ConfiguredPeerId) -> Option<&mut SwarmPeerProcess> {
        self.peers.iter_mut().find(|peer| peer.id == id)
    }

    /// Passes a signal on to those who have not ended.
    pub(super) fn signal(&self, stop: StopSignal) {
        let signal = match stop {
            StopSignal::Interrupt => Signal::INT,
            StopSignal::Terminate => Signal::TERM,
        };
        for pid in self.peers.iter().filter(|peer| peer.exit_status.is_none()).filter_map(|peer| peer.pid) {
            // One that has just ended needs no signal.
            let _ = kill_process(pid, signal);
        }
    }
}

/// Starts a peer. Ctrl-C at the terminal is for us, who pass it on.
fn spawn(options: &SwarmOptions, framing: FramingOption, id: ConfiguredPeerId) -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["swarm", &id.to_string(), "--report", "--dir"]).arg(&options.dir);
    command.arg("--common").arg(options.common_path()).arg("--peers").arg(options.peers_path());
    let framing = format!("{framing:?}").to_ascii_lowercase();
    command.args(["--framing", &framing]).args((0..options.verbose).map(|_| "-v"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true).spawn()
}

/// Tells all that a process says, and how it ends when it has said all.
async fn monitor(id: ConfiguredPeerId, mut child: Child, news: mpsc::Sender<ProcessEvent>) {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let saying = forward_lines(out, |line| news.send(ProcessEvent::Stdout(id, line)));
    let complaining = forward_lines(err, |line| news.send(ProcessEvent::Stderr(id, line)));
    tokio::join!(saying, complaining);
    let code = |status: ExitStatus| status.code().and_then(|code| u8::try_from(code).ok());
    let status = child.wait().await.ok().and_then(code);
    // Who does not listen any more has stopped everything.
    let _ = news.send(ProcessEvent::Exited(id, status)).await;
}

async fn forward_lines<F>(pipe: Option<impl AsyncRead + Unpin>, tell: impl Fn(String) -> F)
where
    F: Future<Output = Result<(), mpsc::error::SendError<ProcessEvent>>>,
{
    let Some(pipe) = pipe else { return };
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if tell(line).await.is_err() {
            return;
        }
    }
}
