//! Runs one peer until it ends or a signal arrives, and shows its progress.

use std::time::{Duration, Instant};

use protocol::configured::ListedPeer;
use protocol::escape::display_safe;
use protocol::units::{DisplayDuration, DisplayRate, DisplaySize};

use super::SwarmCommandError;
use super::report::PeerProgress;
use crate::configured::{GroupConfig, GroupMember};
use crate::frontend::cli::EXIT_FORCED;
use crate::frontend::console::output::ConsoleOutput;
use crate::frontend::console::progress::progress_line;
use crate::operations::Download;
use crate::platform::{Signals, StopSignal};
use crate::view::DownloadState;

/// How often the progress is updated.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How often the names of missing peers are repeated.
const REPEAT_INTERVAL: Duration = Duration::from_mins(1);

/// Exit status after Ctrl-C.
const EXIT_INTERRUPTED: u8 = 130;

pub(super) async fn run(
    plan: GroupConfig,
    us: ListedPeer,
    reports: bool,
    output: &mut ConsoleOutput,
) -> Result<u8, SwarmCommandError> {
    let mut signals = Signals::listen()?;
    let (name, geometry) = (display_safe(plan.common.file_name()).into_owned(), plan.common.geometry);
    let (id, size, pieces) = (us.id, geometry.size(), geometry.piece_count());
    let address = format!("{}:{}", us.host, us.port);
    let mut peer = tokio::select! {
        started = GroupMember::start(plan, us) => started?,
        stop = signals.next() => return Ok(exit_status(stop)),
    };
    if output.is_for_person() {
        output.line(format!("peer {id}  {name}  {} in {pieces} pieces, at {address}", DisplaySize(size)))?;
    } else {
        output.line(format!("swarm\t{id}\t{name}\t{size}\t{pieces}\t{address}"))?;
    }
    if let Some(moved) = peer.unverified() {
        let moved = moved.to_string_lossy();
        let moved = display_safe(&moved);
        output.line(if output.is_for_person() {
            format!("the existing {name} was not downloaded by this program; moved it to {moved}")
        } else {
            format!("unverified\t{moved}")
        })?;
    }
    let found = peer.initial_pieces();
    if found > 0 && found < pieces {
        output.line(if output.is_for_person() {
            format!("{found} of {pieces} pieces already present")
        } else {
            format!("here\t{found}\t{pieces}")
        })?;
    }
    let reporter =
        SwarmReporter { had_file: found == pieces, has_reported_complete: false, reported_waiting: None };
    let watched = follow_peer(&mut peer, &mut signals, reports, reporter, output).await;
    output.clear_live();
    let stopped = tokio::select! {
        () = peer.stop() => true,
        () = signals.interrupted() => false,
    };
    if stopped { watched } else { Ok(EXIT_FORCED) }
}

/// Returns the exit status after a signal.
pub(super) const fn exit_status(stop: StopSignal) -> u8 {
    match stop {
        StopSignal::Interrupt => EXIT_INTERRUPTED,
        StopSignal::Terminate => 0,
    }
}

/// Shows the progress until the peer ends or a signal arrives.
async fn follow_peer(
    peer: &mut GroupMember,
    signals: &mut Signals,
    reports: bool,
    mut reporter: SwarmReporter,
    output: &mut ConsoleOutput,
) -> Result<u8, SwarmCommandError> {
    loop {
        let view = Download::from(peer.view().borrow_and_update().clone());
        if let Some(status) = reporter.report(&view, output)? {
            return Ok(status);
        }
        if reports {
            output.line(PeerProgress::from_view(&view))?;
        } else if output.wants_live() {
            let (look, width, _) = output.live_frame();
            output.draw(vec![progress_line(&view, width, look)]);
        }
        tokio::select! {
            changed = tokio::time::timeout(POLL_INTERVAL, peer.view().changed()) => {
                if let Ok(Err(_)) = changed {
                    // The task has ended, so this view is the last.
                    let view = Download::from(peer.view().borrow().clone());
                    return Ok(reporter.report(&view, output)?.unwrap_or(1));
                }
            }
            stop = signals.next() => return Ok(exit_status(stop)),
        }
    }
}

/// The facts that have been reported so far.
#[derive(Debug)]
struct SwarmReporter {
    /// Whether the peer had the file at the start.
    had_file: bool,
    /// Whether the complete file was reported.
    has_reported_complete: bool,
    /// The missing peers reported last, and when.
    reported_waiting: Option<(String, Instant)>,
}

impl SwarmReporter {
    /// Reports what has changed; returns the exit status if the peer has ended.
    fn report(
        &mut self,
        view: &Download,
        output: &mut ConsoleOutput,
    ) -> Result<Option<u8>, SwarmCommandError> {
        let is_person = output.is_for_person();
        if view.state.is_complete() && !std::mem::replace(&mut self.has_reported_complete, true) {
            output.line(complete_line(view, is_person, self.had_file))?;
        }
        if let Some(line) = self.waiting_line(view, is_person) {
            output.line(line)?;
        }
        match &view.state {
            DownloadState::Done { .. } => {
                output.line(if is_person { "all peers have the file" } else { "everybody" })?;
                Ok(Some(0))
            }
            DownloadState::Failed { reason } => {
                output.error(display_safe(reason));
                Ok(Some(1))
            }
            DownloadState::Cancelled => Ok(Some(1)),
            _ => Ok(None),
        }
    }

    /// Returns a line about the peers it waits for, if they have changed or [`REPEAT_INTERVAL`] has passed.
    fn waiting_line(&mut self, view: &Download, is_person: bool) -> Option<String> {
        let missing = view.warning.as_ref()?;
        let is_known =
            |(reported, when): &(String, Instant)| reported == missing && when.elapsed() < REPEAT_INTERVAL;
        if self.reported_waiting.as_ref().is_some_and(is_known) {
            return None;
        }
        self.reported_waiting = Some((missing.clone(), Instant::now()));
        Some(if is_person {
            format!("waiting  {missing}; Ctrl-C stops this peer")
        } else {
            format!("waiting\t{missing}")
        })
    }
}

/// Returns the line that reports the complete file.
fn complete_line(view: &Download, is_person: bool, had_it: bool) -> String {
    let (DownloadState::Seeding { location } | DownloadState::Done { location, .. }) = &view.state else {
        return String::new();
    };
    let (location, size) = (location.to_string_lossy(), view.size.unwrap_or(0));
    let location = display_safe(&location);
    if !is_person {
        return format!("done\t{location}\t{size}");
    }
    if had_it {
        return format!("{location} is complete; uploading to the others");
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown with three digits")]
    let rate = size as f64 / view.elapsed.as_secs_f64().max(0.001);
    let (size, took) = (DisplaySize(size), DisplayDuration(view.elapsed));
    format!("done  {location}  {size} in {took}, {}; uploading to the others", DisplayRate(rate))
}
