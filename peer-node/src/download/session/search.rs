//! Decides when to search for sources, and when a download gives up its slot because it has none.

use std::time::{Duration, Instant};

use protocol::backoff::{Backoff, BackoffRange};
use tokio::task::JoinSet;

use super::source_events::LOSS_RETRY_DELAY;
use super::waiting::is_online;
use super::{DownloadInbox, DownloadSession, DownloadSessionError, DownloadStage, GRACE_PERIOD};
use crate::discovery::finder::source_search::{SearchEvent, SearchRound};
use crate::download::sources::EarlyManifest;
use crate::native::PeerLink;
use crate::transfer::fresh_seed::fresh_seed;
use crate::transfer::queue::QueueSlot;

/// Shortest and longest delay between search rounds; it doubles after each round.
const ROUND_DELAYS: BackoffRange = BackoffRange::new(Duration::from_secs(1), Duration::from_secs(30));

/// How long connected sources may send nothing useful before they count as lost.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// Delay before an unreachable source is dialled again.
const UNREACHABLE_RETRY_DELAY: Duration = Duration::from_secs(10);

/// State of the search for sources.
#[derive(Debug)]
pub(super) struct SourceSearch {
    pub(super) rounds: JoinSet<()>,
    /// Whether all initially known sources have been dialled.
    all_dialled: bool,
    pub(super) next_round: Instant,
    round_backoff: Backoff,
    index_error: Option<String>,
    /// When a source last sent something useful.
    pub(super) last_useful_at: Instant,
    /// When there was last a source, or a prospect of one.
    last_prospect_at: Instant,
    was_online: bool,
}

impl SourceSearch {
    pub(super) fn new(now: Instant) -> Self {
        let (rounds, round_backoff) = (JoinSet::new(), Backoff::new(ROUND_DELAYS));
        let (all_dialled, was_online, index_error) = (false, false, None);
        Self {
            rounds,
            all_dialled,
            next_round: now,
            round_backoff,
            index_error,
            last_useful_at: now,
            last_prospect_at: now,
            was_online,
        }
    }

    /// Starts the next round at once and resets the delay.
    pub(super) fn restart_now(&mut self) {
        self.next_round = Instant::now();
        self.round_backoff.reset();
    }

    /// Searches soon and often after the index has returned.
    fn index_status_changed(&mut self, is_online: bool, now: Instant) {
        if !std::mem::replace(&mut self.was_online, is_online) && is_online {
            self.next_round = self.next_round.min(now + ROUND_DELAYS.min());
            self.round_backoff.reset();
        }
    }
}

impl DownloadSession {
    /// Starts a search round when it is due, or fails if there is no prospect of a source.
    pub(super) fn search_sources(
        &mut self,
        inbox: &DownloadInbox,
        slot: &QueueSlot,
    ) -> Result<(), DownloadSessionError> {
        let now = Instant::now();
        while self.search.rounds.try_join_next().is_some() {}
        self.search.index_status_changed(is_online(&self.config.index.status().borrow()), now);
        // At first, an honest source may be listed behind many that do not answer.
        if self.may_be_served(now, slot) || self.has_jobs() || !self.search.all_dialled {
            self.search.last_prospect_at = now;
        }
        if !self.search.rounds.is_empty() || now < self.search.next_round {
            let is_hopeless = self.sources.known_count() > 0
                && !self.sources.has_retryable()
                && self.search.rounds.is_empty();
            let waited = now.saturating_duration_since(self.search.last_prospect_at);
            let timeout = if is_hopeless { ROUND_DELAYS.min() } else { GRACE_PERIOD };
            return if waited < timeout { Ok(()) } else { Err(self.no_sources_failure()) };
        }
        self.search.next_round = now + self.search.round_backoff.next_delay(fresh_seed());
        let round = SearchRound {
            finder: self.config.finder.clone(),
            links: self.config.links.clone(),
            digest: self.wanted.digest,
            skip: self.sources.not_to_dial(now),
            tried: self.sources.tried(),
            ids: self.sources.ids().clone(),
            events: inbox.event_sender.clone(),
            needs_manifest: matches!(self.stage, DownloadStage::ChoosingManifest(None)),
            search_events: inbox.search_event_sender.clone(),
        };
        self.search.rounds.spawn(round.run());
        Ok(())
    }

    /// Returns true if a connected source serves us or can be expected to. While queued at sources, the download keeps its slot
    /// as long as necessary; once no source can be expected to serve it, it yields to other waiting downloads of this node.
    fn may_be_served(&self, now: Instant, slot: &QueueSlot) -> bool {
        let is_silent = now.saturating_duration_since(self.search.last_useful_at) > SILENCE_TIMEOUT;
        let is_connected = self.sources.connected_count() > 0;
        let keeps_its_slot =
            || self.sources.is_queued() && (self.sources.may_be_served(now) || !slot.has_waiting());
        is_connected && (!is_silent || keeps_its_slot())
    }

    pub(super) fn no_sources_failure(&self) -> DownloadSessionError {
        let reasons = self.sources.failure_summary();
        let unavailable = self.unavailable_pieces();
        DownloadSessionError::NoSources(match (&self.search.index_error, self.sources.known_count()) {
            (Some(error), 0) => Some(error.clone()),
            (None, 0) => None,
            (_, known) if unavailable > 0 => Some(format!(
                "none of {} has the {unavailable} missing pieces ({reasons})",
                source_count_text(known)
            )),
            (_, known) => Some(format!("{} tried without success ({reasons})", source_count_text(known))),
        })
    }

    /// Returns true if no connected source has anything useful, as far as they have reported.
    pub(super) fn is_without_sources(&self) -> bool {
        let is_idle = || match &self.stage {
            DownloadStage::Fetching(fetching) => {
                fetching.pieces.swarm().active_sources() == 0 && !self.sources.is_queued()
            }
            _ => false,
        };
        let is_busy = !matches!(self.stage, DownloadStage::ChoosingManifest(_) | DownloadStage::Fetching(_));
        !is_busy
            && self.search.all_dialled
            && (self.sources.connected_count() == 0 || (is_idle() && self.unavailable_pieces() > 0))
    }

    /// Returns the number of missing pieces that no connected source has; 0 if none is connected.
    fn unavailable_pieces(&self) -> usize {
        match &self.stage {
            DownloadStage::Fetching(fetching) if self.sources.connected_count() > 0 => {
                fetching.pieces.swarm().unavailable_pieces()
            }
            _ => 0,
        }
    }

    pub(super) fn handle_search_event(&mut self, event: SearchEvent, inbox: &mut DownloadInbox) {
        // Sources reached in a round report before the round ends, so their events are handled first.
        self.handle_pending_events(inbox);
        match event {
            SearchEvent::Located(count) => {
                self.search.index_error = None;
                self.sources.set_located(count);
            }
            SearchEvent::Unreachable { node, address, error } => {
                tracing::info!(%address, %error, "cannot reach a source");
                let again = Instant::now() + UNREACHABLE_RETRY_DELAY;
                self.sources.mark_unreachable(node, address, error.to_string(), Some(again));
            }
            SearchEvent::IndexFailed(error) => self.search.index_error = Some(error),
            SearchEvent::Finished => {
                self.search.all_dialled = true;
                // No source is known, so the grace period would be wasted.
                if self.sources.known_count() == 0 && matches!(self.stage, DownloadStage::ChoosingManifest(_))
                {
                    self.search.last_prospect_at = self
                        .search
                        .last_prospect_at
                        .checked_sub(GRACE_PERIOD)
                        .unwrap_or(self.search.last_prospect_at);
                }
            }
        }
    }

    /// Requests the content from a connected peer, unless that was done already.
    pub(super) fn add_connected_peer(&mut self, link: &PeerLink, inbox: &DownloadInbox) {
        if self.sources.is_connected(link.node()) {
            return;
        }
        let (digest, events, id) =
            (self.wanted.digest, inbox.event_sender.clone(), self.sources.ids().next());
        if let Some(channel) = link.open(digest, id, events) {
            self.sources.add(id, channel, EarlyManifest::NotRequested);
        } else {
            let (why, again) = ("connection lost".to_owned(), Instant::now() + LOSS_RETRY_DELAY);
            self.sources.mark_unreachable(link.node(), link.address(), why, Some(again));
            self.search.next_round = self.search.next_round.min(again);
        }
    }
}

fn source_count_text(count: usize) -> String {
    if count == 1 { "1 source".to_owned() } else { format!("{count} sources") }
}
