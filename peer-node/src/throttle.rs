//! Limits on how fast bytes pass: one for all peers together, and one for each.
//!
//! What passes when is decided by pure token buckets (`token_bucket`, `peer_share`); this is the shell that waits. A node has one
//! [`Throttle`] for each direction, and whoever moves bytes to or from a peer asks that peer's [`PeerLimiter`] first. Whose turn
//! it is goes by small quanta, first come first served, so that all who wait get even shares.

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

/// The limits of one direction, in bytes per second; `None` is no limit.
#[derive(Debug, Clone)]
pub struct Throttle {
    limits: Arc<ThrottleLimits>,
}

#[derive(Debug)]
struct ThrottleLimits {
    /// Whether there is any limit: all that is read where there is none.
    is_any_set: AtomicBool,
    total: Mutex<TokenBucket>,
    /// The limit of each peer; 0 is none.
    per_peer: AtomicU64,
    changed: Notify,
}

impl Throttle {
    /// Begins with a limit for all together and one for each peer.
    pub fn new(all: Option<NonZeroU64>, each: Option<NonZeroU64>) -> Self {
        let limits = ThrottleLimits {
            is_any_set: AtomicBool::new(all.is_some() || each.is_some()),
            total: Mutex::new(TokenBucket::new(all, now())),
            per_peer: AtomicU64::new(each.map_or(0, NonZeroU64::get)),
            changed: Notify::new(),
        };
        Self { limits: Arc::new(limits) }
    }

    /// Changes the limit for all together. It holds at once, also for bytes that wait.
    pub fn set_total(&self, all: Option<NonZeroU64>) {
        self.change(|bucket| bucket.set_rate(all, now()));
    }

    /// Changes the limit for each peer. It holds at once, also for bytes that wait.
    pub fn set_per_peer(&self, each: Option<NonZeroU64>) {
        self.change(|_| self.limits.per_peer.store(each.map_or(0, NonZeroU64::get), Ordering::Relaxed));
    }

    /// Returns the limit for all together.
    pub fn total(&self) -> Option<NonZeroU64> {
        self.limits.total.lock().rate()
    }

    /// Returns the limit for each peer.
    pub fn per_peer(&self) -> Option<NonZeroU64> {
        self.limits.per_peer()
    }

    /// Opens the lane of one peer.
    pub fn peer_limiter(&self) -> PeerLimiter {
        PeerLimiter { limits: Arc::clone(&self.limits), share: PeerShare::new(self.per_peer(), now()) }
    }

    /// Opens the lane of one peer for several connections.
    pub fn shared_peer_limiter(&self) -> SharedPeerLimiter {
        SharedPeerLimiter {
            limits: Arc::clone(&self.limits),
            limiter: Arc::new(tokio::sync::Mutex::new(self.peer_limiter())),
        }
    }

    /// Returns true if there is any limit.
    pub fn is_limited(&self) -> bool {
        self.limits.is_any_set.load(Ordering::Relaxed)
    }

    fn change(&self, change: impl FnOnce(&mut TokenBucket)) {
        let mut all = self.limits.total.lock();
        change(&mut all);
        let any = all.rate().is_some() || self.limits.per_peer().is_some();
        self.limits.is_any_set.store(any, Ordering::Relaxed);
        drop(all);
        self.limits.changed.notify_waiters();
    }
}

impl ThrottleLimits {
    fn per_peer(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.per_peer.load(Ordering::Relaxed))
    }

    fn request(&self, share: &mut PeerShare, want: usize) -> Grant {
        let (mut all, now) = (self.total.lock(), now());
        share.set_rate(self.per_peer(), now);
        share.request(&mut all, want.try_into().unwrap_or(u64::MAX), now)
    }
}

/// Where the bytes of one peer pass.
#[derive(Debug)]
pub struct PeerLimiter {
    limits: Arc<ThrottleLimits>,
    share: PeerShare,
}

impl PeerLimiter {
    /// Waits until some of the wanted bytes may pass, and returns how many: at least one, unless none is wanted.
    ///
    /// Where nothing is limited it is all of them, at once.
    ///
    /// # Cancel safety
    ///
    /// A wait that is given up is gone on with by the next call, which loses nothing unless it wants less.
    pub async fn acquire(&mut self, want: usize) -> usize {
        if want == 0 || !self.limits.is_any_set.load(Ordering::Relaxed) {
            return want;
        }
        loop {
            // Made before the limits are read, so that no change is missed.
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

/// Where the bytes of one peer pass whose connections share its limit; cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedPeerLimiter {
    limits: Arc<ThrottleLimits>,
    limiter: Arc<tokio::sync::Mutex<PeerLimiter>>,
}

impl SharedPeerLimiter {
    /// Waits until some of the wanted bytes may pass, as [`PeerLimiter::acquire`] does; connections that wait take turns.
    pub async fn acquire(&self, want: usize) -> usize {
        if want == 0 || !self.limits.is_any_set.load(Ordering::Relaxed) {
            return want;
        }
        self.limiter.lock().await.acquire(want).await
    }
}

/// Reads the clock that the runtime's timers go by.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
