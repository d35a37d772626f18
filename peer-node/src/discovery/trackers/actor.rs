//! The task that announces one torrent.

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
use super::{AnnounceEvent, AnnounceStats};
use crate::discovery::peer_event::{PeerEvent, PeerOrigin, PeerReporter};
use crate::view::{ContentId, TrackerView};

/// Number of peers requested per announce.
const NUMWANT: u32 = 100;

/// Identity of the announcing peer.
#[derive(Debug, Clone)]
pub(super) struct AnnounceIdentity {
    pub(super) infohash: Infohash,
    pub(super) peer_id: [u8; 20],
    pub(super) port: u16,
    /// Identifies us to a tracker over IPv4 and IPv6, and after our address has changed.
    pub(super) key: u32,
}

/// State requested by the session. Requests accumulate: the actor handles each when it gets to it.
#[derive(Debug, Clone, Default)]
pub(super) struct DesiredState {
    pub(super) stats: AnnounceStats,
    pub(super) is_complete: bool,
    /// Number of requests for peers.
    pub(super) peer_requests: u64,
    pub(super) is_stopped: bool,
}

/// Owns the announces of one torrent.
pub(super) struct Actor {
    pub(super) identity: AnnounceIdentity,
    pub(super) schedule: AnnounceSchedule,
    pub(super) client: Arc<TrackerClient>,
    pub(super) timeouts: TrackerTimeouts,
    pub(super) desired: watch::Receiver<DesiredState>,
    pub(super) peers: PeerReporter,
    pub(super) events: mpsc::Sender<AnnounceEvent>,
    pub(super) views: watch::Sender<Arc<[TrackerView]>>,
    /// Number of requests for peers handled so far.
    pub(super) handled_peer_requests: u64,
}

/// An announce and its result.
type AnnounceResult = (DueAnnounce, Result<AnnounceReply, TrackerError>);

impl Actor {
    /// Announces until the session stops the announcer or drops the handle, then announces "stopped".
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let (mut announces, mut lookups) = (JoinSet::new(), JoinSet::new());
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
                Some(result) = announces.join_next() => {
                    let named = self.handle_result(result);
                    if !named.is_empty() {
                        lookups.spawn(resolve_peers(named, self.timeouts.lookup));
                    }
                }
                Some(found) = lookups.join_next() => self.send_peers(found.unwrap_or_default()),
                () = wait_until(due) => self.start_announce(&mut announces),
            }
        }
        self.publish_views();
        drop(announces);
        self.announce_stopped().await;
    }

    /// Publishes the tracker views, before the session is notified of changes.
    fn publish_views(&self) {
        self.views.send_replace(self.schedule.views().into());
    }

    /// Applies the state requested by the session; returns true if it wants to stop.
    fn apply_desired(&mut self) -> bool {
        let now = Instant::now();
        let desired = self.desired.borrow_and_update().clone();
        if desired.is_complete {
            self.schedule.completed(now);
        }
        if std::mem::replace(&mut self.handled_peer_requests, desired.peer_requests) != desired.peer_requests
        {
            self.schedule.request_peers(now);
        }
        desired.is_stopped
    }

    fn start_announce(&mut self, announces: &mut JoinSet<AnnounceResult>) {
        let Some(due) = self.schedule.start_announce(Instant::now()) else { return };
        let request = self.request(&due);
        let client = self.client.clone();
        announces.spawn(async move {
            let answer = client.announce(&due.address, &request).await;
            (due, answer)
        });
    }

    fn request(&self, due: &DueAnnounce) -> AnnounceRequest {
        let AnnounceIdentity { infohash, peer_id, port, key } = self.identity;
        let stats = self.desired.borrow().stats;
        let numwant = if due.event == Some(TrackerEvent::Stopped) { 0 } else { NUMWANT };
        AnnounceRequest {
            infohash,
            peer_id,
            port,
            uploaded: stats.uploaded,
            downloaded: stats.downloaded,
            left: stats.left,
            event: due.event,
            numwant: Some(numwant),
            compact: true,
            no_peer_id: true,
            key: Some(key),
            tracker_id: due.tracker_id.clone(),
            ip: None,
        }
    }

    /// Handles the result of an announce; returns peers whose names must be resolved.
    fn handle_result(&mut self, result: Result<AnnounceResult, tokio::task::JoinError>) -> Vec<NamedPeer> {
        let now = Instant::now();
        match result {
            Ok((due, Ok(reply))) => {
                self.handle_reply(&due, &reply, now);
                return reply.named_peers;
            }
            Ok((due, Err(error))) => self.handle_failure(&due, &error, now),
            Err(error) => {
                tracing::error!(%error, "an announce task failed");
                let failure =
                    AnnounceFailure { reason: error.to_string(), is_refusal: true, retry_after: None };
                self.schedule.failed(failure, now);
            }
        }
        Vec::new()
    }

    fn handle_reply(&mut self, due: &DueAnnounce, reply: &AnnounceReply, now: Instant) {
        self.schedule.answered(reply, now);
        self.publish_views();
        let tracker = due.address.to_string();
        let peers = dialable(&reply.peers);
        let (seeders, leechers) = (reply.complete, reply.incomplete);
        tracing::debug!(tracker, peers = peers.len(), seeders, leechers, reply.interval, "announced");
        if let Some(warning) = &reply.warning {
            let text = display_safe(warning).into_owned();
            tracing::warn!(tracker, text, "tracker warning");
            self.send(AnnounceEvent::Warning { tracker: tracker.clone(), text });
        }
        self.send_peers(peers);
        self.send(AnnounceEvent::Announced { tracker, seeders, leechers });
    }

    fn send_peers(&self, peers: Vec<SocketAddr>) {
        let content = ContentId::Torrent(self.identity.infohash);
        let event = |address| PeerEvent::client(content, address, PeerOrigin::Tracker);
        self.peers.report(peers.into_iter().map(event).collect());
    }

    fn handle_failure(&mut self, due: &DueAnnounce, error: &TrackerError, now: Instant) {
        let retry_in = self.schedule.failed(error.to_failure(), now);
        self.publish_views();
        let (tracker, reason) = (due.address.to_string(), error.to_string());
        tracing::warn!(tracker, reason, ?retry_in, "announce failed");
        self.send(AnnounceEvent::Failed { tracker, reason, retry_in });
    }

    /// Sends an event to the session; drops it if the channel is full, since old events are worthless.
    fn send(&self, event: AnnounceEvent) {
        if let Err(error) = self.events.try_send(event) {
            tracing::debug!(%error, "announce event dropped");
        }
    }

    /// Announces "stopped" to the trackers that know us. Trackers that do not reply in time expire us on their own.
    async fn announce_stopped(self) {
        let mut announces = JoinSet::new();
        for due in self.schedule.stopped_announces() {
            let request = self.request(&due);
            let client = self.client.clone();
            announces.spawn(async move { client.announce(&due.address, &request).await.is_ok() });
        }
        let finished = timeout(self.timeouts.stop, async {
            while let Some(result) = announces.join_next().await {
                tracing::debug!(acknowledged = result.unwrap_or(false), "stop announced to a tracker");
            }
        });
        if finished.await.is_err() {
            tracing::debug!(missing = announces.len(), "stop not acknowledged by some trackers");
        }
    }
}

async fn wait_until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
