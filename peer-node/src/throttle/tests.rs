//! Guarantees of the limits, with a simulated clock, and the waiting and waking of the shell.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use token_bucket::TokenBucket;

/// Peers that always want more and wake late by up to `lateness`.
struct ThrottledPeers {
    start: Instant,
    total: TokenBucket,
    shares: Vec<PeerShare>,
    wakes: BTreeSet<(Duration, usize)>,
    lateness: Duration,
    draws: u64,
    /// Time, peer and number of bytes of each grant.
    passed: Vec<(Duration, usize, u64)>,
}

impl ThrottledPeers {
    fn new(total: Option<u64>, per_peer: Option<u64>, peers: usize, lateness: Duration) -> Self {
        let start = Instant::now();
        let shares = (0..peers).map(|_| PeerShare::new(limit(per_peer), start)).collect();
        let wakes = (0..peers).map(|peer| (Duration::ZERO, peer)).collect();
        let total = TokenBucket::new(limit(total), start);
        Self { start, total, shares, wakes, lateness, draws: 0, passed: Vec::new() }
    }

    /// Lets all peers that are due until then pass what they may.
    fn run(&mut self, until: Duration) {
        while let Some((time, peer)) = self.wakes.pop_first() {
            if time > until {
                self.wakes.insert((time, peer));
                return;
            }
            match self.shares[peer].request(&mut self.total, 1 << 20, self.start + time) {
                Grant::Pass(bytes) => {
                    assert!(bytes > 0);
                    self.passed.push((time, peer, bytes));
                    self.wakes.insert((time, peer));
                }
                Grant::Wait(next) => {
                    assert!(next > self.start + time, "a wait until a time in the past");
                    let late = self.late();
                    self.wakes.insert((next - self.start + late, peer));
                }
            }
        }
    }

    fn late(&mut self) -> Duration {
        self.draws = self.draws.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.lateness * u32::try_from(self.draws >> 60).unwrap() / 16
    }

    /// Changes the total limit and wakes all peers.
    fn change(&mut self, total: u64, time: Duration) {
        self.total.set_rate(limit(Some(total)), self.start + time);
        self.wakes = (0..self.shares.len()).map(|peer| (time, peer)).collect();
    }

    fn sum(&self) -> u64 {
        self.passed.iter().map(|(.., bytes)| bytes).sum()
    }
}

fn limit(rate: Option<u64>) -> Option<NonZeroU64> {
    rate.and_then(NonZeroU64::new)
}

/// Returns the number of bytes that a rate allows in a time.
fn worth(rate: u64, time: Duration) -> u64 {
    u64::try_from(u128::from(rate) * time.as_nanos() / 1_000_000_000).unwrap()
}

/// Asserts that in no window more bytes pass than the rate allows, plus 1/20 s worth of burst and the bytes that late peers
/// make up for.
fn assert_bounded(passed: &[(Duration, u64)], rate: u64, late: u64) {
    for (number, (begin, _)) in passed.iter().enumerate() {
        let mut sum = 0;
        for (end, bytes) in passed.iter().skip(number) {
            sum += bytes;
            let most = worth(rate, end.abs_diff(*begin)) + rate.div_ceil(20) + late + 1;
            assert!(sum <= most, "{sum} bytes from {begin:?} to {end:?}, at most {most}");
        }
    }
}

/// Returns the maximum number of bytes granted at once at a rate.
fn quantum(rate: u64) -> u64 {
    TokenBucket::new(limit(Some(rate)), Instant::now()).quantum()
}

const RATES: std::ops::Range<u64> = 20..50_000_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn limit_is_kept_in_every_window_and_reached(
        rate in RATES, peers in 1usize..6, late in 0u64..20,
    ) {
        let mut simulated = ThrottledPeers::new(Some(rate), None, peers, Duration::from_millis(late));
        simulated.run(Duration::from_secs(8));
        let passed: Vec<_> = simulated.passed.iter().map(|(time, _, bytes)| (*time, *bytes)).collect();
        assert_bounded(&passed, rate, if late > 0 { quantum(rate) * peers as u64 } else { 0 });
        prop_assert!(simulated.sum() * 100 >= rate * 8 * 95, "{} of {}", simulated.sum(), rate * 8);
    }

    #[test]
    fn each_peer_keeps_and_reaches_its_own_limit(rate in RATES, peers in 1usize..4, late in 0u64..20) {
        let mut simulated = ThrottledPeers::new(Some(rate * 4), Some(rate), peers, Duration::from_millis(late));
        simulated.run(Duration::from_secs(8));
        for peer in 0..peers {
            let own = simulated.passed.iter().filter(|(_, who, _)| *who == peer);
            let own: Vec<_> = own.map(|(time, _, bytes)| (*time, *bytes)).collect();
            assert_bounded(&own, rate, if late > 0 { quantum(rate) } else { 0 });
            let sum: u64 = own.iter().map(|(_, bytes)| bytes).sum();
            prop_assert!(sum * 100 >= rate * 8 * 95, "{sum} of {}", rate * 8);
        }
    }

    #[test]
    fn waiting_peers_share_evenly(rate in RATES, peers in 2usize..8) {
        let mut simulated = ThrottledPeers::new(Some(rate), None, peers, Duration::ZERO);
        simulated.run(Duration::from_secs(4));
        let mut sums = vec![0u64; peers];
        for (_, peer, bytes) in &simulated.passed {
            sums[*peer] += bytes;
            let (most, least) = (sums.iter().max().unwrap(), sums.iter().min().unwrap());
            prop_assert!(most - least <= quantum(rate), "{sums:?}");
        }
    }

    #[test]
    fn changed_limit_applies_at_once(before in RATES, after in RATES, peers in 1usize..8) {
        let change = Duration::from_secs(2);
        let mut simulated = ThrottledPeers::new(Some(before), None, peers, Duration::ZERO);
        simulated.run(change);
        simulated.passed.clear();
        simulated.change(after, change);
        simulated.run(change * 2);
        let mut passed: Vec<_> = simulated.passed.iter().map(|(time, _, bytes)| (*time, *bytes)).collect();
        passed.insert(0, (change, 0));
        assert_bounded(&passed, after, 0);
        let slack = quantum(after);
        prop_assert!((simulated.sum() + slack) * 100 >= after * 2 * 95, "{} of {}", simulated.sum(), after * 2);
    }

    #[test]
    fn a_wait_is_short_whatever_the_rate(rate in 1_024u64..10_000_000_000) {
        let start = Instant::now();
        let mut all = TokenBucket::new(limit(Some(rate)), start);
        let mut share = PeerShare::new(None, start);
        while let Grant::Pass(_) = share.request(&mut all, 1 << 20, start) {}
        let Grant::Wait(time) = share.request(&mut all, 1 << 20, start) else { panic!("no wait") };
        prop_assert!(time - start <= Duration::from_millis(51), "{:?}", time - start);
    }
}

#[tokio::test]
async fn everything_passes_at_once_without_a_limit() {
    let mut limiter = Throttle::new(None, None).peer_limiter();
    assert_eq!(limiter.acquire(1 << 30).await, 1 << 30);
}

#[tokio::test]
async fn limited_bytes_take_at_least_their_time() {
    let throttle = Throttle::new(limit(Some(1_000_000)), None);
    let (mut limiter, begun) = (throttle.peer_limiter(), Instant::now());
    let mut passed = 0;
    while passed < 150_000 {
        passed += limiter.acquire(1 << 20).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(95), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn waiting_peer_continues_when_the_limit_is_lifted() {
    for of_all in [true, false] {
        let one = limit(Some(1));
        let throttle = if of_all { Throttle::new(one, None) } else { Throttle::new(None, one) };
        let mut limiter = throttle.peer_limiter();
        let waits = tokio::spawn(async move {
            for _ in 0..1_000 {
                limiter.acquire(1 << 20).await;
            }
        });
        tokio::task::yield_now().await;
        if of_all {
            throttle.set_total(None);
        } else {
            throttle.set_per_peer(None);
        }
        let ended = tokio::time::timeout(Duration::from_secs(20), waits).await;
        ended.expect("still waiting").unwrap();
    }
}

#[tokio::test]
async fn repeatedly_dropped_wait_still_completes() {
    let throttle = Throttle::new(limit(Some(4)), None);
    let mut limiter = throttle.peer_limiter();
    let passed = async {
        loop {
            let soon = Duration::from_millis(20);
            if let Ok(bytes) = tokio::time::timeout(soon, limiter.acquire(100)).await {
                return bytes;
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), passed).await, Ok(1));
}

#[tokio::test]
async fn connections_of_one_peer_share_its_limit() {
    let throttle = Throttle::new(None, limit(Some(1_000_000)));
    let (limiter, begun) = (throttle.shared_peer_limiter(), Instant::now());
    let half = async |limiter: SharedPeerLimiter| {
        let mut passed = 0;
        while passed < 75_000 {
            passed += limiter.acquire(1 << 20).await;
        }
    };
    tokio::join!(half(limiter.clone()), half(limiter));
    assert!(begun.elapsed() >= Duration::from_millis(95), "{:?}", begun.elapsed());
    assert!(throttle.is_limited() && !Throttle::new(None, None).is_limited());
}
