//! Who of the connected peers is served: drives the [`Choker`] of the node.
//!
//! Each connection takes part with a [`SlotClaim`], which counts its bytes without any lock; a task of the node looks at the
//! counts when the choker wants to decide, and carries its verdicts to the connections. It alone does so, hence
//! they arrive in the order in which they were made. Peers share slots with all others of their address.

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

#[cfg(test)]
mod tests;

/// The least time between two looks at the choker that nothing but the clock asks for.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A connection whose other side may be served or not.
pub(crate) trait ChokeTarget: Debug + Send + Sync {
    /// Serves the other side from now on.
    fn unchoke(&self);

    /// Serves the other side no more; or reports its place in the queue, 0 for none, if it is not served anyway. So many
    /// wait in the queue.
    fn choke(&self, place: u32, length: u32);
}

/// The slots of a node; cheap to clone.
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
    /// Peers that want nothing any more, of whom the choker has no more to say.
    dismissed: BTreeSet<PeerKey>,
}

#[derive(Debug)]
struct SlotPeer {
    target: Arc<dyn ChokeTarget>,
    address: IpAddr,
    traffic: Arc<PeerTraffic>,
}

/// What passed on a connection since the choker was last told, in bytes.
#[derive(Debug, Default)]
struct PeerTraffic {
    sent: AtomicU64,
    received: AtomicU64,
}

/// The claim of one connection to a slot; dropped, it gives the slot back.
#[derive(Debug)]
pub(crate) struct SlotClaim {
    slots: Slots,
    peer: PeerKey,
    traffic: Arc<PeerTraffic>,
}

impl Slots {
    /// Begins with so many slots, besides the one that goes round.
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

    /// Changes the number of slots.
    pub(crate) fn set_slots(&self, slots: usize) {
        self.change(|state| state.choker.set_slots(slots, now()));
    }

    /// Lets a connection to an address take part, which wants nothing yet.
    pub(crate) fn claim(&self, target: Arc<dyn ChokeTarget>, address: IpAddr) -> SlotClaim {
        let flow = Arc::new(PeerTraffic::default());
        let mut state = self.inner.state.lock();
        state.last_peer += 1;
        let peer = PeerKey(state.last_peer);
        if let Some(sharer) = self.inner.per_address.address_group(address) {
            state.choker.set_address(peer, address_key(sharer));
        }
        state.peers.insert(peer, SlotPeer { target, address, traffic: Arc::clone(&flow) });
        drop(state);
        SlotClaim { slots: self.clone(), peer, traffic: flow }
    }

    /// Carries out what the choker decides, until the node is stopped.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        loop {
            let deadline = self.run_choker(now());
            let due = async {
                match deadline {
                    Some(deadline) => {
                        tokio::time::sleep_until(deadline.max(now() + MIN_POLL_INTERVAL).into()).await
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

    /// Tells the choker what passed and the connections what it decides. Returns when it wants to be asked again.
    fn run_choker(&self, now: Instant) -> Option<Instant> {
        let mut state = self.inner.state.lock();
        let orders = state.decide(now);
        let deadline = state.choker.deadline();
        let length = u32::try_from(state.choker.waiting_count()).unwrap_or(u32::MAX);
        drop(state);
        for (turn, verdict) in orders {
            match verdict {
                Some(ChokerVerdict::Unchoke { .. }) => turn.unchoke(),
                Some(
                    ChokerVerdict::Choke { position: place, .. }
                    | ChokerVerdict::Position { position: place, .. },
                ) => {
                    turn.choke(place, length);
                }
                None => turn.choke(0, length),
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
    /// Returns what is to be told to whom, in order; no verdict stands for a peer that wants nothing any more.
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
        for verdict in &verdicts {
            if let ChokerVerdict::Choke { peer, position: 0 } = verdict
                && let Some(SlotPeer { address, .. }) = self.peers.get(peer)
            {
                tracing::warn!(%address, "no place in the queue: too many peers of this address wait");
            }
        }
        // Who has come back in the meantime needs to hear only the verdict.
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
    /// Notes whether the peer wants anything from us.
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

    /// Counts bytes of content that were sent to the peer.
    pub(crate) fn sent(&self, bytes: u64) {
        self.traffic.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes of content that came from the peer.
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

/// Returns the number of an address for the choker.
fn address_key(address: IpAddr) -> AddressKey {
    let address = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    AddressKey(address.to_bits())
}

/// Reads the clock that the runtime's timers go by.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
