//! Assigns upload slots to the connected peers by driving the node's [`Choker`].
//!
//! Each connection takes part with a [`SlotClaim`], which counts its bytes without locking. One task of the node feeds these
//! counts to the choker and passes the verdicts on to the connections. Because only this task does so, verdicts arrive in
//! the order in which they were made. All peers of one address share its slots.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::address_limits::AddressLimits;
use swarm::{AddressKey, Choker, ChokerConfig, ChokerVerdict, PeerKey};

use crate::essential_task::EssentialTask;

#[cfg(test)]
mod tests;

/// Minimum time between two polls of the choker that are caused only by the clock.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A connection whose peer can be choked and unchoked.
pub(crate) trait ChokeTarget: Debug + Send + Sync {
    /// Starts serving the peer.
    fn unchoke(&self);

    /// Stops serving the peer. If the peer is already choked, updates its queue position. `position` is 0 outside the queue;
    /// `length` is the length of the queue.
    fn choke(&self, position: u32, length: u32);
}

/// The upload slots of a node. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    per_address: AddressLimits,
    state: Mutex<SlotsState>,
    changed: Notify,
}

#[derive(Debug)]
struct SlotsState {
    choker: Choker,
    last_peer: u64,
    peers: BTreeMap<PeerKey, SlotPeer>,
    /// Peers that lost interest; the choker makes no more verdicts on them.
    dismissed: BTreeSet<PeerKey>,
}

#[derive(Debug)]
struct SlotPeer {
    target: Arc<dyn ChokeTarget>,
    address: IpAddr,
    traffic: Arc<PeerTraffic>,
}

/// Bytes transferred since the choker was last updated.
#[derive(Debug, Default)]
struct PeerTraffic {
    sent: AtomicU64,
    received: AtomicU64,
}

/// The claim of one connection to a slot. Dropping it releases the slot.
#[derive(Debug)]
pub(crate) struct SlotClaim {
    slots: Slots,
    peer: PeerKey,
    traffic: Arc<PeerTraffic>,
}

impl Slots {
    /// Creates this many slots, besides the optimistic one.
    pub(crate) fn new(slots: usize, per_address: AddressLimits) -> Self {
        let (peers, dismissed) = (BTreeMap::new(), BTreeSet::new());
        let config = ChokerConfig {
            slots_per_address: per_address.slots,
            queue_per_address: per_address.queue,
            ..ChokerConfig::for_node(slots)
        };
        let choker = Choker::new(config, now());
        let state = Mutex::new(SlotsState { choker, last_peer: 0, peers, dismissed });
        Self { inner: Arc::new(Inner { per_address, state, changed: Notify::new() }) }
    }

    /// Returns the number of slots.
    pub(crate) fn count(&self) -> usize {
        self.inner.state.lock().choker.slots()
    }

    /// Changes the number of slots. It applies at once.
    pub(crate) fn set_count(&self, slots: usize) {
        self.change(|state| state.choker.set_slots(slots, now()));
    }

    /// Registers a connection with an address. It is not interested yet.
    pub(crate) fn claim(&self, target: Arc<dyn ChokeTarget>, address: IpAddr) -> SlotClaim {
        let traffic = Arc::new(PeerTraffic::default());
        let mut state = self.inner.state.lock();
        state.last_peer += 1;
        let peer = PeerKey(state.last_peer);
        if let Some(group) = self.inner.per_address.address_group(address) {
            state.choker.set_address(peer, address_key(group));
        }
        state.peers.insert(peer, SlotPeer { target, address, traffic: Arc::clone(&traffic) });
        drop(state);
        SlotClaim { slots: self.clone(), peer, traffic }
    }

    /// Carries out the choker's decisions until the token is cancelled.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let _essential = EssentialTask::begin("upload slots");
        loop {
            let deadline = self.run_choker(now());
            let due = async {
                match deadline {
                    Some(deadline) => {
                        tokio::time::sleep_until(deadline.max(now() + MIN_POLL_INTERVAL).into()).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.inner.changed.notified() => {}
                () = due => {}
            }
        }
    }

    /// Feeds the choker and delivers its verdicts. Returns the time of the next poll.
    fn run_choker(&self, now: Instant) -> Option<Instant> {
        let mut state = self.inner.state.lock();
        let verdicts = state.decide(now);
        let deadline = state.choker.deadline();
        let length = u32::try_from(state.choker.waiting_count()).unwrap_or(u32::MAX);
        drop(state);
        // The lock is released first: a target may take its own locks.
        for (target, verdict) in verdicts {
            match verdict {
                Some(ChokerVerdict::Unchoke { .. }) => target.unchoke(),
                Some(ChokerVerdict::Choke { position, .. } | ChokerVerdict::Position { position, .. }) => {
                    target.choke(position, length);
                }
                None => target.choke(0, length),
            }
        }
        deadline
    }

    fn change(&self, change: impl FnOnce(&mut SlotsState)) {
        change(&mut self.inner.state.lock());
        self.inner.changed.notify_one();
    }
}

impl SlotsState {
    /// Returns the verdicts to deliver, in order. `None` means that the peer lost interest.
    fn decide(&mut self, now: Instant) -> Vec<(Arc<dyn ChokeTarget>, Option<ChokerVerdict>)> {
        for (peer, entry) in &self.peers {
            let (sent, received) = entry.traffic.take();
            if sent > 0 {
                self.choker.sent(*peer, sent, now);
            }
            if received > 0 {
                self.choker.received(*peer, received, now);
            }
        }
        let verdicts: Vec<ChokerVerdict> = std::iter::from_fn(|| self.choker.poll(now)).collect();
        // Position 0 means that the choker refused to queue the peer.
        for verdict in &verdicts {
            if let ChokerVerdict::Choke { peer, position: 0 } = verdict
                && let Some(SlotPeer { address, .. }) = self.peers.get(peer)
            {
                tracing::warn!(%address, "peer not queued for a slot: too many waiting peers with its address");
            }
        }
        // A peer that regained interest in the meantime only needs the verdict.
        for verdict in &verdicts {
            self.dismissed.remove(&verdict.peer());
        }
        let dismissed = std::mem::take(&mut self.dismissed).into_iter().map(|peer| (peer, None));
        let judged = verdicts.into_iter().map(|verdict| (verdict.peer(), Some(verdict)));
        dismissed
            .chain(judged)
            .filter_map(|(peer, verdict)| Some((Arc::clone(&self.peers.get(&peer)?.target), verdict)))
            .collect()
    }
}

impl PeerTraffic {
    fn take(&self) -> (u64, u64) {
        (self.sent.swap(0, Ordering::Relaxed), self.received.swap(0, Ordering::Relaxed))
    }
}

impl SlotClaim {
    /// Records whether the peer is interested.
    pub(crate) fn set_interested(&self, is_interested: bool) {
        let peer = self.peer;
        self.slots.change(|state| {
            if is_interested {
                state.choker.interested(peer, now());
            } else {
                state.choker.not_interested(peer, now());
                state.dismissed.insert(peer);
            }
        });
    }

    /// Counts content bytes sent to the peer.
    pub(crate) fn sent(&self, bytes: u64) {
        self.traffic.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts content bytes received from the peer.
    pub(crate) fn received(&self, bytes: u64) {
        self.traffic.received.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for SlotClaim {
    fn drop(&mut self) {
        let peer = self.peer;
        self.slots.change(|state| {
            state.choker.remove(peer, now());
            state.peers.remove(&peer);
            state.dismissed.remove(&peer);
        });
    }
}

/// Returns the choker's key for an address.
fn address_key(address: IpAddr) -> AddressKey {
    let address = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    AddressKey(address.to_bits())
}

/// Returns the time of the runtime's clock, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
