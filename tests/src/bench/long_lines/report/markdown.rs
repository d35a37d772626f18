//! Tables for the documentation.

use std::fmt::Write as _;

use super::super::contender::Contender;
use super::super::result::Series;
use super::Report;

/// Returns a table for each kind of cells that follow each other.
pub(in super::super) fn markdown(reports: &[Report]) -> String {
    let mut text = String::new();
    let mut kind = Vec::new();
    for report in reports {
        if kind != report.cell.kind() {
            kind = report.cell.kind();
            let title = kind.join(", ");
            let heading =
                format!("\n| {title} | Peerdex | curl | aria2c | at most | |\n|---|---|---|---|--:|---|\n");
            text.push_str(&heading);
        }
        let (ours, aria2) =
            ([Contender::Ours, Contender::OursTorrent], [Contender::Aria2, Contender::Aria2Torrent]);
        let required = report.requirement.as_ref();
        let required = required.map_or_else(|| "-".into(), |required| format!("{:.2}", required.seconds));
        let verdict = match report.verdict() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "-",
        };
        let cells = [
            report.cell.line().join(", "),
            seconds(report, &ours),
            seconds(report, &[Contender::Curl]),
            seconds(report, &aria2),
            required,
            verdict.into(),
        ];
        // A string takes everything.
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// Returns the median, the least and the most seconds of the one of some contenders that ran.
fn seconds(report: &Report, contenders: &[Contender]) -> String {
    let found = contenders.iter().find_map(|contender| report.runs_of(*contender));
    let seconds = found.and_then(Series::seconds);
    seconds.map_or_else(
        || "-".into(),
        |seconds| format!("{:.2} ({:.2} to {:.2})", seconds.median, seconds.least, seconds.most),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::cell::Cell;
    use super::super::super::result::{Measured, Run};
    use super::*;
    use crate::long_line::Timeliness;

    fn series(contender: Contender, seconds: &[u64], failures: &[&str]) -> Series {
        let run = |seconds: &u64| Run {
            took: Duration::from_secs(*seconds),
            first: None,
            is_cut: false,
            timeliness: Timeliness::default(),
        };
        let failures = failures.iter().map(ToString::to_string).collect();
        Series { contender, runs: seconds.iter().map(run).collect(), failures }
    }

    fn report(cell: usize, all: Vec<Series>) -> Report {
        Report::new(Cell::all()[cell], Measured { all, load: String::new(), stolen: String::new() })
    }

    #[test]
    fn cells_of_a_kind_share_a_table_and_failures_are_no_success() {
        let others = || vec![series(Contender::Curl, &[4], &[]), series(Contender::Aria2, &[5, 6], &[])];
        let with = |ours| [vec![ours], others()].concat();
        let reports = [
            report(0, with(series(Contender::Ours, &[4, 3, 5], &[]))),
            report(1, with(series(Contender::Ours, &[4], &["it ended"]))),
            report(27, vec![series(Contender::Ours, &[7], &[])]),
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
        assert_eq!(markdown(&reports), expected);
    }
}
