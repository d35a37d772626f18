//! The report on one cell and on all of them.

use serde_json::{Value, json};

mod markdown;

pub(super) use markdown::markdown_tables;

use super::cell::Cell;
use super::contender::LineContender;
use super::requirement::Requirement;
use super::run_result::{CellResults, Series};

/// A cell with its figures and its verdict.
#[derive(Debug)]
pub(super) struct CellReport {
    cell: Cell,
    measured: CellResults,
    requirement: Option<Requirement>,
}

impl CellReport {
    /// Compares the measurements of a cell with its requirement.
    pub(super) fn new(cell: Cell, measured: CellResults) -> Self {
        let requirement = Requirement::of(cell, |contender| measured.median_seconds(contender));
        Self { cell, measured, requirement }
    }

    /// Returns whether ours meets the requirement, or `None` if figures are missing.
    fn verdict(&self) -> Option<bool> {
        let ours = self.series_of(LineContender::ours_for(self.cell))?;
        let (required, seconds) = (self.requirement.as_ref()?, ours.seconds()?);
        Some(ours.failures.is_empty() && required.is_met_by(seconds.median))
    }

    fn verdict_text(&self) -> String {
        let ours = self.measured.median_seconds(LineContender::ours_for(self.cell));
        match (&self.requirement, ours, self.verdict()) {
            (Some(required), Some(ours), Some(false)) if required.is_met_by(ours) => {
                "MISSED: a download failed".into()
            }
            (Some(required), Some(ours), Some(true)) => {
                format!("at most {:.2} s ({}): met, {:.2} s", required.seconds, required.rule, ours)
            }
            (Some(required), Some(ours), _) => {
                let over = ours - required.seconds;
                format!("at most {:.2} s ({}): MISSED by {over:.2} s", required.seconds, required.rule)
            }
            _ => "not judged: a contender has no figures".into(),
        }
    }

    /// Prints the cell's table.
    pub(super) fn print(&self) {
        println!("  {:<13} {:>7} {:>7} {:>7} {:>7}  runs", "", "median", "least", "most", "first");
        for runs in &self.measured.series {
            for failure in &runs.failures {
                println!("  {:<13} FAILED: {failure}", runs.contender.name());
            }
            let Some(seconds) = runs.seconds() else { continue };
            let first = runs.median_content_delay().map_or_else(|| "-".into(), |first| format!("{first:.2}"));
            let cut = if runs.timed_out_count() > 0 {
                format!(", {} stopped", runs.timed_out_count())
            } else {
                String::new()
            };
            println!(
                "  {:<13} {:>7.2} {:>7.2} {:>7.2} {first:>7}  {}{cut}",
                runs.contender.name(),
                seconds.median,
                seconds.min,
                seconds.max,
                runs.runs.len(),
            );
        }
        println!("  required: {}", self.verdict_text());
        let (most, worst) = self.measured.worst_lateness();
        println!(
            "  load {}, host took {}; 99 % of packets at most {:.2} ms late, the latest {:.1} ms",
            self.measured.load,
            self.measured.stolen,
            most.as_secs_f64() * 1000.0,
            worst.as_secs_f64() * 1000.0
        );
    }

    /// Returns the report as JSON.
    pub(super) fn json(&self) -> Value {
        let (late, latest) = self.measured.worst_lateness();
        let contenders: Vec<Value> = self.measured.series.iter().map(contender_json).collect();
        json!({
            "cell": self.cell.to_string(),
            "bytes": self.cell.file_size(),
            "contenders": contenders,
            "required": self.requirement.as_ref().map(|required| required.seconds),
            "rule": self.requirement.as_ref().map(|required| required.rule),
            "met": self.verdict(),
            "load": self.measured.load,
            "stolen": self.measured.stolen,
            "late_99_percent": late.as_secs_f64(),
            "latest": latest.as_secs_f64(),
        })
    }

    fn series_of(&self, contender: LineContender) -> Option<&Series> {
        self.measured.series.iter().find(|runs| runs.contender == contender && !runs.runs.is_empty())
    }
}

fn contender_json(runs: &Series) -> Value {
    json!({
        "name": runs.contender.name(),
        "seconds": runs.runs.iter().map(|run| run.duration.as_secs_f64()).collect::<Vec<_>>(),
        "median": runs.seconds().map(|seconds| seconds.median),
        "first": runs.median_content_delay(),
        "stopped": runs.timed_out_count(),
        "failures": runs.failures,
    })
}

/// Prints the number of cells that meet the requirement and names the others.
pub(super) fn print_summary(reports: &[CellReport]) {
    let count = |verdict| reports.iter().filter(|report| report.verdict() == verdict).count();
    println!(
        "\n{} cells: {} met, {} missed, {} not judged",
        reports.len(),
        count(Some(true)),
        count(Some(false)),
        count(None)
    );
    for report in reports.iter().filter(|report| report.verdict() == Some(false)) {
        println!("  missed  {}  {}", report.cell, report.verdict_text());
    }
}
