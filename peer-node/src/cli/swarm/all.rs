//! Starts all peers whose host is this machine, each in a process of its own, and shows them together until the end.

mod company;

use std::time::Duration;

use protocol::configured::PeerId;
use protocol::escape::display_safe;

use super::one::status;
use super::report::Report;
use super::{FramingOption, SwarmOptions, SwarmTrouble};
use crate::cli::{FORCED, Signals, Stop};
use crate::configured::{Plan, is_here};
use crate::repl::output::{Output, OutputError};
use crate::repl::progress_lines;
use crate::transfers::DownloadState;
use company::{Company, News, Started};

/// How often what is shown is drawn.
const PAUSE: Duration = Duration::from_millis(250);

/// So many lines are kept of what a peer complains of before it has begun.
const MOST_COMPLAINTS: usize = 20;

/// What is kept an eye on.
struct Watch<'a> {
    plan: &'a Plan,
    output: &'a mut Output,
    company: Company,
    /// Why all are being stopped, if they are.
    stopping: Option<Why>,
}

/// Why all are stopped before everybody has the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// A signal came.
    Told(Stop),
    /// That one could not begin, so the others would wait for it for ever.
    Missing(PeerId),
    /// The output cannot be written.
    Unwritten(OutputError),
}

pub(super) async fn run(
    plan: &Plan,
    options: &SwarmOptions,
    output: &mut Output,
) -> Result<u8, SwarmTrouble> {
    let mut signals = Signals::listen()?;
    let here = tokio::select! {
        here = of_this_machine(plan) => here,
        stop = signals.next() => return Ok(status(stop)),
    };
    if here.is_empty() {
        return Err(SwarmTrouble::NobodyHere(options.peers_path()));
    }
    let framing = common_framing(options.framing, here.len() == plan.list.peers().len());
    let mut watch = Watch { plan, output, company: Company::new(), stopping: None };
    for id in here {
        if let Err(error) = watch.company.start(options, framing, id) {
            watch.output.error(format!("peer {id} cannot be started: {error}"));
            watch.stop(Why::Missing(id), Stop::Interrupt);
            break;
        }
    }
    watch.keep(&mut signals).await
}

/// Returns the framing of the peers that are started. Where all of the group are, they need not find each other's out.
const fn common_framing(chosen: FramingOption, is_whole_group: bool) -> FramingOption {
    match chosen {
        FramingOption::Auto if is_whole_group => FramingOption::Inclusive,
        chosen => chosen,
    }
}

/// Returns the peers whose host is this machine.
async fn of_this_machine(plan: &Plan) -> Vec<PeerId> {
    let mut here = Vec::new();
    for peer in plan.list.peers() {
        if is_here(&peer.host).await {
            here.push(peer.id);
        } else {
            tracing::info!(id = %peer.id, host = peer.host, "peer of another machine");
        }
    }
    here
}

impl Watch<'_> {
    /// Goes on until all have ended; returns the status.
    async fn keep(mut self, signals: &mut Signals) -> Result<u8, SwarmTrouble> {
        let mut tick = tokio::time::interval(PAUSE);
        while self.company.is_at_work() {
            tokio::select! {
                biased;
                stop = signals.next() => {
                    if self.stopping == Some(Why::Told(Stop::Interrupt)) && stop == Stop::Interrupt {
                        return Ok(FORCED);
                    }
                    self.stop(Why::Told(stop), stop);
                }
                Some(news) = self.company.next() => {
                    if let Err(error) = self.hear(news) && self.stopping.is_none() {
                        self.stop(Why::Unwritten(error), Stop::Interrupt);
                    }
                }
                _ = tick.tick() => self.draw(),
            }
        }
        match self.stopping {
            Some(Why::Told(stop)) => Ok(status(stop)),
            Some(Why::Unwritten(error)) => Err(error.into()),
            Some(Why::Missing(id)) => {
                self.lament(id);
                Ok(1)
            }
            None => Ok(u8::from(self.company.peers.iter().any(|peer| peer.ended != Some(0)))),
        }
    }

    /// Has all end in order.
    fn stop(&mut self, why: Why, stop: Stop) {
        self.stopping = Some(why);
        self.company.signal(stop);
    }

    fn hear(&mut self, news: News) -> Result<(), OutputError> {
        match news {
            News::Said(id, line) => self.said(id, &line)?,
            News::Complained(id, line) => self.complained(id, line),
            News::Ended(id, status) => self.has_ended(id, status)?,
        }
        Ok(())
    }

    /// Shows what a peer complains of. What it says before it has begun may be why it cannot, and is kept for that.
    fn complained(&mut self, id: PeerId, line: String) {
        if let Some(peer) = self.company.find(id)
            && !peer.has_begun
            && peer.complaints.len() < MOST_COMPLAINTS
        {
            return peer.complaints.push(line);
        }
        self.warn(id, &line);
    }

    fn warn(&mut self, id: PeerId, line: &str) {
        self.output.warning(format!("peer {id}: {}", display_safe(line)));
    }

    fn has_begun(&mut self, id: PeerId) {
        if let Some(peer) = self.company.find(id) {
            peer.has_begun = true;
        }
        self.show_complaints(id);
    }

    /// Shows what was kept of what a peer complained of.
    fn show_complaints(&mut self, id: PeerId) {
        let complaints = self.company.find(id).map(|peer| std::mem::take(&mut peer.complaints));
        let complaints = complaints.unwrap_or_default();
        for line in complaints {
            self.warn(id, &line);
        }
    }

    fn said(&mut self, id: PeerId, line: &str) -> Result<(), OutputError> {
        let Some(peer) = self.company.find(id) else { return Ok(()) };
        if let Some(report) = Report::parse(line) {
            peer.report = Some(report);
            return Ok(());
        }
        match line.split_once('\t') {
            Some(("swarm", _)) => self.has_begun(id),
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

    fn has_ended(&mut self, id: PeerId, status: Option<u8>) -> Result<(), OutputError> {
        let Some(peer) = self.company.find(id) else { return Ok(()) };
        peer.ended = Some(status.unwrap_or(255));
        let has_begun = peer.has_begun;
        let is_person = self.output.is_for_person();
        let how = |word| if is_person { format!("peer {id}  {word}") } else { format!("{id}\t{word}") };
        match status {
            Some(0) => self.output.line(how("ended")),
            _ if self.stopping.is_some() => {
                self.show_complaints(id);
                self.output.line(how("stopped"))
            }
            _ if !has_begun => {
                self.stop(Why::Missing(id), Stop::Interrupt);
                Ok(())
            }
            _ => {
                let what = status
                    .map_or_else(|| "was killed".to_owned(), |status| format!("ended with status {status}"));
                self.output.error(format!("peer {id} {what}"));
                self.output.warning(format!("the others wait for it: peer-node swarm {id} starts it again"));
                Ok(())
            }
        }
    }

    /// Reports who could not begin and why, once everything else was reported.
    fn lament(&mut self, id: PeerId) {
        let peer = self.company.find(id);
        let ended = peer.as_ref().and_then(|peer| peer.ended);
        let last = peer.and_then(|peer| peer.complaints.pop());
        self.show_complaints(id);
        let reason = match (&last, ended) {
            (Some(line), _) => line.strip_prefix("peer-node: ").unwrap_or(line).to_owned(),
            (None, Some(status)) => format!("it ended with status {status}"),
            (None, None) => "see above".to_owned(),
        };
        self.output.error(format!(
            "peer {id} cannot begin: {}; the others were stopped, and go on from what they have when all are started again",
            display_safe(&reason)
        ));
    }

    fn draw(&mut self) {
        if !self.output.wants_live() {
            return;
        }
        let (look, width, height) = self.output.live_frame();
        let (size, dir) = (self.plan.common.geometry.size(), &self.plan.dir);
        let view = |peer: &Started| {
            let report = peer.report.as_ref()?;
            let location = dir.clone();
            let state = match peer.ended {
                Some(0) => DownloadState::Done { location, renamed: None },
                Some(_) => DownloadState::Failed { reason: "see above".to_owned() },
                None if report.is_here() => DownloadState::Seeding { location },
                None => DownloadState::Fetching,
            };
            Some(report.view(peer.id.to_string(), size, state))
        };
        let views: Vec<_> = self.company.peers.iter().filter_map(view).take(height).collect();
        self.output.draw(progress_lines(&views, width, look));
    }
}
