use std::time::Duration;

use parking_lot::Mutex;
use protocol::rate_limiter::RateBucket;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

/// Minimum interval between two repeated requests. A thousand waiting downloads still get a round in less than a minute, and
/// an index that comes back with ten thousand nodes is not overrun.
const MIN_INTERVAL: Duration = Duration::from_millis(50);

/// Maximum number of concurrent repeated requests.
const MAX_CONCURRENT: usize = 4;

/// Limits how often all waiting downloads of a node together repeat their requests for sources.
#[derive(Debug)]
pub(super) struct RepeatLimit {
    permits: Semaphore,
    interval: Duration,
    /// The requests that have begun or have a turn.
    turns: Mutex<RateBucket>,
}

impl Default for RepeatLimit {
    fn default() -> Self {
        Self::new(MIN_INTERVAL)
    }
}

impl RepeatLimit {
    fn new(between: Duration) -> Self {
        Self { permits: Semaphore::new(MAX_CONCURRENT), interval: between, turns: Mutex::default() }
    }

    /// Runs a request when its turn comes, in order of arrival. If the future is dropped, at most its own turn is lost.
    pub(super) async fn run<Answer>(&self, request: impl Future<Output = Answer>) -> Answer {
        // The semaphore is never closed, so this cannot fail.
        let _permit = self.permits.acquire().await;
        let wait = reserve(&mut self.turns.lock(), Instant::now().into_std(), self.interval);
        sleep(wait).await;
        request.await
    }
}

/// Reserves the next turn for a request; returns how long to wait for it.
fn reserve(turns: &mut RateBucket, now: std::time::Instant, interval: Duration) -> Duration {
    let wait = turns.debt(now);
    turns.charge(interval, now);
    wait
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::JoinSet;

    use super::*;

    const WAITING: usize = 1000;

    /// Short, to keep the test fast.
    const SHORT: Duration = Duration::from_micros(500);

    #[tokio::test]
    async fn a_thousand_waiting_downloads_ask_at_a_bounded_rate() {
        let limit = Arc::new(RepeatLimit::new(SHORT));
        let at_once = Arc::new(AtomicUsize::new(0));
        let (mut requests, begun) = (JoinSet::new(), Instant::now());
        for _ in 0..WAITING {
            let (limit, at_once) = (Arc::clone(&limit), Arc::clone(&at_once));
            requests.spawn(async move {
                let answer = async {
                    let others = at_once.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    at_once.fetch_sub(1, Ordering::Relaxed);
                    others
                };
                limit.run(answer).await
            });
        }
        let others = requests.join_all().await;
        assert!(others.len() == WAITING && others.iter().all(|others| *others < MAX_CONCURRENT));
        assert!(begun.elapsed() >= SHORT * (u32::try_from(WAITING).unwrap() - 1));
    }

    #[test]
    fn slots_are_reserved_in_order_and_past_ones_skipped() {
        let (mut turns, now) = (RateBucket::default(), std::time::Instant::now());
        let waits: Vec<Duration> = (0..1000).map(|_| reserve(&mut turns, now, MIN_INTERVAL)).collect();
        assert!(waits.windows(2).all(|pair| pair[1] == pair[0] + MIN_INTERVAL));
        assert!(waits[999] < Duration::from_mins(1), "a round of a thousand takes less than a minute");
        let later = now + Duration::from_hours(1);
        assert_eq!(reserve(&mut turns, later, MIN_INTERVAL), Duration::ZERO);
        assert_eq!(reserve(&mut turns, later, MIN_INTERVAL), MIN_INTERVAL);
    }

    #[tokio::test]
    async fn dropped_query_blocks_nobody() {
        let limit = RepeatLimit::new(Duration::ZERO);
        for _ in 0..MAX_CONCURRENT * 3 {
            let request = limit.run(std::future::pending::<()>());
            assert!(tokio::time::timeout(Duration::from_millis(1), request).await.is_err());
        }
        limit.run(async {}).await;
    }
}
