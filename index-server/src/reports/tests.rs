use super::*;

const DEAD: NodeNo = NodeNo(7);

fn reports() -> UnreachableReports {
    UnreachableReports::new(RequestRate { per_second: 0, burst: 0 })
}

fn from(last: u8) -> AddressGroup {
    AddressGroup::Address([192, 0, 2, last].into())
}

#[test]
fn reports_from_one_address_count_once() {
    let (mut reports, now) = (reports(), Instant::now());
    assert_eq!(reports.record(now, DEAD, from(1)), ReportVerdict::Probe);
    let later = now + PROBE_INTERVAL;
    assert_eq!(reports.record(later, DEAD, from(1)), ReportVerdict::Repeated);
    assert_eq!(reports.record(later, DEAD, from(2)), ReportVerdict::Probe);
    assert_eq!(reports.record(now + REPORT_WINDOW, DEAD, from(1)), ReportVerdict::Probe);
}

#[test]
fn node_is_probed_at_most_once_a_minute() {
    let (mut reports, now) = (reports(), Instant::now());
    let mut probes = 0;
    for second in 0..120 {
        let now = now + Duration::from_secs(second);
        let verdict = reports.record(now, DEAD, from(u8::try_from(second).unwrap()));
        probes += u32::from(verdict == ReportVerdict::Probe);
    }
    assert_eq!(probes, 2);
    assert_eq!(reports.record(now, NodeNo(8), from(1)), ReportVerdict::Probe, "other nodes are still probed");
}

#[test]
fn address_reporting_too_much_is_limited() {
    let mut reports = UnreachableReports::new(RequestRate { per_second: 1, burst: 5 });
    let now = Instant::now();
    let mut passed = |from, now| {
        (0..100).filter(|node| reports.record(now, NodeNo(*node), from) != ReportVerdict::TooMany).count()
    };
    assert_eq!((passed(from(1), now), passed(from(2), now)), (5, 5));
    assert_eq!(passed(from(1), now + Duration::from_secs(2)), 2);
}

#[test]
fn repeated_demotions_last_longer() {
    let (mut reports, now) = (reports(), Instant::now());
    let mut demoted = |now| {
        assert_eq!(reports.record(now, DEAD, from(1)), ReportVerdict::Probe);
        reports.record_failure(DEAD, 0)
    };
    let times: Vec<u64> =
        (0..8).map(|number| demoted(now + number * REPORT_WINDOW)).map(|time| time.as_secs() / 60).collect();
    assert_eq!(times, [1, 2, 4, 8, 16, 30, 30, 30]);
    assert_eq!(demoted(now + 8 * REPORT_WINDOW + RETENTION), DEMOTIONS.min());
}

#[test]
fn reports_kept_are_bounded() {
    let (mut reports, now, many) = (reports(), Instant::now(), u32::try_from(MAX_NODES).unwrap());
    assert!((0..many).all(|node| reports.record(now, NodeNo(node), from(1)) == ReportVerdict::Probe));
    assert_eq!(reports.record(now, NodeNo(many), from(1)), ReportVerdict::TooMany);
    assert_eq!(reports.record(now + RETENTION, NodeNo(many), from(1)), ReportVerdict::Probe);
    for number in 0..100 {
        reports.record(now + RETENTION + u32::from(number) * PROBE_INTERVAL / 10, DEAD, from(number));
    }
    assert!(reports.nodes[&DEAD].reporters.len() <= MAX_REPORTERS);
}
