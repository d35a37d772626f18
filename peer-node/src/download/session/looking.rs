//! When sources are looked for, and when a download gives its turn up for want of them.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::hearing::AFTER_LOSS;
use super::resting::is_online;
use super::{Failure, GRACE, Inbox, Session, Stage};
use crate::download::queue::Place;
use crate::download::roster::EarlyManifest;
use crate::download::seeking::{Round, Sighting};
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
    was_online: bool,
}

impl Seek {
    pub(super) fn new(now: Instant) -> Self {
        let (rounds, pause) = (JoinSet::new(), PAUSES.0);
        let (everybody_dialled, was_online, trouble) = (false, false, None);
        Self { rounds, everybody_dialled, next: now, pause, trouble, heard: now, hope: now, was_online }
    }

    /// Begins the next round at once, and those after it soon.
    pub(super) fn at_once(&mut self) {
        (self.next, self.pause) = (Instant::now(), PAUSES.0);
    }

    /// Asks soon and often if the index is there after it was away.
    fn index_is(&mut self, is_online: bool, now: Instant) {
        if !std::mem::replace(&mut self.was_online, is_online) && is_online {
            (self.next, self.pause) = (self.next.min(now + PAUSES.0), PAUSES.0);
        }
    }
}

impl Session {
    /// Begins a round of looking for sources when its time has come, or fails when there is no hope for one.
    pub(super) fn look_for_sources(&mut self, inbox: &Inbox, place: &Place) -> Result<(), Failure> {
        let now = Instant::now();
        while self.seek.rounds.try_join_next().is_some() {}
        self.seek.index_is(is_online(&self.config.index.status().borrow()), now);
        // At first an honest source may stand behind many that do not answer.
        if self.may_be_served(now, place) || !self.jobs.is_empty() || !self.seek.everybody_dialled {
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
        let round = Round {
            finder: self.config.finder.clone(),
            links: self.config.links.clone(),
            digest: self.wanted.digest,
            skip: self.roster.not_now(now),
            tried: self.roster.tried(),
            ids: self.roster.ids().clone(),
            events: inbox.events_to.clone(),
            needs_manifest: matches!(self.stage, Stage::Choosing(None)),
            sightings: inbox.sightings_to.clone(),
        };
        self.seek.rounds.spawn(round.run());
        Ok(())
    }

    /// Returns true if a source that is connected serves us or will. In a queue the download keeps its place for as long as
    /// that may take; only where its turn cannot be expected any more, it makes way for others that wait on this node.
    fn may_be_served(&self, now: Instant, place: &Place) -> bool {
        let is_silent = now.saturating_duration_since(self.seek.heard) > SILENCE;
        let is_connected = self.roster.live_count() > 0;
        let keeps_its_place =
            || self.roster.is_queued() && (self.roster.has_prospect(now) || !place.has_waiting());
        is_connected && (!is_silent || keeps_its_place())
    }

    pub(super) fn no_sources(&self) -> Failure {
        let fates = self.roster.fates();
        let nowhere = self.pieces_nowhere();
        Failure::NoSources(match (&self.seek.trouble, self.roster.known()) {
            (Some(trouble), 0) => Some(trouble.clone()),
            (None, 0) => None,
            (_, known) if nowhere > 0 => {
                Some(format!("none of {} has the {nowhere} missing pieces ({fates})", sources(known)))
            }
            (_, known) => Some(format!("{} tried in vain ({fates})", sources(known))),
        })
    }

    /// Returns true if no source that is connected has anything of use, as far as it has told.
    pub(super) fn is_without_sources(&self) -> bool {
        let is_idle = || match &self.stage {
            Stage::Fetching(fetching) => fetching.swarm.active_sources() == 0 && !self.roster.is_queued(),
            _ => false,
        };
        let is_busy = !matches!(self.stage, Stage::Choosing(_) | Stage::Fetching(_));
        !is_busy
            && self.seek.everybody_dialled
            && (self.roster.live_count() == 0 || (is_idle() && self.pieces_nowhere() > 0))
    }

    /// Counts the missing pieces that no source that is connected has, if one is connected.
    fn pieces_nowhere(&self) -> usize {
        match &self.stage {
            Stage::Fetching(fetching) if self.roster.live_count() > 0 => fetching.swarm.unobtainable(),
            _ => 0,
        }
    }

    pub(super) fn sighted(&mut self, sighting: Sighting, inbox: &mut Inbox) {
        // Who was reached in a round reports before the round is over.
        self.hear_waiting(inbox);
        match sighting {
            Sighting::Located(count) => {
                self.seek.trouble = None;
                self.roster.located(count);
            }
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
        let (digest, events, id) = (self.wanted.digest, inbox.events_to.clone(), self.roster.ids().next());
        if let Some(channel) = link.open(digest, id, events) {
            self.roster.join(id, channel, EarlyManifest::NotAsked);
        } else {
            let (why, again) = ("the connection broke".to_owned(), Instant::now() + AFTER_LOSS);
            self.roster.absent(link.node(), link.address(), why, Some(again));
            self.seek.next = self.seek.next.min(again);
        }
    }
}

fn sources(count: usize) -> String {
    if count == 1 { "1 source".to_owned() } else { format!("{count} sources") }
}
