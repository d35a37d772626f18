//! The task that announces one torrent, as long as it takes part.

use std::net::SocketAddr;
use std::sync::Arc;

use protocol::escape::display_safe;
use protocol::infohash::Infohash;
use protocol::tracker::{AnnounceReply, AnnounceRequest, NamedPeer, TrackerEvent};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::client::TrackerClient;
use super::dialable_addresses::dialable;
use super::named_peers::resolve_peers;
use super::schedule::{AnnounceFailure, AnnounceSchedule, DueAnnounce};
use super::timeouts::TrackerTimeouts;
use super::tracker_error::TrackerError;
use super::{AnnounceEvent, AnnounceStats, TrackerView};

/// How many peers a tracker is asked for.
const NUMWANT: u32 = 100;

/// Who announces what.
#[derive(Debug, Clone)]
pub(super) struct AnnounceIdentity {
    pub(super) infohash: Infohash,
    pub(super) peer_id: [u8; 20],
    pub(super) port: u16,
    /// Shows a tracker that we are the same over IPv4 and IPv6, and after our address has changed.
    pub(super) key: u32,
}

/// What the session wants. Wishes add up: each is looked at when there is time.
#[derive(Debug, Clone, Default)]
pub(super) struct DesiredState {
    pub(super) stats: AnnounceStats,
    pub(super) is_complete: bool,
    /// How often peers were wished for.
    pub(super) peer_requests: u64,
    pub(super) is_stopped: bool,
}

/// Owns the announcements of one torrent.
pub(super) struct Actor {
    pub(super) participant: AnnounceIdentity,
    pub(super) schedule: AnnounceSchedule,
    pub(super) client: Arc<TrackerClient>,
    pub(super) timeouts: TrackerTimeouts,
    pub(super) desired: watch::Receiver<DesiredState>,
    pub(super) events: mpsc::Sender<AnnounceEvent>,
    pub(super) views: watch::Sender<Vec<TrackerView>>,
    /// How many wishes for peers were followed.
    pub(super) handled_peer_requests: u64,
}

/// Tells who was asked and what came of it.
type AnnounceResult = (DueAnnounce, Result<AnnounceReply, TrackerError>);

impl Actor {
    /// Announces until the session wants no more, or is gone; then takes leave.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let (mut asking, mut lookups) = (JoinSet::new(), JoinSet::new());
        loop {
            self.publish_views();
            let due = self.schedule.due();
            tokio::select! {
                () = cancel.cancelled() => break,
                changed = self.desired.changed() => {
                    if changed.is_err() || self.apply_desired() {
                        break;
                    }
                }
                Some(asked) = asking.join_next() => {
                    let named = self.handle_result(asked);
                    if !named.is_empty() {
                        lookups.spawn(resolve_peers(named, self.timeouts.lookup));
                    }
                }
                Some(found) = lookups.join_next() => self.send_peers(found.unwrap_or_default()),
                () = wait_until(due) => self.start_announce(&mut asking),
            }
        }
        self.publish_views();
        drop(asking);
        self.announce_stopped().await;
    }

    /// Shows how things stand, before the session hears what has changed.
    fn publish_views(&self) {
        self.views.send_replace(self.schedule.views());
    }

    /// Does what the session wants, and says whether it wants an end.
    fn apply_desired(&mut self) -> bool {
        let now = Instant::now();
        let wishes = self.desired.borrow_and_update().clone();
        if wishes.is_complete {
            self.schedule.completed(now);
        }
        if std::mem::replace(&mut self.handled_peer_requests, wishes.peer_requests) != wishes.peer_requests {
            self.schedule.request_peers(now);
        }
        wishes.is_stopped
    }

    fn start_announce(&mut self, asking: &mut JoinSet<AnnounceResult>) {
        let Some(turn) = self.schedule.start_announce(Instant::now()) else { return };
        let request = self.request(&turn);
        let client = self.client.clone();
        asking.spawn(async move {
            let answer = client.announce(&turn.address, &request).await;
            (turn, answer)
        });
    }

    fn request(&self, turn: &DueAnnounce) -> AnnounceRequest {
        let AnnounceIdentity { infohash, peer_id, port, key } = self.participant;
        let stats = self.desired.borrow().stats;
        let numwant = if turn.event == Some(TrackerEvent::Stopped) { 0 } else { NUMWANT };
        AnnounceRequest {
            infohash,
            peer_id,
            port,
            uploaded: stats.uploaded,
            downloaded: stats.downloaded,
            left: stats.left,
            event: turn.event,
            numwant: Some(numwant),
            compact: true,
            no_peer_id: true,
            key: Some(key),
            tracker_id: turn.tracker_id.clone(),
            ip: None,
        }
    }

    /// Takes in what came of an announcement; returns peers that are to be looked up.
    fn handle_result(&mut self, asked: Result<AnnounceResult, tokio::task::JoinError>) -> Vec<NamedPeer> {
        let now = Instant::now();
        match asked {
            Ok((turn, Ok(reply))) => {
                self.handle_reply(&turn, &reply, now);
                return reply.named_peers;
            }
            Ok((turn, Err(error))) => self.handle_failure(&turn, &error, now),
            Err(error) => {
                tracing::error!(%error, "an announcement broke down");
                let setback =
                    AnnounceFailure { reason: error.to_string(), is_refusal: true, retry_after: None };
                self.schedule.failed(setback, now);
            }
        }
        Vec::new()
    }

    fn handle_reply(&mut self, turn: &DueAnnounce, reply: &AnnounceReply, now: Instant) {
        self.schedule.answered(reply, now);
        self.publish_views();
        let tracker = turn.address.to_string();
        let peers = dialable(&reply.peers);
        let (seeders, leechers) = (reply.complete, reply.incomplete);
        tracing::debug!(tracker, peers = peers.len(), seeders, leechers, reply.interval, "announced");
        if let Some(warning) = &reply.warning {
            let text = display_safe(warning).into_owned();
            tracing::warn!(tracker, text, "a tracker warns");
            self.send(AnnounceEvent::Warning { tracker: tracker.clone(), text });
        }
        self.send_peers(peers);
        self.send(AnnounceEvent::Announced { tracker, seeders, leechers });
    }

    fn send_peers(&self, peers: Vec<SocketAddr>) {
        if !peers.is_empty() {
            self.send(AnnounceEvent::Peers(peers));
        }
    }

    fn handle_failure(&mut self, turn: &DueAnnounce, error: &TrackerError, now: Instant) {
        let retry_in = self.schedule.failed(error.to_failure(), now);
        self.publish_views();
        let (tracker, reason) = (turn.address.to_string(), error.to_string());
        tracing::warn!(tracker, reason, ?retry_in, "a tracker fails");
        self.send(AnnounceEvent::Failed { tracker, reason, retry_in });
    }

    /// Tells the session, unless it has not listened for long: words that are hours old are worth nothing.
    fn send(&self, event: AnnounceEvent) {
        if let Err(error) = self.events.try_send(event) {
            tracing::debug!(%error, "nobody listens to the announcer");
        }
    }

    /// Tells the trackers that know of us that we take part no longer. Who does not answer in time forgets us by itself.
    async fn announce_stopped(self) {
        let mut farewells = JoinSet::new();
        for turn in self.schedule.stopped_announces() {
            let request = self.request(&turn);
            let client = self.client.clone();
            farewells.spawn(async move { client.announce(&turn.address, &request).await.is_ok() });
        }
        let said = timeout(self.timeouts.stop, async {
            while let Some(heard) = farewells.join_next().await {
                tracing::debug!(heard = heard.unwrap_or(false), "took leave of a tracker");
            }
        });
        if said.await.is_err() {
            tracing::debug!(left = farewells.len(), "some trackers did not hear that we left");
        }
    }
}

async fn wait_until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
