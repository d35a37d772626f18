//! When sources are looked for, and when a download is given up for want of them.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::hearing::AFTER_LOSS;
use super::{Failure, GRACE, Inbox, Session, Stage};
use crate::download::seeking::{self, Sighting};
use crate::native::Link;

/// The pauses between rounds of looking for sources: they double from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long sources that are connected may say nothing of use before they count as lost.
const SILENCE: Duration = Duration::from_secs(30);

/// After how long a source that did not answer is dialled again.
const AFTER_SILENCE: Duration = Duration::from_secs(10);

/// The search for sources.
#[derive(Debug)]
pub(super) struct Seek {
    pub(super) rounds: JoinSet<()>,
    /// Whether all sources that were known at the beginning have been dialled.
    everybody_dialled: bool,
    pub(super) next: Instant,
    pause: Duration,
    trouble: Option<String>,
    /// When a source last sent something of use.
    pub(super) heard: Instant,
    /// When there was last a source, or hope for one.
    hope: Instant,
}

impl Seek {
    pub(super) fn new(now: Instant) -> Self {
        let (rounds, pause) = (JoinSet::new(), PAUSES.0);
        Self { rounds, everybody_dialled: false, next: now, pause, trouble: None, heard: now, hope: now }
    }
}

impl Session {
    /// Begins a round of looking for sources when its time has come, or gives up when there is no hope.
    pub(super) fn look_for_sources(&mut self, inbox: &Inbox) -> Result<(), Failure> {
        let now = Instant::now();
        while self.seek.rounds.try_join_next().is_some() {}
        let is_silent = now.saturating_duration_since(self.seek.heard) > SILENCE;
        let is_served = self.roster.live_count() > 0 && (!is_silent || self.roster.is_queued(now));
        // At first an honest source may stand behind many that do not answer.
        if is_served || !self.jobs.is_empty() || !self.seek.everybody_dialled {
            self.seek.hope = now;
        }
        if !self.seek.rounds.is_empty() || now < self.seek.next {
            let is_hopeless =
                self.roster.known() > 0 && !self.roster.has_hope() && self.seek.rounds.is_empty();
            let waited = now.saturating_duration_since(self.seek.hope);
            let patience = if is_hopeless { PAUSES.0 } else { GRACE };
            return if waited < patience { Ok(()) } else { Err(self.no_sources()) };
        }
        self.seek.next = now + self.seek.pause;
        self.seek.pause = (self.seek.pause * 2).min(PAUSES.1);
        let (finder, links) = (self.config.finder.clone(), self.config.links.clone());
        let skip = self.roster.not_now(now);
        self.seek.rounds.spawn(seeking::seek(
            finder,
            links,
            self.wanted.digest,
            skip,
            inbox.sightings_to.clone(),
        ));
        Ok(())
    }

    fn no_sources(&self) -> Failure {
        let fates = self.roster.fates();
        let nowhere = self.pieces_nowhere();
        let reason = match (&self.seek.trouble, self.roster.known()) {
            (Some(trouble), 0) => trouble.clone(),
            (_, 0) => "no source of it is online; try again later".to_owned(),
            (_, known) if nowhere > 0 => format!(
                "none of the {known} sources has the {nowhere} pieces that are missing ({fates}); what has come is kept"
            ),
            (_, known) => {
                format!("none of the {known} sources could give it ({fates}); what has come is kept")
            }
        };
        Failure::NoSources(reason)
    }

    /// Counts the missing pieces that no source that is connected has, if one is connected.
    fn pieces_nowhere(&self) -> usize {
        match &self.stage {
            Stage::Fetching(fetching) if self.roster.live_count() > 0 => fetching.swarm.unobtainable(),
            _ => 0,
        }
    }

    pub(super) fn sighted(&mut self, sighting: Sighting, inbox: &Inbox) {
        match sighting {
            Sighting::Located(count) => {
                self.seek.trouble = None;
                self.roster.located = count;
            }
            Sighting::Reached(link) => self.reached(&link, inbox),
            Sighting::Unreachable { node, address, error } => {
                tracing::info!(%address, %error, "source not reached");
                let again = Instant::now() + AFTER_SILENCE;
                self.roster.absent(node, address, error.to_string(), Some(again));
            }
            Sighting::IndexTrouble(trouble) => self.seek.trouble = Some(trouble),
            Sighting::Over => {
                self.seek.everybody_dialled = true;
                // Nobody knows of any source: waiting would be for nothing.
                if self.roster.known() == 0 && matches!(self.stage, Stage::Choosing(_)) {
                    self.seek.hope = self.seek.hope.checked_sub(GRACE).unwrap_or(self.seek.hope);
                }
            }
        }
    }

    /// Asks a peer that is connected for the content, unless that was done.
    pub(super) fn reached(&mut self, link: &Link, inbox: &Inbox) {
        if self.roster.is_live(link.node()) {
            return;
        }
        let (digest, events) = (self.wanted.digest, inbox.events_to.clone());
        if !self.roster.join(link, |id| link.open(digest, id, events)) {
            let (why, again) = ("the connection broke".to_owned(), Instant::now() + AFTER_LOSS);
            self.roster.absent(link.node(), link.address(), why, Some(again));
            self.seek.next = self.seek.next.min(again);
        }
    }
}
