//! Rate limits: one for all peers together, and one per peer.
//!
//! Pure token buckets (`token_bucket`, `peer_share`) decide what passes when; this is the shell that waits. A node has one
//! [`Throttle`] per direction. Every transfer to or from a peer first acquires bytes from the peer's [`PeerLimiter`]. Bytes
//! are granted in small quanta, first come first served, so that all waiting peers get even shares.

mod peer_share;
mod token_bucket;

#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use peer_share::{Grant, PeerShare};
use token_bucket::TokenBucket;

/// The limits of one direction, in bytes per second; `None` is unlimited.
#[derive(Debug, Clone)]
pub(crate) struct Throttle {
    limits: Arc<ThrottleLimits>,
}

#[derive(Debug)]
struct ThrottleLimits {
    /// Whether any limit is set. The only field read on the fast path.
    is_any_set: AtomicBool,
    total: Mutex<TokenBucket>,
    /// The limit per peer; 0 is unlimited.
    per_peer: AtomicU64,
    changed: Notify,
}

impl Throttle {
    /// Creates a throttle with a total limit and a limit per peer.
    pub(crate) fn new(total: Option<NonZeroU64>, per_peer: Option<NonZeroU64>) -> Self {
        let limits = ThrottleLimits {
            is_any_set: AtomicBool::new(total.is_some() || per_peer.is_some()),
            total: Mutex::new(TokenBucket::new(total, now())),
            per_peer: AtomicU64::new(per_peer.map_or(0, NonZeroU64::get)),
            changed: Notify::new(),
        };
        Self { limits: Arc::new(limits) }
    }

    /// Sets the total limit. It applies at once, also to waiting bytes.
    pub(crate) fn set_total(&self, total: Option<NonZeroU64>) {
        self.change(|bucket| bucket.set_rate(total, now()));
    }

    /// Sets the limit per peer. It applies at once, also to waiting bytes.
    pub(crate) fn set_per_peer(&self, per_peer: Option<NonZeroU64>) {
        self.change(|_| self.limits.per_peer.store(per_peer.map_or(0, NonZeroU64::get), Ordering::Relaxed));
    }

    /// Returns the total limit.
    pub(crate) fn total(&self) -> Option<NonZeroU64> {
        self.limits.total.lock().rate()
    }

    /// Returns the limit per peer.
    pub(crate) fn per_peer(&self) -> Option<NonZeroU64> {
        self.limits.per_peer()
    }

    /// Creates the limiter of one peer.
    pub(crate) fn peer_limiter(&self) -> PeerLimiter {
        PeerLimiter { limits: Arc::clone(&self.limits), share: PeerShare::new(self.per_peer(), now()) }
    }

    /// Creates the limiter of one peer with several connections.
    pub(crate) fn shared_peer_limiter(&self) -> SharedPeerLimiter {
        SharedPeerLimiter {
            limits: Arc::clone(&self.limits),
            limiter: Arc::new(tokio::sync::Mutex::new(self.peer_limiter())),
        }
    }

    /// Returns true if any limit is set.
    pub(crate) fn is_limited(&self) -> bool {
        self.limits.is_any_set.load(Ordering::Relaxed)
    }

    fn change(&self, change: impl FnOnce(&mut TokenBucket)) {
        let mut total = self.limits.total.lock();
        change(&mut total);
        let any = total.rate().is_some() || self.limits.per_peer().is_some();
        self.limits.is_any_set.store(any, Ordering::Relaxed);
        drop(total);
        self.limits.changed.notify_waiters();
    }
}

impl ThrottleLimits {
    fn per_peer(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.per_peer.load(Ordering::Relaxed))
    }

    fn request(&self, share: &mut PeerShare, want: usize) -> Grant {
        let (mut total, now) = (self.total.lock(), now());
        share.set_rate(self.per_peer(), now);
        share.request(&mut total, want.try_into().unwrap_or(u64::MAX), now)
    }
}

/// Limits the transfers of one peer in one direction.
#[derive(Debug)]
pub(crate) struct PeerLimiter {
    limits: Arc<ThrottleLimits>,
    share: PeerShare,
}

impl PeerLimiter {
    /// Waits until some of the wanted bytes may pass. Returns how many: at least one, unless `want` is 0. Without limits it
    /// returns `want` at once.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the next call resumes the reservation. Bytes are lost only if that call wants fewer.
    pub(crate) async fn acquire(&mut self, want: usize) -> usize {
        if want == 0 || !self.limits.is_any_set.load(Ordering::Relaxed) {
            return want;
        }
        loop {
            // Created before the limits are read, so that no change is missed.
            let changed = self.limits.changed.notified();
            match self.limits.request(&mut self.share, want) {
                Grant::Pass(bytes) => return usize::try_from(bytes).unwrap_or(want),
                Grant::Wait(time) => tokio::select! {
                    () = tokio::time::sleep_until(time.into()) => {}
                    () = changed => {}
                },
            }
        }
    }
}

/// Limits the transfers of one peer whose connections share its limit; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SharedPeerLimiter {
    limits: Arc<ThrottleLimits>,
    limiter: Arc<tokio::sync::Mutex<PeerLimiter>>,
}

impl SharedPeerLimiter {
    /// Waits until some of the wanted bytes may pass, as [`PeerLimiter::acquire`] does. Waiting connections take turns.
    pub(crate) async fn acquire(&self, want: usize) -> usize {
        if want == 0 || !self.limits.is_any_set.load(Ordering::Relaxed) {
            return want;
        }
        self.limiter.lock().await.acquire(want).await
    }
}

/// Returns the time of the clock that the runtime's timers use.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
