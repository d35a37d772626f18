use super::*;

const STEP: Duration = Duration::from_millis(100);

/// A simulated path, observed ten times per second. Its rate depends on the number of connections in use.
struct WidthTestPath {
    rtt: Duration,
    is_loss_based: bool,
    is_losing: bool,
    /// Time at which an upload limit is set.
    limited_at: Option<Duration>,
    /// Bytes per second by number of connections in use.
    rate: fn(usize) -> u64,
}

impl WidthTestPath {
    /// Runs a link for this many seconds. `busy` returns whether it has blocks to send at a given time. Returns the width
    /// after each tenth of a second.
    fn run(&self, seconds: u32, busy: impl Fn(Duration) -> bool) -> Vec<LinkWidth> {
        let start = Instant::now();
        let (mut controller, mut sent, mut widths) =
            (WidthController::new(start), 0, vec![LinkWidth { open: 1, used: 1 }]);
        for step in 1..=seconds * 10 {
            let (now, is_busy) = (STEP * step, busy(STEP * step));
            if is_busy {
                sent += (self.rate)(widths.last().unwrap().used) / 10;
            }
            let retransmitted = if self.is_losing { sent / 1_000_000 } else { 0 };
            let is_limited = self.limited_at.is_some_and(|at| now >= at);
            let (is_loss_based, rtt) = (self.is_loss_based, self.rtt);
            let observation =
                LinkObservation { is_busy, is_limited, is_loss_based, rtt, retransmitted, sent };
            widths.push(controller.observe(&observation, start + now));
        }
        widths
    }
}

const LOSSY: WidthTestPath = WidthTestPath {
    rtt: Duration::from_millis(100),
    is_loss_based: true,
    is_losing: true,
    limited_at: None,
    rate: |connections| 1_000_000 * connections as u64,
};

fn max_open(widths: &[LinkWidth]) -> usize {
    widths.iter().map(|width| width.open).max().unwrap()
}

#[test]
fn a_distant_lossy_path_has_many_connections_and_keeps_them() {
    let widths = LOSSY.run(120, |_| true);
    assert_eq!(widths[20], LinkWidth { open: 8, used: 8 });
    assert_eq!(widths.last().unwrap().open, 8);
    let halved = widths.iter().filter(|width| width.used < 8).count();
    assert!(halved < widths.len() / 8, "{halved} of {}", widths.len());
}

#[test]
fn hopeless_trial_ends_early_on_a_near_or_lossy_path() {
    let halved = |path: &WidthTestPath| {
        let widths = path.run(30, |_| true);
        assert_eq!(widths.last().unwrap().open, 8);
        widths.iter().filter(|width| width.used < 8 && width.open == 8).count()
    };
    let near = WidthTestPath { rtt: Duration::from_millis(10), ..LOSSY };
    for path in [&near, &LOSSY] {
        assert!(halved(path) <= 12, "{} tenths of a second", halved(path));
    }
    let clean = WidthTestPath { is_losing: false, ..LOSSY };
    assert!(halved(&clean) >= 28, "{} tenths of a second", halved(&clean));
}

#[test]
fn connections_that_do_not_raise_the_rate_are_closed() {
    let full = WidthTestPath { rate: |_| 12_500_000, ..LOSSY };
    let widths = full.run(60, |_| true);
    assert_eq!(max_open(&widths), 8);
    assert_eq!(widths.last().unwrap(), &LinkWidth { open: 1, used: 1 });
    let last_wide = widths.iter().rposition(|width| width.open > 1).unwrap();
    assert!(last_wide < 300, "several for {last_wide} tenths of a second");
}

#[test]
fn only_useful_connections_are_kept() {
    let some = WidthTestPath { rate: |connections| 3_000_000 * connections.min(4) as u64, ..LOSSY };
    assert_eq!(some.run(60, |_| true).last().unwrap().open, 4);
}

#[test]
fn one_connection_stays_where_it_suffices() {
    let paced = WidthTestPath { is_loss_based: false, ..LOSSY };
    let near = WidthTestPath { rtt: Duration::from_millis(2), ..LOSSY };
    let clean = WidthTestPath { rtt: Duration::from_millis(20), is_losing: false, ..LOSSY };
    for path in [paced, near, clean] {
        assert_eq!(max_open(&path.run(60, |_| true)), 1);
    }
    // If no blocks wait, the peer limits the rate.
    assert_eq!(max_open(&LOSSY.run(60, |_| false)), 1);
}

#[test]
fn far_path_is_widened_before_any_loss() {
    let far = WidthTestPath { is_losing: false, ..LOSSY };
    assert_eq!(far.run(1, |_| true).last().unwrap().open, 8);
}

#[test]
fn idle_connections_are_closed_and_come_back() {
    let busy = |at: Duration| at < Duration::from_secs(5) || at > Duration::from_secs(30);
    let widths = LOSSY.run(40, busy);
    assert_eq!((widths[49].open, widths[200].open, widths[399].open), (8, 1, 8));
}

#[test]
fn limit_on_uploads_closes_further_connections() {
    let limited = WidthTestPath { limited_at: Some(Duration::from_secs(5)), ..LOSSY };
    let widths = limited.run(10, |_| true);
    assert_eq!((widths[49].open, widths[50].open, widths[100].open), (8, 1, 1));
}

#[test]
fn idle_time_does_not_count_in_a_trial() {
    // A short pause in every second.
    let widths = LOSSY.run(60, |at| at.as_millis() % 1000 >= 200);
    assert_eq!(widths.last().unwrap().open, 8);
}
