//! Runs one peer until its end or a signal, and shows how it goes.

use std::time::{Duration, Instant};

use protocol::configured::ListedPeer;
use protocol::escape::display_safe;
use protocol::units::{Rate, Size, Span};

use super::SwarmTrouble;
use super::report::Report;
use crate::cli::{FORCED, Signals, Stop};
use crate::configured::{Peer, Plan};
use crate::repl::output::Output;
use crate::repl::progress_line;
use crate::transfers::{DownloadState, DownloadView};

/// How often what is shown is looked at.
const PAUSE: Duration = Duration::from_millis(250);

/// How long it is waited for others before that is said again.
const AGAIN: Duration = Duration::from_mins(1);

/// The status after Ctrl-C.
const INTERRUPTED: u8 = 130;

pub(super) async fn run(
    plan: Plan,
    us: ListedPeer,
    reports: bool,
    output: &mut Output,
) -> Result<u8, SwarmTrouble> {
    let mut signals = Signals::listen()?;
    let (name, geometry) = (display_safe(plan.common.file_name()).into_owned(), plan.common.geometry);
    let (id, size, pieces) = (us.id, geometry.size(), geometry.piece_count());
    let place = format!("{}:{}", us.host, us.port);
    let mut peer = tokio::select! {
        started = Peer::start(plan, us) => started?,
        stop = signals.next() => return Ok(status(stop)),
    };
    if output.is_for_person() {
        output.line(format!("peer {id}  {name}  {} in {pieces} pieces, at {place}", Size(size)))?;
    } else {
        output.line(format!("swarm\t{id}\t{name}\t{size}\t{pieces}\t{place}"))?;
    }
    if let Some(moved) = peer.unverified() {
        let moved = moved.to_string_lossy();
        let moved = display_safe(&moved);
        output.line(if output.is_for_person() {
            format!("a file in the place of {name} was not received by this program; moved to {moved}")
        } else {
            format!("unverified\t{moved}")
        })?;
    }
    let found = peer.found();
    if found > 0 && found < pieces {
        output.line(if output.is_for_person() {
            format!("{found} of {pieces} pieces are here already")
        } else {
            format!("here\t{found}\t{pieces}")
        })?;
    }
    let told = Told { had_it: found == pieces, whole: false, waiting: None };
    let watched = watch(&mut peer, &mut signals, reports, told, output).await;
    output.clear_live();
    let stopped = tokio::select! {
        () = peer.stop() => true,
        () = signals.interrupted() => false,
    };
    if stopped { watched } else { Ok(FORCED) }
}

/// Returns the status after a signal.
pub(super) const fn status(stop: Stop) -> u8 {
    match stop {
        Stop::Interrupt => INTERRUPTED,
        Stop::Terminate => 0,
    }
}

/// Shows how it goes until it is over or a signal comes.
async fn watch(
    peer: &mut Peer,
    signals: &mut Signals,
    reports: bool,
    mut told: Told,
    output: &mut Output,
) -> Result<u8, SwarmTrouble> {
    loop {
        let view = peer.view().borrow_and_update().clone();
        if let Some(status) = told.tell(&view, output)? {
            return Ok(status);
        }
        if reports {
            output.line(Report::of(&view))?;
        } else if output.wants_live() {
            let (look, width, _) = output.live_frame();
            output.draw(vec![progress_line(&view, width, look)]);
        }
        tokio::select! {
            changed = tokio::time::timeout(PAUSE, peer.view().changed()) => {
                if let Ok(Err(_)) = changed {
                    // The task is gone, and with it whoever could say more.
                    let view = peer.view().borrow().clone();
                    return Ok(told.tell(&view, output)?.unwrap_or(1));
                }
            }
            stop = signals.next() => return Ok(status(stop)),
        }
    }
}

/// What was said so far.
#[derive(Debug)]
struct Told {
    /// Whether it had the file from the beginning.
    had_it: bool,
    /// Whether it was said that the file is here.
    whole: bool,
    /// Whom it was said to wait for, and when.
    waiting: Option<(String, Instant)>,
}

impl Told {
    /// Says what is new; returns the status if it is over.
    fn tell(&mut self, view: &DownloadView, output: &mut Output) -> Result<Option<u8>, SwarmTrouble> {
        let is_person = output.is_for_person();
        if view.state.is_here() && !std::mem::replace(&mut self.whole, true) {
            output.line(whole_line(view, is_person, self.had_it))?;
        }
        if let Some(line) = self.waiting(view, is_person) {
            output.line(line)?;
        }
        match &view.state {
            DownloadState::Done { .. } => {
                output.line(if is_person { "everybody has the file" } else { "everybody" })?;
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

    /// Returns what is to be said of those it waits for, if they are others than before or it was not said for long.
    fn waiting(&mut self, view: &DownloadView, is_person: bool) -> Option<String> {
        let missing = view.trouble.as_ref()?;
        let is_known = |(said, when): &(String, Instant)| said == missing && when.elapsed() < AGAIN;
        if self.waiting.as_ref().is_some_and(is_known) {
            return None;
        }
        self.waiting = Some((missing.clone(), Instant::now()));
        Some(if is_person {
            format!("waiting  {missing}; Ctrl-C stops this peer")
        } else {
            format!("waiting\t{missing}")
        })
    }
}

/// Says that the file is here.
fn whole_line(view: &DownloadView, is_person: bool, had_it: bool) -> String {
    let (DownloadState::Seeding { location } | DownloadState::Done { location, .. }) = &view.state else {
        return String::new();
    };
    let (location, size) = (location.to_string_lossy(), view.size.unwrap_or(0));
    let location = display_safe(&location);
    if !is_person {
        return format!("done\t{location}\t{size}");
    }
    if had_it {
        return format!("{location} is whole, and given to the others");
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown with three digits")]
    let rate = size as f64 / view.elapsed.as_secs_f64().max(0.001);
    let (size, took) = (Size(size), Span(view.elapsed));
    format!("done  {location}  {size} in {took}, {}; giving it to the others", Rate(rate))
}
