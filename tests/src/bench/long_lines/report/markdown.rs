//! Tables for the documentation.

use std::fmt::Write as _;

use super::super::contender::LineContender;
use super::super::run_result::Series;
use super::CellReport;

/// Returns one table per kind of consecutive cells.
pub(in super::super) fn markdown_tables(reports: &[CellReport]) -> String {
    let mut text = String::new();
    let mut kind = Vec::new();
    for report in reports {
        if kind != report.cell.kind_words() {
            kind = report.cell.kind_words();
            let title = kind.join(", ");
            let heading =
                format!("\n| {title} | Peerdex | curl | aria2c | at most | |\n|---|---|---|---|--:|---|\n");
            text.push_str(&heading);
        }
        let (ours, aria2) = (
            [LineContender::Ours, LineContender::OursTorrent],
            [LineContender::Aria2, LineContender::Aria2Torrent],
        );
        let required = report.requirement.as_ref();
        let required = required.map_or_else(|| "-".into(), |required| format!("{:.2}", required.seconds));
        let verdict = match report.verdict() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "-",
        };
        let cells = [
            report.cell.line_words().join(", "),
            seconds_column(report, &ours),
            seconds_column(report, &[LineContender::Curl]),
            seconds_column(report, &aria2),
            required,
            verdict.into(),
        ];
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// Returns the median, minimum and maximum seconds of the first contender in `contenders` that ran.
fn seconds_column(report: &CellReport, contenders: &[LineContender]) -> String {
    let found = contenders.iter().find_map(|contender| report.series_of(*contender));
    let seconds = found.and_then(Series::seconds);
    seconds.map_or_else(
        || "-".into(),
        |seconds| format!("{:.2} ({:.2} to {:.2})", seconds.median, seconds.min, seconds.max),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::cell::Cell;
    use super::super::super::run_result::{CellResults, RunResult};
    use super::*;
    use crate::long_line::Timeliness;

    fn test_series(contender: LineContender, seconds: &[u64], failures: &[&str]) -> Series {
        let run = |seconds: &u64| RunResult {
            duration: Duration::from_secs(*seconds),
            content_delay: None,
            is_timed_out: false,
            timeliness: Timeliness::default(),
        };
        let failures = failures.iter().map(ToString::to_string).collect();
        Series { contender, runs: seconds.iter().map(run).collect(), failures }
    }

    fn test_report(cell: usize, all: Vec<Series>) -> CellReport {
        CellReport::new(
            Cell::all()[cell],
            CellResults { series: all, load: String::new(), stolen: String::new() },
        )
    }

    #[test]
    fn cells_of_a_kind_share_a_table_and_failures_are_marked() {
        let others = || {
            vec![test_series(LineContender::Curl, &[4], &[]), test_series(LineContender::Aria2, &[5, 6], &[])]
        };
        let with = |ours| [vec![ours], others()].concat();
        let reports = [
            test_report(0, with(test_series(LineContender::Ours, &[4, 3, 5], &[]))),
            test_report(1, with(test_series(LineContender::Ours, &[4], &["it ended"]))),
            test_report(27, vec![test_series(LineContender::Ours, &[7], &[])]),
        ];
        let expected = "
| native, private, bbr, one | Peerdex | curl | aria2c | at most | |
|---|---|---|---|--:|---|
| 10ms, 20mbit, 0% | 4.00 (3.00 to 5.00) | 4.00 (4.00 to 4.00) | 5.50 (5.00 to 6.00) | 4.63 | met |
| 10ms, 20mbit, 0.1% | 4.00 (4.00 to 4.00) | 4.00 (4.00 to 4.00) | 5.50 (5.00 to 6.00) | 4.63 | **missed** |

| native, public, bbr, one | Peerdex | curl | aria2c | at most | |
|---|---|---|---|--:|---|
| 100ms, 100mbit, 0% | 7.00 (7.00 to 7.00) | - | - | - | - |
";
        assert_eq!(markdown_tables(&reports), expected);
    }
}
