//! Runs all peers whose host is this machine, each in a process of its own, and shows them together.

mod peer_processes;

use std::time::Duration;

use protocol::configured::ConfiguredPeerId;
use protocol::escape::display_safe;

use super::one::exit_status;
use super::report::PeerProgress;
use super::{FramingOption, SwarmCommandError, SwarmOptions};
use crate::configured::{GroupConfig, is_local_host};
use crate::frontend::cli::EXIT_FORCED;
use crate::frontend::console::output::{ConsoleOutput, OutputError};
use crate::frontend::console::progress::progress_lines;
use crate::platform::{Signals, StopSignal};
use crate::view::DownloadState;
use peer_processes::{PeerProcesses, ProcessEvent, SwarmPeerProcess};

/// How often the progress is drawn.
const DRAW_INTERVAL: Duration = Duration::from_millis(250);

/// The maximum number of stderr lines kept of a peer that has not started.
const MAX_EARLY_STDERR: usize = 20;

/// The running peers and the state of the display.
struct SwarmMonitor<'a> {
    plan: &'a GroupConfig,
    output: &'a mut ConsoleOutput,
    processes: PeerProcesses,
    /// Why all peers are being stopped, if they are.
    stopping: Option<StopReason>,
}

/// Why all peers are stopped before all have the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StopReason {
    /// A signal arrived.
    Signal(StopSignal),
    /// A peer could not start, so the others would wait for it forever.
    PeerFailed(ConfiguredPeerId),
    /// The output cannot be written.
    OutputFailed(OutputError),
}

pub(super) async fn run(
    plan: &GroupConfig,
    options: &SwarmOptions,
    output: &mut ConsoleOutput,
) -> Result<u8, SwarmCommandError> {
    let mut signals = Signals::listen()?;
    let local = tokio::select! {
        local = local_peers(plan) => local,
        stop = signals.next() => return Ok(exit_status(stop)),
    };
    if local.is_empty() {
        return Err(SwarmCommandError::NoLocalPeer(options.peers_path()));
    }
    let framing = common_framing(options.framing, local.len() == plan.peer_list.peers().len());
    let mut watch = SwarmMonitor { plan, output, processes: PeerProcesses::new(), stopping: None };
    for id in local {
        if let Err(error) = watch.processes.start(options, framing, id) {
            watch.output.error(format!("cannot start peer {id}: {error}"));
            watch.stop(StopReason::PeerFailed(id), StopSignal::Interrupt);
            break;
        }
    }
    watch.run_to_end(&mut signals).await
}

/// Returns the framing of the started peers. If the whole group is started, its peers need not detect each other's framing.
const fn common_framing(chosen: FramingOption, is_whole_group: bool) -> FramingOption {
    match chosen {
        FramingOption::Auto if is_whole_group => FramingOption::Inclusive,
        chosen => chosen,
    }
}

/// Returns the peers whose host is this machine.
async fn local_peers(plan: &GroupConfig) -> Vec<ConfiguredPeerId> {
    let mut local = Vec::new();
    for peer in plan.peer_list.peers() {
        if is_local_host(&peer.host).await {
            local.push(peer.id);
        } else {
            tracing::info!(id = %peer.id, host = peer.host, "peer of another machine");
        }
    }
    local
}

impl SwarmMonitor<'_> {
    /// Waits until all peers have ended; returns the program's exit status.
    async fn run_to_end(mut self, signals: &mut Signals) -> Result<u8, SwarmCommandError> {
        let mut tick = tokio::time::interval(DRAW_INTERVAL);
        while self.processes.is_running() {
            tokio::select! {
                biased;
                stop = signals.next() => {
                    if self.stopping == Some(StopReason::Signal(StopSignal::Interrupt)) && stop == StopSignal::Interrupt {
                        return Ok(EXIT_FORCED);
                    }
                    self.stop(StopReason::Signal(stop), stop);
                }
                Some(event) = self.processes.next_event() => {
                    if let Err(error) = self.handle_event(event) && self.stopping.is_none() {
                        self.stop(StopReason::OutputFailed(error), StopSignal::Interrupt);
                    }
                }
                _ = tick.tick() => self.draw(),
            }
        }
        match self.stopping {
            Some(StopReason::Signal(stop)) => Ok(exit_status(stop)),
            Some(StopReason::OutputFailed(error)) => Err(error.into()),
            Some(StopReason::PeerFailed(id)) => {
                self.report_failed_start(id);
                Ok(1)
            }
            None => Ok(u8::from(self.processes.peers.iter().any(|peer| peer.exit_status != Some(0)))),
        }
    }

    /// Stops all peers by a signal.
    fn stop(&mut self, why: StopReason, stop: StopSignal) {
        self.stopping = Some(why);
        self.processes.signal(stop);
    }

    fn handle_event(&mut self, event: ProcessEvent) -> Result<(), OutputError> {
        match event {
            ProcessEvent::Stdout(id, line) => self.handle_stdout(id, &line)?,
            ProcessEvent::Stderr(id, line) => self.handle_stderr(id, line),
            ProcessEvent::Exited(id, status) => self.handle_exit(id, status)?,
        }
        Ok(())
    }

    /// Shows a stderr line of a peer. Lines from before its start are kept: they may be the reason why it cannot start.
    fn handle_stderr(&mut self, id: ConfiguredPeerId, line: String) {
        if let Some(peer) = self.processes.find(id)
            && !peer.has_started
            && peer.early_stderr.len() < MAX_EARLY_STDERR
        {
            return peer.early_stderr.push(line);
        }
        self.warn(id, &line);
    }

    fn warn(&mut self, id: ConfiguredPeerId, line: &str) {
        self.output.warning(format!("peer {id}: {}", display_safe(line)));
    }

    fn mark_started(&mut self, id: ConfiguredPeerId) {
        if let Some(peer) = self.processes.find(id) {
            peer.has_started = true;
        }
        self.show_early_stderr(id);
    }

    /// Shows the stderr lines of a peer that were kept.
    fn show_early_stderr(&mut self, id: ConfiguredPeerId) {
        let lines = self.processes.find(id).map(|peer| std::mem::take(&mut peer.early_stderr));
        let lines = lines.unwrap_or_default();
        for line in lines {
            self.warn(id, &line);
        }
    }

    fn handle_stdout(&mut self, id: ConfiguredPeerId, line: &str) -> Result<(), OutputError> {
        let Some(peer) = self.processes.find(id) else { return Ok(()) };
        if let Some(report) = PeerProgress::parse(line) {
            peer.report = Some(report);
            return Ok(());
        }
        match line.split_once('\t') {
            Some(("swarm", _)) => self.mark_started(id),
            Some((word @ ("done" | "here" | "waiting" | "unverified"), rest)) => {
                let rest = display_safe(rest).replace("\\t", "\t");
                self.output.line(if self.output.is_for_person() {
                    format!("peer {id}  {word}  {}", rest.split('\t').next().unwrap_or_default())
                } else {
                    format!("{id}\t{word}\t{rest}")
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_exit(&mut self, id: ConfiguredPeerId, status: Option<u8>) -> Result<(), OutputError> {
        let Some(peer) = self.processes.find(id) else { return Ok(()) };
        peer.exit_status = Some(status.unwrap_or(255));
        let has_started = peer.has_started;
        let is_person = self.output.is_for_person();
        let how = |word| if is_person { format!("peer {id}  {word}") } else { format!("{id}\t{word}") };
        match status {
            Some(0) => self.output.line(how("ended")),
            _ if self.stopping.is_some() => {
                self.show_early_stderr(id);
                self.output.line(how("stopped"))
            }
            _ if !has_started => {
                self.stop(StopReason::PeerFailed(id), StopSignal::Interrupt);
                Ok(())
            }
            _ => {
                let what = status
                    .map_or_else(|| "was killed".to_owned(), |status| format!("ended with status {status}"));
                self.output.error(format!("peer {id} {what}"));
                self.output.warning(format!("the others wait for it; restart it with: peer-node swarm {id}"));
                Ok(())
            }
        }
    }

    /// Reports which peer could not start and why, as the last message.
    fn report_failed_start(&mut self, id: ConfiguredPeerId) {
        let peer = self.processes.find(id);
        let ended = peer.as_ref().and_then(|peer| peer.exit_status);
        let last = peer.and_then(|peer| peer.early_stderr.pop());
        self.show_early_stderr(id);
        let reason = match (&last, ended) {
            (Some(line), _) => line.strip_prefix("peer-node: ").unwrap_or(line).to_owned(),
            (None, Some(status)) => format!("it ended with status {status}"),
            (None, None) => "see above".to_owned(),
        };
        self.output.error(format!(
            "peer {id} cannot start: {}; the others were stopped; start all again to resume",
            display_safe(&reason)
        ));
    }

    fn draw(&mut self) {
        if !self.output.wants_live() {
            return;
        }
        let (look, width, height) = self.output.live_frame();
        let (size, dir) = (self.plan.common.geometry.size(), &self.plan.dir);
        let view = |peer: &SwarmPeerProcess| {
            let report = peer.report.as_ref()?;
            let location = dir.clone();
            let state = match peer.exit_status {
                Some(0) => DownloadState::Done { location, renamed: None },
                Some(_) => DownloadState::Failed { reason: "see above".to_owned() },
                None if report.is_complete() => DownloadState::Seeding { location },
                None => DownloadState::Fetching,
            };
            Some(report.view(peer.id.to_string(), size, state))
        };
        let views: Vec<_> = self.processes.peers.iter().filter_map(view).take(height).collect();
        self.output.draw(progress_lines(&views, width, look));
    }
}
