//! The further connections of a link over which we send blocks to the other side.

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

/// How often a link that sends is looked at.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// A link that the other side may join with further connections.
#[derive(Debug, Clone)]
pub(super) struct JoinableLink {
    pub(super) state: Arc<PeerLinkState>,
    pub(super) limiter: SharedPeerLimiter,
    pub(super) claim: Arc<SlotClaim>,
}

/// The links that may be joined, by keys that only their other sides know.
#[derive(Debug, Clone, Default)]
pub(super) struct LinkKeys(Arc<Mutex<HashMap<ConnectionKey, JoinableLink>>>);

/// The numbers of the further connections that are open, from 1.
#[derive(Debug, Default)]
pub(super) struct FurtherNumbers(Mutex<[bool; MAX_CONNECTIONS_PER_LINK]>);

/// The number of a connection, free again when this is dropped.
#[derive(Debug)]
pub(super) struct FurtherNumber {
    state: Arc<PeerLinkState>,
    pub(super) number: usize,
}

/// A key that is known as long as this exists.
#[derive(Debug)]
struct RegisteredKey<'a> {
    keys: &'a LinkKeys,
    key: ConnectionKey,
}

impl FurtherNumber {
    /// Takes the lowest free number of a link, if as many connections are wanted.
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

    /// Returns the only link that may be joined, with its key.
    #[cfg(test)]
    pub(super) fn only(&self) -> (ConnectionKey, JoinableLink) {
        let known = self.0.lock();
        assert_eq!(known.len(), 1);
        known.iter().map(|(key, joinable)| (*key, joinable.clone())).next().expect("a link")
    }

    /// Makes a key of a link known.
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

/// Asks the other side for further connections while they help what we send over the link. Ends with the future.
pub(super) async fn adapt_width(joinable: JoinableLink, keys: LinkKeys, upload: Throttle) {
    let state = Arc::clone(&joinable.state);
    let Some(registered) = keys.register(joinable) else { return };
    let mut width = WidthController::new(Instant::now());
    let mut extent = *state.width.borrow();
    loop {
        let is_busy = state.queue.has_blocks() || state.send_activity.is_writing();
        let sight = LinkObservation {
            is_busy,
            is_limited: upload.is_limited(),
            is_loss_based: state.path.is_loss_based(),
            rtt: state.path.min_rtt(),
            retransmitted: state.path.retransmitted(),
            sent: state.send_activity.total_sent(),
        };
        let next = width.observe(&sight, Instant::now());
        if next != extent {
            tracing::debug!(address = %state.address, ?extent, ?next, ?sight, "connections of a link");
            state.width.send_replace(next);
            if next.open > extent.open {
                let connections = u8::try_from(next.open).unwrap_or(u8::MAX);
                state.queue.push(PeerMessage::Widen { key: registered.key, connections });
            }
            extent = next;
        }
        if extent.open == 1 && !is_busy {
            state.queue.blocks_added().await;
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}
