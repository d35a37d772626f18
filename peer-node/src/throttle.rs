//! Limits on how fast bytes pass: one for all peers together, and one for each.
//!
//! What passes when is decided by pure token buckets (`bucket`, `share`); this is the shell that waits. A node has one
//! [`Throttle`] for each direction, and whoever moves bytes to or from a peer asks that peer's [`Lane`] first. Whose turn
//! it is goes by small quanta, first come first served, so that all who wait get even shares.

mod bucket;
mod share;

#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use bucket::Bucket;
use share::{Leave, Share};

/// The limits of one direction, in bytes per second; `None` is no limit.
#[derive(Debug, Clone)]
pub struct Throttle {
    limits: Arc<Limits>,
}

#[derive(Debug)]
struct Limits {
    /// Whether there is any limit: all that is read where there is none.
    any: AtomicBool,
    all: Mutex<Bucket>,
    /// The limit of each peer; 0 is none.
    each: AtomicU64,
    changed: Notify,
}

impl Throttle {
    /// Begins with a limit for all together and one for each peer.
    pub fn new(all: Option<NonZeroU64>, each: Option<NonZeroU64>) -> Self {
        let limits = Limits {
            any: AtomicBool::new(all.is_some() || each.is_some()),
            all: Mutex::new(Bucket::new(all, now())),
            each: AtomicU64::new(each.map_or(0, NonZeroU64::get)),
            changed: Notify::new(),
        };
        Self { limits: Arc::new(limits) }
    }

    /// Changes the limit for all together. It holds at once, also for bytes that wait.
    pub fn set_all(&self, all: Option<NonZeroU64>) {
        self.change(|bucket| bucket.set_rate(all, now()));
    }

    /// Changes the limit for each peer. It holds at once, also for bytes that wait.
    pub fn set_each(&self, each: Option<NonZeroU64>) {
        self.change(|_| self.limits.each.store(each.map_or(0, NonZeroU64::get), Ordering::Relaxed));
    }

    /// Returns the limit for all together.
    pub fn all(&self) -> Option<NonZeroU64> {
        self.limits.all.lock().rate()
    }

    /// Returns the limit for each peer.
    pub fn each(&self) -> Option<NonZeroU64> {
        self.limits.each()
    }

    /// Opens the lane of one peer.
    pub fn lane(&self) -> Lane {
        Lane { limits: Arc::clone(&self.limits), share: Share::new(self.each(), now()) }
    }

    /// Opens the lane of one peer for several connections.
    pub fn shared_lane(&self) -> SharedLane {
        SharedLane { limits: Arc::clone(&self.limits), lane: Arc::new(tokio::sync::Mutex::new(self.lane())) }
    }

    /// Returns true if there is any limit.
    pub fn is_limited(&self) -> bool {
        self.limits.any.load(Ordering::Relaxed)
    }

    fn change(&self, change: impl FnOnce(&mut Bucket)) {
        let mut all = self.limits.all.lock();
        change(&mut all);
        let any = all.rate().is_some() || self.limits.each().is_some();
        self.limits.any.store(any, Ordering::Relaxed);
        drop(all);
        self.limits.changed.notify_waiters();
    }
}

impl Limits {
    fn each(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.each.load(Ordering::Relaxed))
    }

    fn ask(&self, share: &mut Share, want: usize) -> Leave {
        let (mut all, now) = (self.all.lock(), now());
        share.set_rate(self.each(), now);
        share.ask(&mut all, want.try_into().unwrap_or(u64::MAX), now)
    }
}

/// Where the bytes of one peer pass.
#[derive(Debug)]
pub struct Lane {
    limits: Arc<Limits>,
    share: Share,
}

impl Lane {
    /// Waits until some of the wanted bytes may pass, and returns how many: at least one, unless none is wanted.
    ///
    /// Where nothing is limited it is all of them, at once.
    ///
    /// # Cancel safety
    ///
    /// A wait that is given up is gone on with by the next call, which loses nothing unless it wants less.
    pub async fn pass(&mut self, want: usize) -> usize {
        if want == 0 || !self.limits.any.load(Ordering::Relaxed) {
            return want;
        }
        loop {
            // Made before the limits are read, so that no change is missed.
            let changed = self.limits.changed.notified();
            match self.limits.ask(&mut self.share, want) {
                Leave::Pass(bytes) => return usize::try_from(bytes).unwrap_or(want),
                Leave::Wait(time) => tokio::select! {
                    () = tokio::time::sleep_until(time.into()) => {}
                    () = changed => {}
                },
            }
        }
    }
}

/// Where the bytes of one peer pass whose connections share its limit; cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedLane {
    limits: Arc<Limits>,
    lane: Arc<tokio::sync::Mutex<Lane>>,
}

impl SharedLane {
    /// Waits until some of the wanted bytes may pass, as [`Lane::pass`] does; connections that wait take turns.
    pub async fn pass(&self, want: usize) -> usize {
        if want == 0 || !self.limits.any.load(Ordering::Relaxed) {
            return want;
        }
        self.lane.lock().await.pass(want).await
    }
}

/// Reads the clock that the runtime's timers go by.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
