use std::collections::VecDeque;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A source at the other end of a path, simulated in steps of a millisecond. Its sender starts like TCP with ten segments and
/// doubles that every round trip as long as it has data to send.
struct SimulatedPath {
    /// Bytes per second.
    rate: u64,
    rtt: Duration,
    block: u64,
    /// Interval between lost segments. Each holds back what follows for a round trip.
    loss_interval: Option<Duration>,
}

/// The result of a transfer.
struct TransferResult {
    took: Duration,
    pace: RequestWindow,
    /// How long the last request waited for its answer.
    waited: Duration,
}

/// A transfer in progress.
struct SimulatedTransfer<'a> {
    path: &'a SimulatedPath,
    start: Instant,
    now: Duration,
    pace: RequestWindow,
    cwnd: u64,
    in_flight: u64,
    /// Requested bytes that the source has not sent.
    backlog: u64,
    requested: u64,
    received: u64,
    /// Bytes reported to the receiver: complete blocks, and every 50 ms the rest.
    reported: (u64, Duration),
    waited: Duration,
    /// Until when a lost segment holds everything back.
    held_until: Duration,
    /// Requests and bytes in flight, with their arrival times.
    to_source: VecDeque<(Duration, u64)>,
    to_us: VecDeque<(Duration, u64)>,
    acks: VecDeque<(Duration, u64)>,
    /// When each block was requested, and where it ends.
    requests: VecDeque<(Duration, u64)>,
}

impl SimulatedPath {
    /// Fetches `size` bytes. Without a window, everything is requested at once.
    fn fetch(&self, size: u64, pace: Option<RequestWindow>) -> TransferResult {
        let is_paced = pace.is_some();
        let mut transfer =
            SimulatedTransfer::new(self, pace.unwrap_or_else(|| RequestWindow::new(1 << 20, Instant::now())));
        for tick in 0..600_000 {
            transfer.now = MS * tick;
            transfer.receive();
            if transfer.received >= size {
                return TransferResult { took: transfer.now, pace: transfer.pace, waited: transfer.waited };
            }
            transfer.request(size, if is_paced { transfer.pace.bytes() } else { u64::MAX });
            transfer.send();
        }
        panic!("{} of {size} bytes in ten minutes", transfer.received);
    }
}

impl<'a> SimulatedTransfer<'a> {
    fn new(line: &'a SimulatedPath, mut pace: RequestWindow) -> Self {
        pace.measured(line.rtt, 1);
        let (now, start) = (Duration::ZERO, Instant::now());
        Self {
            path: line,
            start,
            now,
            pace,
            cwnd: 14_600,
            in_flight: 0,
            backlog: 0,
            requested: 0,
            received: 0,
            reported: (0, now),
            waited: now,
            held_until: now,
            to_source: VecDeque::new(),
            to_us: VecDeque::new(),
            acks: VecDeque::new(),
            requests: VecDeque::new(),
        }
    }

    fn receive(&mut self) {
        let now = self.now;
        let loses = |every: Duration| now.as_millis().is_multiple_of(every.as_millis());
        if !now.is_zero() && self.path.loss_interval.is_some_and(loses) {
            self.held_until = now + self.path.rtt;
        }
        while now >= self.held_until
            && let Some((_, bytes)) = self.to_us.pop_front_if(|(at, _)| *at <= now)
        {
            self.received += bytes;
            let is_due = now >= self.reported.1 + MS * 50;
            let whole = self.received / self.path.block * self.path.block;
            let report = if is_due { self.received } else { whole.max(self.reported.0) };
            if report > self.reported.0 {
                self.pace.arrived(report - self.reported.0, self.start + now);
                self.reported = (report, now);
            }
            let received = self.received;
            while let Some((since, _)) = self.requests.pop_front_if(|(_, end)| *end <= received) {
                self.waited = now.saturating_sub(since);
                self.pace.block_took(self.waited);
            }
        }
    }

    fn request(&mut self, size: u64, window: u64) {
        if self.requested - self.reported.0 >= window - window / 4 {
            return;
        }
        while self.requested < size && self.requested - self.reported.0 < window {
            self.requested = (self.requested + self.path.block).min(size);
            self.requests.push_back((self.now, self.requested));
            self.to_source.push_back((self.now + self.path.rtt / 2, self.path.block));
        }
    }

    fn send(&mut self) {
        let (now, line) = (self.now, self.path);
        while let Some((_, bytes)) = self.to_source.pop_front_if(|(at, _)| *at <= now) {
            self.backlog += bytes;
        }
        let each = line.rate / 1000;
        let most = each * (u64::try_from(line.rtt.as_millis()).unwrap() + 20);
        while let Some((_, acked)) = self.acks.pop_front_if(|(at, _)| *at <= now) {
            self.in_flight -= acked;
            // The sender's window grows only while it is the limit.
            if self.backlog > 0 {
                self.cwnd = (self.cwnd + acked).min(most.max(14_600));
            }
        }
        let sends = self.backlog.min(self.cwnd.saturating_sub(self.in_flight)).min(each.max(1));
        if sends > 0 {
            (self.backlog, self.in_flight) = (self.backlog - sends, self.in_flight + sends);
            self.to_us.push_back((now + line.rtt / 2, sends));
            self.acks.push_back((now + line.rtt, sends));
        }
    }
}

fn new_window() -> RequestWindow {
    RequestWindow::new(1 << 20, Instant::now())
}

#[test]
fn a_source_at_any_distance_is_kept_busy_from_the_start() {
    for (mbit, millis) in [
        (1, 1),
        (1, 600),
        (20, 10),
        (20, 250),
        (100, 1),
        (100, 100),
        (100, 600),
        (400, 100),
        (1000, 1),
        (1000, 60),
    ] {
        for block in [64 << 10, 256 << 10] {
            let line = SimulatedPath { rate: mbit * 125_000, rtt: MS * millis, block, loss_interval: None };
            // What the path carries in four seconds.
            let size = (line.rate * 4).max(512 << 10);
            let best = line.fetch(size, None).took;
            let played = line.fetch(size, Some(new_window()));
            let allowed = best + best / 20 + line.rtt;
            assert!(
                played.took <= allowed,
                "{mbit} Mbit/s, {millis} ms, blocks of {block}: {:?} instead of {best:?}",
                played.took
            );
        }
    }
}

#[test]
fn a_source_of_small_blocks_is_kept_busy() {
    for (mbit, millis) in [(20, 10), (100, 100), (400, 100)] {
        let line =
            SimulatedPath { rate: mbit * 125_000, rtt: MS * millis, block: 16 << 10, loss_interval: None };
        let best = line.fetch(line.rate * 4, None).took;
        let played = line.fetch(line.rate * 4, Some(RequestWindow::new(16 << 10, Instant::now())));
        assert!(played.took <= best + best / 10 + line.rtt, "{mbit}: {:?} instead of {best:?}", played.took);
    }
}

#[test]
fn window_covers_the_path_despite_lost_segments() {
    for (mbit, millis) in [(20, 100), (100, 100), (100, 30), (400, 30)] {
        let rtt = MS * millis;
        let line =
            SimulatedPath { rate: mbit * 125_000, rtt, block: 256 << 10, loss_interval: Some(MS * 700) };
        let best = line.fetch(line.rate * 10, None).took;
        let played = line.fetch(line.rate * 10, Some(new_window()));
        let product = line.rate * u64::from(millis) / 1000;
        assert!(
            played.pace.bytes() >= 2 * product.min(MAX_WINDOW / 2),
            "{mbit}, {millis}: {}",
            played.pace.bytes()
        );
        assert!(played.took <= best + best / 10, "{mbit}, {millis}: {:?} instead of {best:?}", played.took);
    }
}

#[test]
fn few_requests_wait_at_a_slow_source() {
    for (rate, block, longest) in
        [(20_000, 16 << 10, 5.0), (100_000, 16 << 10, 1.5), (1_250_000, 64 << 10, 0.6)]
    {
        let line = SimulatedPath { rate, rtt: MS * 100, block, loss_interval: None };
        let pace = RequestWindow::new(u32::try_from(block).unwrap(), Instant::now());
        let played = line.fetch(rate * 30, Some(pace));
        assert!(played.waited.as_secs_f64() < longest, "{rate} B/s: {:?}", played.waited);
    }
}

#[test]
fn window_grows_when_the_path_becomes_longer() {
    let start = Instant::now();
    let mut pace = RequestWindow::new(1 << 20, start);
    pace.measured(MS * 2, 1);
    let mut now = start;
    let mut run = |pace: &mut RequestWindow, rtt: Duration, rounds: u32| {
        for _ in 0..rounds {
            now += rtt;
            // The window is the only limit of the source.
            pace.arrived(
                pace.bytes().min(12_500_000 * u64::try_from(rtt.as_micros()).unwrap() / 1_000_000),
                now,
            );
        }
        pace.bytes()
    };
    run(&mut pace, MS * 20, 500);
    pace.measured(MS * 300, 1);
    let window = run(&mut pace, MS * 300, 50);
    assert!(window >= 12_500_000 * 3 / 10, "{window}");
}

#[test]
fn window_stays_bounded_without_a_measured_rtt() {
    let line = SimulatedPath { rate: 1_250_000, rtt: MS * 100, block: 64 << 10, loss_interval: None };
    let start = Instant::now();
    let mut pace = RequestWindow::new(1 << 20, start);
    pace.block_took(MS * 100);
    for tenth in 1..600 {
        pace.arrived(line.rate / 10, start + MS * 100 * tenth);
    }
    assert!(pace.bytes() <= line.rate / 2, "{}", pace.bytes());
}

#[test]
fn each_of_several_connections_has_something_to_send() {
    let mut pace = new_window();
    pace.measured(MS * 100, 8);
    assert_eq!(pace.bytes(), 8 * MIN_WINDOW);
    pace.measured(MS * 100, usize::MAX);
    assert!(pace.bytes() <= MAX_WINDOW / 2, "{}", pace.bytes());
}
