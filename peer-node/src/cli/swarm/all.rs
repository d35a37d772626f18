//! Starts all peers whose host is this machine, each in a process of its own, and shows them together until the end.

use std::env;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use protocol::configured::PeerId;
use protocol::escape::display_safe;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::report::Report;
use super::{SwarmOptions, SwarmTrouble};
use crate::cli::{FORCED, Signals, Stop};
use crate::configured::{Plan, is_here};
use crate::repl::output::Output;
use crate::repl::progress_line;
use crate::transfers::DownloadState;

/// How often what is shown is drawn.
const PAUSE: Duration = Duration::from_millis(250);

/// Lines of all peers that wait to be seen to; peers pause when it is full.
const BACKLOG: usize = 256;

/// The status after Ctrl-C.
const INTERRUPTED: u8 = 130;

/// A peer in a process of its own.
#[derive(Debug)]
struct Started {
    id: PeerId,
    pid: Option<Pid>,
    report: Option<Report>,
    /// How it ended, if it has.
    ended: Option<u8>,
}

/// What comes from the processes.
#[derive(Debug)]
enum News {
    Said(PeerId, String),
    Complained(PeerId, String),
}

pub(super) async fn run(
    plan: &Plan,
    options: &SwarmOptions,
    output: &mut Output,
) -> Result<u8, SwarmTrouble> {
    let mut signals = Signals::listen()?;
    let (sender, mut news) = mpsc::channel(BACKLOG);
    let (mut peers, mut ends) = (Vec::new(), JoinSet::new());
    for peer in plan.list.peers() {
        if !is_here(&peer.host).await {
            tracing::info!(id = %peer.id, host = peer.host, "peer of another machine");
            continue;
        }
        let child = start(options, peer.id)?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        peers.push(Started { id: peer.id, pid, report: None, ended: None });
        attend(peer.id, child, &sender, &mut ends);
    }
    drop(sender);
    if peers.is_empty() {
        return Err(SwarmTrouble::NobodyHere(options.peers_path()));
    }
    let mut stopped: Option<Stop> = None;
    let mut tick = tokio::time::interval(PAUSE);
    while peers.iter().any(|peer| peer.ended.is_none()) {
        tokio::select! {
            biased;
            stop = signals.next() => {
                pass_on(&peers, stop);
                if stopped.replace(stop) == Some(Stop::Interrupt) && stop == Stop::Interrupt {
                    return Ok(FORCED);
                }
            }
            Some(news) = news.recv() => hear(news, &mut peers, output)?,
            Some(end) = ends.join_next(), if !ends.is_empty() => {
                if let Ok((id, status)) = end { has_ended(id, status, stopped.is_some(), &mut peers, output)?; }
            }
            _ = tick.tick() => draw(plan, &peers, output),
        }
    }
    Ok(match stopped {
        Some(Stop::Interrupt) => INTERRUPTED,
        Some(Stop::Terminate) => 0,
        None => u8::from(peers.iter().any(|peer| peer.ended != Some(0))),
    })
}

/// Starts a peer. Ctrl-C at the terminal is for us, who pass it on.
fn start(options: &SwarmOptions, id: PeerId) -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["swarm", &id.to_string(), "--report", "--dir"]).arg(&options.dir);
    command.arg("--common").arg(options.common_path()).arg("--peers").arg(options.peers_path());
    let framing = format!("{:?}", options.framing).to_ascii_lowercase();
    command.args(["--framing", &framing]).args((0..options.verbose).map(|_| "-v"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true).spawn()
}

/// Has all told that a process says, and how it ends when it has said all.
fn attend(
    id: PeerId,
    mut child: Child,
    sender: &mpsc::Sender<News>,
    ends: &mut JoinSet<(PeerId, io::Result<ExitStatus>)>,
) {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (said, complained) = (sender.clone(), sender.clone());
    ends.spawn(async move {
        let saying = tell_lines(out, |line| said.send(News::Said(id, line)));
        let complaining = tell_lines(err, |line| complained.send(News::Complained(id, line)));
        tokio::join!(saying, complaining);
        (id, child.wait().await)
    });
}

async fn tell_lines<F>(pipe: Option<impl AsyncRead + Unpin>, tell: impl Fn(String) -> F)
where
    F: Future<Output = Result<(), mpsc::error::SendError<News>>>,
{
    let Some(pipe) = pipe else { return };
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if tell(line).await.is_err() {
            return;
        }
    }
}

fn pass_on(peers: &[Started], stop: Stop) {
    let signal = match stop {
        Stop::Interrupt => Signal::INT,
        Stop::Terminate => Signal::TERM,
    };
    for pid in peers.iter().filter(|peer| peer.ended.is_none()).filter_map(|peer| peer.pid) {
        // One that has just ended needs no signal.
        let _ = kill_process(pid, signal);
    }
}

fn hear(news: News, peers: &mut [Started], output: &mut Output) -> Result<(), SwarmTrouble> {
    match news {
        News::Said(id, line) => {
            if let Some(report) = Report::parse(&line) {
                if let Some(peer) = peers.iter_mut().find(|peer| peer.id == id) {
                    peer.report = Some(report);
                }
            } else if let Some((word @ ("done" | "here"), rest)) = line.split_once('\t') {
                let rest = display_safe(rest).replace("\\t", "\t");
                output.line(if output.is_for_person() {
                    format!("peer {id}  {word}  {}", rest.split('\t').next().unwrap_or_default())
                } else {
                    format!("{id}\t{word}\t{rest}")
                })?;
            }
        }
        News::Complained(id, line) => output.warning(format!("peer {id}: {}", display_safe(&line))),
    }
    Ok(())
}

fn has_ended(
    id: PeerId,
    status: io::Result<ExitStatus>,
    was_stopped: bool,
    peers: &mut [Started],
    output: &mut Output,
) -> Result<(), SwarmTrouble> {
    // Whoever was ended by a signal has none.
    let status = status.ok().and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
    peers.iter_mut().filter(|peer| peer.id == id).for_each(|peer| peer.ended = Some(status.unwrap_or(255)));
    let is_person = output.is_for_person();
    let how = |word| if is_person { format!("peer {id}  {word}") } else { format!("{id}\t{word}") };
    match status {
        Some(0) => output.line(how("ended"))?,
        _ if was_stopped => output.line(how("stopped"))?,
        Some(status) => output.error(format!("peer {id} ended with status {status}")),
        None => output.error(format!("peer {id} was killed")),
    }
    Ok(())
}

fn draw(plan: &Plan, peers: &[Started], output: &mut Output) {
    if !output.wants_live() {
        return;
    }
    let (look, width, height) = output.live_frame();
    let size = plan.common.geometry.size();
    let line = |peer: &Started| {
        let report = peer.report.as_ref()?;
        let location = plan.dir.clone();
        let state = match peer.ended {
            Some(0) => DownloadState::Done { location, renamed: None },
            Some(_) => DownloadState::Failed { reason: "see above".to_owned() },
            None if report.is_here() => DownloadState::Seeding { location },
            None => DownloadState::Fetching,
        };
        Some(progress_line(&report.view(peer.id.to_string(), size, state), width, look))
    };
    output.draw(peers.iter().filter_map(line).take(height).collect());
}
