use super::*;

const DEAD: NodeNo = NodeNo(7);

fn reports() -> Reports {
    Reports::new(RequestRate { per_second: 0, burst: 0 })
}

fn from(last: u8) -> Household {
    Household::Address([192, 0, 2, last].into())
}

#[test]
fn reports_of_one_address_count_once() {
    let (mut reports, now) = (reports(), Instant::now());
    assert_eq!(reports.take(now, DEAD, from(1)), Verdict::Call);
    let later = now + CALL_PAUSE;
    assert_eq!(reports.take(later, DEAD, from(1)), Verdict::Repeated);
    assert_eq!(reports.take(later, DEAD, from(2)), Verdict::Call);
    assert_eq!(reports.take(now + PERIOD, DEAD, from(1)), Verdict::Call);
}

#[test]
fn a_node_is_called_once_a_minute_whatever_is_reported() {
    let (mut reports, now) = (reports(), Instant::now());
    let mut calls = 0;
    for second in 0..120 {
        let now = now + Duration::from_secs(second);
        let verdict = reports.take(now, DEAD, from(u8::try_from(second).unwrap()));
        calls += u32::from(verdict == Verdict::Call);
    }
    assert_eq!(calls, 2);
    assert_eq!(reports.take(now, NodeNo(8), from(1)), Verdict::Call, "others are called all the same");
}

#[test]
fn an_address_that_reports_too_much_waits() {
    let mut reports = Reports::new(RequestRate { per_second: 1, burst: 5 });
    let now = Instant::now();
    let mut passed = |from, now| {
        (0..100).filter(|node| reports.take(now, NodeNo(*node), from) != Verdict::TooMany).count()
    };
    assert_eq!((passed(from(1), now), passed(from(2), now)), (5, 5));
    assert_eq!(passed(from(1), now + Duration::from_secs(2)), 2);
}

#[test]
fn each_time_a_node_is_demoted_for_longer() {
    let (mut reports, now) = (reports(), Instant::now());
    let mut demoted = |now| {
        assert_eq!(reports.take(now, DEAD, from(1)), Verdict::Call);
        reports.confirm(DEAD)
    };
    let times: Vec<u64> =
        (0..8).map(|number| demoted(now + number * PERIOD)).map(|time| time.as_secs() / 60).collect();
    assert_eq!(times, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(demoted(now + 8 * PERIOD + MEMORY), DEMOTION);
}

#[test]
fn memory_of_reports_is_bounded() {
    let (mut reports, now, many) = (reports(), Instant::now(), u32::try_from(MOST_NODES).unwrap());
    assert!((0..many).all(|node| reports.take(now, NodeNo(node), from(1)) == Verdict::Call));
    assert_eq!(reports.take(now, NodeNo(many), from(1)), Verdict::TooMany);
    assert_eq!(reports.take(now + MEMORY, NodeNo(many), from(1)), Verdict::Call);
    for number in 0..100 {
        reports.take(now + MEMORY + u32::from(number) * CALL_PAUSE / 10, DEAD, from(number));
    }
    assert!(reports.nodes[&DEAD].by.len() <= MOST_REPORTERS);
}
