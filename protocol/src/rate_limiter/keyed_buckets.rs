use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::{RateBucket, RateLimit};

/// Buckets of many clients. Those without debt are not kept, and their number is bounded, so that clients with forged
/// addresses cannot exhaust the memory; while the table is full, further clients have to wait.
#[derive(Debug)]
pub struct KeyedBuckets<K> {
    buckets: HashMap<K, RateBucket>,
    max_clients: usize,
    /// Shortest interval between two removals of clients without debt; also the wait while the table is full.
    sweep_interval: Duration,
    swept_at: Option<Instant>,
}

impl<K: Copy + Eq + Hash> KeyedBuckets<K> {
    /// Creates a table of at most `max_clients`, which is swept at most once per `sweep_interval`.
    pub fn new(max_clients: usize, sweep_interval: Duration) -> Self {
        debug_assert!(max_clients > 0, "a table without room admits nobody");
        Self { buckets: HashMap::new(), max_clients, sweep_interval, swept_at: None }
    }

    /// Returns the number of clients with a bucket.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Returns true if no client has a bucket.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Counts an event of a client; returns how long to wait, and counts nothing, if it exceeds the limit.
    pub fn try_take(&mut self, client: K, limit: RateLimit, now: Instant) -> Result<(), Duration> {
        self.check(client, limit.interval, limit.credit(), now)?;
        self.charge(client, limit.interval, now);
        Ok(())
    }

    /// Returns how long a client has to wait until an event of this cost stays within the credit.
    pub fn check(
        &mut self,
        client: K,
        cost: Duration,
        credit: Duration,
        now: Instant,
    ) -> Result<(), Duration> {
        // A new client needs a free slot, possibly after a sweep.
        if self.is_full_for(client) {
            self.sweep(now);
            if self.is_full_for(client) {
                return Err(self.sweep_interval);
            }
        }
        self.buckets.get(&client).copied().unwrap_or_default().check(cost, credit, now)
    }

    /// Adds a cost to a client's debt; ignored if the table is full and does not contain the client.
    pub fn charge(&mut self, client: K, cost: Duration, now: Instant) {
        if !cost.is_zero() && !self.is_full_for(client) {
            self.buckets.entry(client).or_default().charge(cost, now);
        }
        debug_assert!(self.buckets.len() <= self.max_clients, "a full table takes no further client");
    }

    fn is_full_for(&self, client: K) -> bool {
        self.buckets.len() >= self.max_clients && !self.buckets.contains_key(&client)
    }

    fn sweep(&mut self, now: Instant) {
        // Sweeping visits the whole table, so callers that find it full must not cause it each time.
        if self.swept_at.is_none_or(|swept| now.saturating_duration_since(swept) >= self.sweep_interval) {
            self.swept_at = Some(now);
            self.buckets.retain(|_, bucket| !bucket.debt(now).is_zero());
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests need some moment to count from")]

    use super::*;

    const LIMIT: RateLimit = RateLimit { interval: Duration::from_secs(1), burst: 5 };
    const SWEEP_INTERVAL: Duration = Duration::from_millis(100);
    const MAX_CLIENTS: u32 = 1000;

    #[test]
    fn table_is_bounded_and_swept() {
        let (mut clients, now) = (KeyedBuckets::new(1000, SWEEP_INTERVAL), Instant::now());
        assert!((0..MAX_CLIENTS).all(|client| clients.try_take(client, LIMIT, now).is_ok()));
        assert_eq!(clients.try_take(MAX_CLIENTS, LIMIT, now), Err(SWEEP_INTERVAL));
        assert_eq!(clients.try_take(0, LIMIT, now), Ok(()), "a known client keeps its bucket");
        let later = now + LIMIT.interval;
        assert_eq!(clients.try_take(MAX_CLIENTS, LIMIT, later), Ok(()));
        assert_eq!(clients.len(), 2);
    }

    #[test]
    fn clients_do_not_affect_each_other() {
        let (mut clients, now) = (KeyedBuckets::new(10, SWEEP_INTERVAL), Instant::now());
        assert_eq!((0..100).filter(|_| clients.try_take(1, LIMIT, now).is_ok()).count(), 5);
        assert_eq!((0..100).filter(|_| clients.try_take(2, LIMIT, now).is_ok()).count(), 5);
    }

    #[test]
    fn full_table_ignores_costs_of_further_clients() {
        let (mut clients, now) = (KeyedBuckets::new(1, SWEEP_INTERVAL), Instant::now());
        clients.charge(1, Duration::from_secs(1), now);
        clients.charge(2, Duration::from_secs(1), now);
        assert_eq!(clients.len(), 1);
        assert!(!clients.is_empty() && clients.check(2, Duration::ZERO, Duration::ZERO, now).is_err());
    }
}
