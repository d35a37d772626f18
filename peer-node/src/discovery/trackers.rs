//! Announces a torrent to its trackers and receives peers from them.
//!
//! [`TrackerAnnouncer`] is the handle of an actor task, one per active torrent. The pure `schedule` decides when to
//! announce to which tracker. `client` sends requests over `http` and `udp`; `tracker_host` and `tracker_url` restrict
//! which hosts a torrent may make us contact, and `named_peers` resolves the host names of peers. Replies are hints:
//! addresses are filtered, texts escaped, numbers bounded. The torrent's session dials the peers.

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
use crate::discovery::peer_event::PeerReporter;
use crate::source_address::SourceAddress;
use crate::view::TrackerView;

/// Capacity of the event channel: a reply creates at most two events, and replies are rare.
const BACKLOG: usize = 64;

/// Configuration of an announcer.
#[derive(Debug, Clone)]
pub(crate) struct AnnounceConfig {
    /// The torrent.
    pub infohash: Infohash,
    /// Our peer id.
    pub peer_id: PeerId,
    /// Source address of connections to trackers.
    pub source: SourceAddress,
    /// The port that accepts peers.
    pub port: u16,
    /// Announce URLs by tier (BEP 12).
    pub tiers: Vec<Vec<String>>,
    /// Initial statistics. If nothing is left, "completed" is never announced.
    pub stats: AnnounceStats,
    /// Owns the task.
    pub tracker: TaskTracker,
    /// Receives the peers: at most 200 dialable addresses per reply.
    pub peers: PeerReporter,
    /// Stops the announcer, within three seconds.
    pub cancel: CancellationToken,
}

/// Statistics announced to trackers, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AnnounceStats {
    /// Uploaded since the torrent was started.
    pub uploaded: u64,
    /// Downloaded since the torrent was started.
    pub downloaded: u64,
    /// Still missing.
    pub left: u64,
}

/// An event for the session. Trackers are named by scheme, host and port; all texts are escaped for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AnnounceEvent {
    /// A tracker refused or could not be reached.
    Failed {
        /// The tracker.
        tracker: String,
        /// The reason.
        reason: String,
        /// Time until the next attempt.
        retry_in: Duration,
    },
    /// A tracker sent a warning.
    Warning {
        /// The tracker.
        tracker: String,
        /// The warning.
        text: String,
    },
    /// A tracker replied.
    Announced {
        /// The tracker.
        tracker: String,
        /// Number of complete peers, if reported.
        seeders: Option<u32>,
        /// Number of incomplete peers, if reported.
        leechers: Option<u32>,
    },
}

/// Handle of a torrent's announcer. The announcer stops when the handle is stopped or dropped.
#[derive(Debug)]
pub(crate) struct TrackerAnnouncer {
    desired: watch::Sender<DesiredState>,
    views: watch::Receiver<Arc<[TrackerView]>>,
    task: JoinHandle<()>,
}

impl TrackerAnnouncer {
    /// Starts the actor as a task of `config.tracker`. The first announce is sent at once. Events that do not fit the
    /// channel are dropped.
    pub(crate) fn start(config: AnnounceConfig) -> (Self, mpsc::Receiver<AnnounceEvent>) {
        Self::start_with(config, IntervalBounds::default(), TrackerTimeouts::default(), TlsTrust::System)
    }

    fn start_with(
        config: AnnounceConfig,
        bounds: IntervalBounds,
        timeouts: TrackerTimeouts,
        trust: TlsTrust,
    ) -> (Self, mpsc::Receiver<AnnounceEvent>) {
        let AnnounceConfig { infohash, peer_id, source, port, tiers, stats, tracker, peers, cancel } = config;
        let is_complete = stats.left == 0;
        let schedule = AnnounceSchedule::new(&tiers, bounds, is_complete, random_seed(), Instant::now());
        let [a, b, c, d, ..] = random_seed().to_be_bytes();
        let key = u32::from_be_bytes([a, b, c, d]);
        let (desired_sender, desired) = watch::channel(DesiredState { stats, ..DesiredState::default() });
        let (events, receiver) = mpsc::channel(BACKLOG);
        let (views, views_receiver) = watch::channel(schedule.views().into());
        let actor = Actor {
            identity: AnnounceIdentity { infohash, peer_id: *peer_id.as_bytes(), port, key },
            schedule,
            client: Arc::new(TrackerClient::new(timeouts, trust, source)),
            timeouts,
            desired,
            peers,
            events,
            views,
            handled_peer_requests: 0,
        };
        let task = tracker.spawn(actor.run(cancel));
        (Self { desired: desired_sender, views: views_receiver, task }, receiver)
    }

    /// Updates the statistics for the next announce.
    pub(crate) fn report(&self, stats: AnnounceStats) {
        // Does not wake the actor: new statistics alone cause no announce.
        self.desired.send_if_modified(|desired| {
            desired.stats = stats;
            false
        });
    }

    /// Announces once, at once, that the torrent is complete. Call [`Self::report`] with nothing left first.
    pub(crate) fn completed(&self) {
        self.desired.send_modify(|desired| desired.is_complete = true);
    }

    /// Requests peers as soon as a tracker allows it.
    pub(crate) fn request_peers(&self) {
        self.desired.send_modify(|desired| desired.peer_requests = desired.peer_requests.wrapping_add(1));
    }

    /// Announces to the trackers that we stop, for at most three seconds. If the future is dropped, the announces are
    /// still sent.
    pub(crate) async fn stop(self) {
        self.desired.send_modify(|desired| desired.is_stopped = true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the announcer task failed");
        }
    }

    /// Returns the state of the trackers, in announce order.
    pub(crate) fn views(&self) -> Arc<[TrackerView]> {
        Arc::clone(&self.views.borrow())
    }
}

/// Returns why this program cannot use the tracker of a URL, escaped for display; none if it can.
pub(crate) fn unusable_reason(url: &str) -> Option<String> {
    TrackerAddress::parse(url).err().map(|error| error.to_string())
}

fn random_seed() -> u64 {
    // Without randomness the order of trackers within a tier is not random; nothing else is affected.
    getrandom::u64().unwrap_or(0)
}
