use super::*;

const STEP: Duration = Duration::from_millis(100);

/// A path that is looked at ten times a second; its rate depends on how many connections are used.
struct WidthTestPath {
    rtt: Duration,
    is_loss_based: bool,
    is_losing: bool,
    /// When a limit on uploads is set.
    limited_at: Option<Duration>,
    /// Bytes per second by the number of connections that are used.
    rate: fn(usize) -> u64,
}

impl WidthTestPath {
    /// Lets a link send for so many seconds, of which it is busy as long as `busy` says. Returns the extent after each tenth.
    fn run(&self, seconds: u32, busy: impl Fn(Duration) -> bool) -> Vec<LinkWidth> {
        let start = Instant::now();
        let (mut width, mut sent, mut extents) =
            (WidthController::new(start), 0, vec![LinkWidth { open: 1, used: 1 }]);
        for step in 1..=seconds * 10 {
            let (now, is_busy) = (STEP * step, busy(STEP * step));
            if is_busy {
                sent += (self.rate)(extents.last().unwrap().used) / 10;
            }
            let retransmitted = if self.is_losing { sent / 1_000_000 } else { 0 };
            let is_limited = self.limited_at.is_some_and(|at| now >= at);
            let (is_loss_based, rtt) = (self.is_loss_based, self.rtt);
            let sight = LinkObservation { is_busy, is_limited, is_loss_based, rtt, retransmitted, sent };
            extents.push(width.observe(&sight, start + now));
        }
        extents
    }
}

const LOSSY: WidthTestPath = WidthTestPath {
    rtt: Duration::from_millis(100),
    is_loss_based: true,
    is_losing: true,
    limited_at: None,
    rate: |connections| 1_000_000 * connections as u64,
};

fn max_open(extents: &[LinkWidth]) -> usize {
    extents.iter().map(|extent| extent.open).max().unwrap()
}

#[test]
fn a_distant_lossy_path_has_many_connections_and_keeps_them() {
    let extents = LOSSY.run(120, |_| true);
    assert_eq!(extents[20], LinkWidth { open: 8, used: 8 });
    assert_eq!(extents.last().unwrap().open, 8);
    let halved = extents.iter().filter(|extent| extent.used < 8).count();
    assert!(halved < extents.len() / 8, "{halved} of {}", extents.len());
}

#[test]
fn hopeless_trial_ends_early_on_a_near_or_lossy_path() {
    let halved = |path: &WidthTestPath| {
        let extents = path.run(30, |_| true);
        assert_eq!(extents.last().unwrap().open, 8);
        extents.iter().filter(|extent| extent.used < 8 && extent.open == 8).count()
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
    let extents = full.run(60, |_| true);
    assert_eq!(max_open(&extents), 8);
    assert_eq!(extents.last().unwrap(), &LinkWidth { open: 1, used: 1 });
    let last_wide = extents.iter().rposition(|extent| extent.open > 1).unwrap();
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
    // Without blocks that wait, the other side is what limits it.
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
    let extents = LOSSY.run(40, busy);
    assert_eq!((extents[49].open, extents[200].open, extents[399].open), (8, 1, 8));
}

#[test]
fn limit_on_uploads_closes_further_connections() {
    let limited = WidthTestPath { limited_at: Some(Duration::from_secs(5)), ..LOSSY };
    let extents = limited.run(10, |_| true);
    assert_eq!((extents[49].open, extents[50].open, extents[100].open), (8, 1, 1));
}

#[test]
fn idle_time_does_not_count_in_a_trial() {
    // Every second a short pause.
    let extents = LOSSY.run(60, |at| at.as_millis() % 1000 >= 200);
    assert_eq!(extents.last().unwrap().open, 8);
}
