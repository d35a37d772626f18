//! Announces a torrent to its trackers, and hears from them of other peers.
//!
//! [`TrackerAnnouncer`] is a handle on one task, the actor, for one torrent that takes part. Whom it asks when is decided in
//! `schedule`, which is pure; `client` asks: `http` and `udp` move the bytes, `tracker_host` and `tracker_url` decide where a
//! torrent may make us ask, `named_peers` where the names of peers lead. What a tracker says is a hint: addresses are filtered, words escaped, numbers bounded.
//! Peers are dialled by whoever drives this, the torrent's session.

mod actor;
mod client;
mod dialable_addresses;
mod http;
mod interval_bounds;
mod named_peers;
mod schedule;
#[cfg(test)]
mod tests;
mod tiers;
mod timeouts;
mod tls_trust;
mod tracker_error;
mod tracker_host;
mod tracker_url;
mod udp;
mod view;

pub use view::{TrackerState, TrackerView};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::bittorrent::PeerId;
use protocol::infohash::Infohash;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::actor::{Actor, AnnounceIdentity, DesiredState};
use self::client::TrackerClient;
use self::interval_bounds::IntervalBounds;
use self::schedule::AnnounceSchedule;
use self::timeouts::TrackerTimeouts;
use self::tls_trust::TlsTrust;
use self::tracker_url::TrackerAddress;
use crate::source_address::SourceAddress;

/// Events that wait for the session: an answer makes three at most, and there are a few answers a minute at most.
const BACKLOG: usize = 64;

/// Says what is announced where.
#[derive(Debug, Clone)]
pub struct AnnounceConfig {
    /// The torrent.
    pub infohash: Infohash,
    /// Who we are to BitTorrent.
    pub peer_id: PeerId,
    /// Where the connections to trackers come from.
    pub source: SourceAddress,
    /// The port on which we take connections.
    pub port: u16,
    /// The trackers, as the torrent has them (BEP 12).
    pub tiers: Vec<Vec<String>>,
    /// How things stand at the start. With nothing left, no tracker is ever told that the torrent was completed.
    pub stats: AnnounceStats,
    /// What waits for the task.
    pub tracker: TaskTracker,
    /// Ends the announcements, within three seconds.
    pub cancel: CancellationToken,
}

/// What a tracker is told of a torrent, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AnnounceStats {
    /// Sent since the torrent takes part.
    pub uploaded: u64,
    /// Fetched since the torrent takes part.
    pub downloaded: u64,
    /// Still lacking.
    pub left: u64,
}

/// What comes of announcing. Trackers are named by scheme, host and port, all words are fit for a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnnounceEvent {
    /// Peers that a tracker told of: at most 200, none of them an address at which nobody can listen.
    Peers(Vec<SocketAddr>),
    /// A tracker refused, or could not be asked.
    Failed {
        /// Which one.
        tracker: String,
        /// Why.
        reason: String,
        /// In how long it is asked again.
        retry_in: Duration,
    },
    /// A tracker has a word for the person.
    Warning {
        /// Which one.
        tracker: String,
        /// Its words.
        text: String,
    },
    /// A tracker answered.
    Announced {
        /// Which one.
        tracker: String,
        /// How many peers have the whole content, if it says.
        seeders: Option<u32>,
        /// How many do not have it yet, if it says.
        leechers: Option<u32>,
    },
}

/// A handle on the announcements of one torrent. They end when it is stopped or dropped.
#[derive(Debug)]
pub struct TrackerAnnouncer {
    desired: watch::Sender<DesiredState>,
    views: watch::Receiver<Vec<TrackerView>>,
    task: JoinHandle<()>,
}

impl TrackerAnnouncer {
    /// Starts as a task of `config.tracker`. The first announcement is made at once. Events that nobody takes are lost.
    pub fn start(config: AnnounceConfig) -> (Self, mpsc::Receiver<AnnounceEvent>) {
        Self::start_with(config, IntervalBounds::default(), TrackerTimeouts::default(), TlsTrust::System)
    }

    fn start_with(
        config: AnnounceConfig,
        pacing: IntervalBounds,
        patience: TrackerTimeouts,
        trust: TlsTrust,
    ) -> (Self, mpsc::Receiver<AnnounceEvent>) {
        let AnnounceConfig { infohash, peer_id, source, port, tiers, stats, tracker, cancel } = config;
        let is_complete = stats.left == 0;
        let schedule = AnnounceSchedule::new(&tiers, pacing, is_complete, random_seed(), Instant::now());
        let [a, b, c, d, ..] = random_seed().to_be_bytes();
        let key = u32::from_be_bytes([a, b, c, d]);
        let (wishes, to_follow) = watch::channel(DesiredState { stats, ..DesiredState::default() });
        let (events, receiver) = mpsc::channel(BACKLOG);
        let (board, reader) = watch::channel(schedule.views());
        let actor = Actor {
            participant: AnnounceIdentity { infohash, peer_id: *peer_id.as_bytes(), port, key },
            schedule,
            client: Arc::new(TrackerClient::new(patience, trust, source)),
            timeouts: patience,
            desired: to_follow,
            events,
            views: board,
            handled_peer_requests: 0,
        };
        let task = tracker.spawn(actor.run(cancel));
        (Self { desired: wishes, views: reader, task }, receiver)
    }

    /// Notes how things stand, for the next announcement.
    pub fn report(&self, stats: AnnounceStats) {
        // Nothing is announced because of it, so that the actor need not look.
        self.desired.send_if_modified(|wishes| {
            wishes.stats = stats;
            false
        });
    }

    /// Says that the torrent has become complete, which the trackers hear once, at once. Report that nothing is left before.
    pub fn completed(&self) {
        self.desired.send_modify(|wishes| wishes.is_complete = true);
    }

    /// Asks for peers as soon as a tracker allows it.
    pub fn request_peers(&self) {
        self.desired.send_modify(|wishes| wishes.peer_requests = wishes.peer_requests.wrapping_add(1));
    }

    /// Tells the trackers that we take part no longer, waiting for them three seconds at most. Whoever stops waiting for this
    /// does not keep it from happening.
    pub async fn stop(self) {
        self.desired.send_modify(|wishes| wishes.is_stopped = true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the announcer broke down");
        }
    }

    /// Tells how the trackers stand, in the order in which they are asked.
    pub fn views(&self) -> Vec<TrackerView> {
        self.views.borrow().clone()
    }
}

/// Returns why the tracker of a URL cannot be asked by this program, fit for a screen; nothing if it can.
pub(super) fn unusable_reason(url: &str) -> Option<String> {
    TrackerAddress::parse(url).err().map(|error| error.to_string())
}

fn random_seed() -> u64 {
    // Without randomness everybody asks the trackers of a tier in the same order, and nothing else is lost.
    getrandom::u64().unwrap_or(0)
}
