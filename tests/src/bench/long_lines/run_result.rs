use std::time::Duration;

use super::super::figures::MedianAndRange;
use super::contender::LineContender;
use crate::long_line::Timeliness;

/// The result of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunResult {
    /// Seconds until the file was complete, or the time limit.
    pub(super) duration: Duration,
    /// Seconds until the content began to arrive.
    pub(super) content_delay: Option<Duration>,
    /// True if the run timed out.
    pub(super) is_timed_out: bool,
    /// Timing accuracy of the emulated lines.
    pub(super) timeliness: Timeliness,
}

/// All runs of a contender in a cell.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) contender: LineContender,
    pub(super) runs: Vec<RunResult>,
    /// Error of a failed run, which does not count as a run.
    pub(super) failures: Vec<String>,
}

impl Series {
    /// Returns the median, minimum and maximum seconds.
    pub(super) fn seconds(&self) -> Option<MedianAndRange> {
        MedianAndRange::of(self.runs.iter().map(|run| run.duration.as_secs_f64()))
    }

    /// Returns the median of the seconds until the content began to arrive.
    pub(super) fn median_content_delay(&self) -> Option<f64> {
        let firsts = self.runs.iter().filter_map(|run| run.content_delay);
        MedianAndRange::of(firsts.map(|first| first.as_secs_f64())).map(|spread| spread.median)
    }

    /// Returns the number of runs that timed out.
    pub(super) fn timed_out_count(&self) -> usize {
        self.runs.iter().filter(|run| run.is_timed_out).count()
    }
}

/// The measurements of a cell.
#[derive(Debug)]
pub(super) struct CellResults {
    pub(super) series: Vec<Series>,
    /// The machine's load and the CPU time taken by its host during the cell.
    pub(super) load: String,
    pub(super) stolen: String,
}

impl CellResults {
    /// Returns the median seconds of a contender.
    pub(super) fn median_seconds(&self, contender: LineContender) -> Option<f64> {
        let runs = self.series.iter().find(|runs| runs.contender == contender)?;
        runs.seconds().map(|seconds| seconds.median)
    }

    /// Returns the 99th percentile of packet lateness in the worst run, and the overall maximum.
    pub(super) fn worst_lateness(&self) -> (Duration, Duration) {
        let runs = || self.series.iter().flat_map(|runs| &runs.runs).map(|run| run.timeliness);
        let most = runs().map(|timeliness| timeliness.percentile_bound(990)).max();
        let worst = runs().map(|timeliness| timeliness.worst()).max();
        (most.unwrap_or_default(), worst.unwrap_or_default())
    }
}
