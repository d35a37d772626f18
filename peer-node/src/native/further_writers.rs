//! The further connections of a link over which we send blocks to the peer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::limits::MAX_CONNECTIONS_PER_LINK;
use protocol::peer::{ConnectionKey, PeerMessage};

use super::link::PeerLinkState;
use super::link_width::{LinkObservation, WidthController};
use crate::throttle::{SharedPeerLimiter, Throttle};
use crate::transport::SlotClaim;

/// Interval at which a link that sends is observed.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// A link that the peer may join with further connections.
#[derive(Debug, Clone)]
pub(super) struct JoinableLink {
    pub(super) state: Arc<PeerLinkState>,
    pub(super) limiter: SharedPeerLimiter,
    pub(super) claim: Arc<SlotClaim>,
}

/// The links that may be joined, by keys known only to their peers.
#[derive(Debug, Clone, Default)]
pub(super) struct LinkKeys(Arc<Mutex<HashMap<ConnectionKey, JoinableLink>>>);

/// Marks which further connections are open, by number from 1.
#[derive(Debug, Default)]
pub(super) struct FurtherNumbers(Mutex<[bool; MAX_CONNECTIONS_PER_LINK]>);

/// The number of an open connection. Dropping it frees the number.
#[derive(Debug)]
pub(super) struct FurtherNumber {
    state: Arc<PeerLinkState>,
    pub(super) number: usize,
}

/// Registers a key until it is dropped.
#[derive(Debug)]
struct RegisteredKey<'a> {
    keys: &'a LinkKeys,
    key: ConnectionKey,
}

impl FurtherNumber {
    /// Takes the lowest free number, if the link wants that many connections.
    pub(super) fn take(state: &Arc<PeerLinkState>) -> Option<Self> {
        let open = state.width.borrow().open;
        let mut numbers = state.further_out.0.lock();
        let (number, taken) =
            numbers.iter_mut().enumerate().take(open).skip(1).find(|(_, is_taken)| !**is_taken)?;
        *taken = true;
        Some(Self { state: Arc::clone(state), number })
    }
}

#[cfg(test)]
impl FurtherNumbers {
    pub(super) fn count(&self) -> usize {
        self.0.lock().iter().filter(|is_taken| **is_taken).count()
    }
}

impl Drop for FurtherNumber {
    fn drop(&mut self) {
        if let Some(is_taken) = self.state.further_out.0.lock().get_mut(self.number) {
            *is_taken = false;
        }
    }
}

impl LinkKeys {
    /// Returns the link with this key.
    pub(super) fn find(&self, key: &ConnectionKey) -> Option<JoinableLink> {
        self.0.lock().get(key).cloned()
    }

    /// Returns the only registered link and its key.
    #[cfg(test)]
    pub(super) fn only(&self) -> (ConnectionKey, JoinableLink) {
        let known = self.0.lock();
        assert_eq!(known.len(), 1);
        known.iter().map(|(key, joinable)| (*key, joinable.clone())).next().expect("a link")
    }

    /// Registers a new key for a link. Returns `None` if the system has no randomness.
    fn register(&self, joinable: JoinableLink) -> Option<RegisteredKey<'_>> {
        let mut key = ConnectionKey::default();
        getrandom::fill(&mut key).ok()?;
        self.0.lock().insert(key, joinable);
        Some(RegisteredKey { keys: self, key })
    }
}

impl Drop for RegisteredKey<'_> {
    fn drop(&mut self) {
        self.keys.0.lock().remove(&self.key);
    }
}

/// Requests further connections from the peer while they speed up what we send. Runs until the future is dropped.
pub(super) async fn adapt_width(joinable: JoinableLink, keys: LinkKeys, upload: Throttle) {
    let state = Arc::clone(&joinable.state);
    let Some(registered) = keys.register(joinable) else { return };
    let mut controller = WidthController::new(Instant::now());
    let mut current = *state.width.borrow();
    loop {
        let is_busy = state.queue.has_blocks() || state.send_activity.is_writing();
        let observation = LinkObservation {
            is_busy,
            is_limited: upload.is_limited(),
            is_loss_based: state.path.is_loss_based(),
            rtt: state.path.min_rtt(),
            retransmitted: state.path.retransmitted(),
            sent: state.send_activity.total_sent(),
        };
        let next = controller.observe(&observation, Instant::now());
        if next != current {
            tracing::debug!(address = %state.address, ?current, ?next, ?observation, "connections of a link");
            state.width.send_replace(next);
            // Narrowing needs no message: the further connections are closed.
            if next.open > current.open {
                let connections = u8::try_from(next.open).unwrap_or(u8::MAX);
                state.queue.push(PeerMessage::Widen { key: registered.key, connections });
            }
            current = next;
        }
        // An idle link must not cause periodic wake-ups.
        if current.open == 1 && !is_busy {
            state.queue.blocks_added().await;
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}
