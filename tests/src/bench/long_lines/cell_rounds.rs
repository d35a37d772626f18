//! All runs of a cell; the contenders take turns.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::super::interrupt;
use super::super::machine::ProcessorTime;
use super::cell::Cell;
use super::cell_setup::CellSetup;
use super::contender::LineContender;
use super::options::LongLinesOptions;
use super::run_result::{CellResults, RunResult, Series};
use crate::programs::Programs;

/// Runs each contender of a cell `runs` times. The contenders take turns, and each round begins with a different one.
pub(super) fn measure_cell(
    cell: Cell,
    contenders: &[LineContender],
    programs: &Programs,
    dir: &Path,
    runs: u16,
    options: &LongLinesOptions,
) -> Result<CellResults> {
    let setup = CellSetup::start(cell, programs, dir)?;
    let taking_part = contenders.iter().filter(|contender| contender.supports(cell));
    let mut all: Vec<Series> = taking_part
        .map(|contender| Series { contender: *contender, runs: Vec::new(), failures: Vec::new() })
        .collect();
    let (before, runs) = (ProcessorTime::now(), usize::from(runs));
    for round in 0..runs {
        for position in 0..all.len() {
            let index = (position + round) % all.len();
            if is_decided(&all[index], runs) {
                continue;
            }
            match run_once(&setup, all[index].contender, options) {
                Ok(run) => all[index].runs.push(run),
                Err(error) => {
                    interrupt::check()?;
                    setup.check()?;
                    all[index].failures.push(format!("{error:#}"));
                }
            }
        }
    }
    Ok(CellResults { series: all, load: load_average(), stolen: ProcessorTime::stolen_since(before) })
}

/// Returns true if further runs cannot change the median, because more than half of all planned runs timed out.
fn is_decided(runs: &Series, planned: usize) -> bool {
    runs.timed_out_count() * 2 > planned
}

fn run_once(setup: &CellSetup, contender: LineContender, options: &LongLinesOptions) -> Result<RunResult> {
    let folder = setup.run_folder()?;
    contender.measured_command(setup, folder.path()).run(setup, folder.path(), options.limit())
}

/// Returns the machine's load average over the last minute.
fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").into()
}
