//! The task that announces one torrent, as long as it takes part.

use std::net::SocketAddr;
use std::sync::Arc;

use protocol::escape::display_safe;
use protocol::infohash::Infohash;
use protocol::tracker::{AnnounceReply, AnnounceRequest, Event, NamedPeer};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::client::TrackerClient;
use super::hints::hints;
use super::named_peers::look_up;
use super::patience::Patience;
use super::schedule::{Schedule, Setback, Turn};
use super::tracker_error::TrackerError;
use super::{AnnounceEvent, AnnounceStats, TrackerView};

/// How many peers a tracker is asked for.
const NUMWANT: u32 = 100;

/// Who announces what.
#[derive(Debug, Clone)]
pub(super) struct Participant {
    pub(super) infohash: Infohash,
    pub(super) peer_id: [u8; 20],
    pub(super) port: u16,
    /// Shows a tracker that we are the same over IPv4 and IPv6, and after our address has changed.
    pub(super) key: u32,
}

/// What the session wants. Wishes add up: each is looked at when there is time.
#[derive(Debug, Clone, Default)]
pub(super) struct Wishes {
    pub(super) stats: AnnounceStats,
    pub(super) is_complete: bool,
    /// How often peers were wished for.
    pub(super) peers_wanted: u64,
    pub(super) stops: bool,
}

/// Owns the announcements of one torrent.
pub(super) struct Actor {
    pub(super) participant: Participant,
    pub(super) schedule: Schedule,
    pub(super) client: Arc<TrackerClient>,
    pub(super) patience: Patience,
    pub(super) wishes: watch::Receiver<Wishes>,
    pub(super) events: mpsc::Sender<AnnounceEvent>,
    pub(super) board: watch::Sender<Vec<TrackerView>>,
    /// How many wishes for peers were followed.
    pub(super) peers_wanted: u64,
}

/// Tells who was asked and what came of it.
type Asked = (Turn, Result<AnnounceReply, TrackerError>);

impl Actor {
    /// Announces until the session wants no more, or is gone; then takes leave.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let (mut asking, mut lookups) = (JoinSet::new(), JoinSet::new());
        loop {
            self.show();
            let due = self.schedule.due();
            tokio::select! {
                () = cancel.cancelled() => break,
                changed = self.wishes.changed() => {
                    if changed.is_err() || self.follow_wishes() {
                        break;
                    }
                }
                Some(asked) = asking.join_next() => {
                    let named = self.hear(asked);
                    if !named.is_empty() {
                        lookups.spawn(look_up(named, self.patience.name));
                    }
                }
                Some(found) = lookups.join_next() => self.tell_peers(found.unwrap_or_default()),
                () = wait_until(due) => self.ask(&mut asking),
            }
        }
        self.show();
        drop(asking);
        self.leave().await;
    }

    /// Shows how things stand, before the session hears what has changed.
    fn show(&self) {
        self.board.send_replace(self.schedule.views());
    }

    /// Does what the session wants, and says whether it wants an end.
    fn follow_wishes(&mut self) -> bool {
        let now = Instant::now();
        let wishes = self.wishes.borrow_and_update().clone();
        if wishes.is_complete {
            self.schedule.completed(now);
        }
        if std::mem::replace(&mut self.peers_wanted, wishes.peers_wanted) != wishes.peers_wanted {
            self.schedule.want_peers(now);
        }
        wishes.stops
    }

    fn ask(&mut self, asking: &mut JoinSet<Asked>) {
        let Some(turn) = self.schedule.turn(Instant::now()) else { return };
        let request = self.request(&turn);
        let client = self.client.clone();
        asking.spawn(async move {
            let answer = client.announce(&turn.address, &request).await;
            (turn, answer)
        });
    }

    fn request(&self, turn: &Turn) -> AnnounceRequest {
        let Participant { infohash, peer_id, port, key } = self.participant;
        let stats = self.wishes.borrow().stats;
        let numwant = if turn.event == Some(Event::Stopped) { 0 } else { NUMWANT };
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
    fn hear(&mut self, asked: Result<Asked, tokio::task::JoinError>) -> Vec<NamedPeer> {
        let now = Instant::now();
        match asked {
            Ok((turn, Ok(reply))) => {
                self.answered(&turn, &reply, now);
                return reply.named_peers;
            }
            Ok((turn, Err(error))) => self.failed(&turn, &error, now),
            Err(error) => {
                tracing::error!(%error, "an announcement broke down");
                let setback = Setback { reason: error.to_string(), refused: true, asked_pause: None };
                self.schedule.failed(setback, now);
            }
        }
        Vec::new()
    }

    fn answered(&mut self, turn: &Turn, reply: &AnnounceReply, now: Instant) {
        self.schedule.answered(reply, now);
        self.show();
        let tracker = turn.address.to_string();
        let peers = hints(&reply.peers);
        let (seeders, leechers) = (reply.complete, reply.incomplete);
        tracing::debug!(tracker, peers = peers.len(), seeders, leechers, reply.interval, "announced");
        if let Some(warning) = &reply.warning {
            let text = display_safe(warning).into_owned();
            tracing::warn!(tracker, text, "a tracker warns");
            self.tell(AnnounceEvent::Warning { tracker: tracker.clone(), text });
        }
        self.tell_peers(peers);
        self.tell(AnnounceEvent::Announced { tracker, seeders, leechers });
    }

    fn tell_peers(&self, peers: Vec<SocketAddr>) {
        if !peers.is_empty() {
            self.tell(AnnounceEvent::Peers(peers));
        }
    }

    fn failed(&mut self, turn: &Turn, error: &TrackerError, now: Instant) {
        let retry_in = self.schedule.failed(error.setback(), now);
        self.show();
        let (tracker, reason) = (turn.address.to_string(), error.to_string());
        tracing::warn!(tracker, reason, ?retry_in, "a tracker fails");
        self.tell(AnnounceEvent::Failure { tracker, reason, retry_in });
    }

    /// Tells the session, unless it has not listened for long: words that are hours old are worth nothing.
    fn tell(&self, event: AnnounceEvent) {
        if let Err(error) = self.events.try_send(event) {
            tracing::debug!(%error, "nobody listens to the announcer");
        }
    }

    /// Tells the trackers that know of us that we take part no longer. Who does not answer in time forgets us by itself.
    async fn leave(self) {
        let mut farewells = JoinSet::new();
        for turn in self.schedule.farewells() {
            let request = self.request(&turn);
            let client = self.client.clone();
            farewells.spawn(async move { client.announce(&turn.address, &request).await.is_ok() });
        }
        let said = timeout(self.patience.farewell, async {
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
