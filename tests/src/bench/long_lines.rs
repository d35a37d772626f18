//! The long-line benchmark: Peerdex, curl and aria2 take turns downloading between hosts in network namespaces.
//!
//! A *cell* is one kind of line with all its other conditions. Its sources run as long as the cell does. The receiving
//! program starts anew for every run and is measured until the file is complete.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser as _;

use super::{interrupt, machine};
use crate::long_line::{self, CongestionAlgorithm, tcp_setting};
use crate::programs::{Programs, programs};
use crate::third_party::find_program;

mod cell;
mod cell_rounds;
mod cell_setup;
mod contender;
mod filter;
mod measured_command;
mod options;
mod report;
mod requirement;
mod run_result;

use cell::Cell;
use contender::LineContender;
use options::LongLinesOptions;
use report::CellReport;

/// Runs the benchmark with the options of the command line.
pub fn main() -> ExitCode {
    match run(&LongLinesOptions::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &LongLinesOptions) -> Result<()> {
    let cells = chosen_cells(options)?;
    if options.list {
        for cell in &cells {
            println!("{cell}");
        }
        return Ok(());
    }
    if let Some(reason) = long_line::unavailable_reason() {
        println!("SKIPPED: {reason}");
        return Ok(());
    }
    interrupt::listen()?;
    let programs = match &options.programs {
        // The receiving programs run in their own folders.
        Some(folder) => Programs::in_dir(&folder.canonicalize().context("no programs")?),
        None => programs().clone(),
    };
    let dir = options.dir.clone().unwrap_or_else(env::temp_dir);
    print_facts(&dir)?;
    let contenders = chosen_contenders(options)?;
    let mut reports = Vec::new();
    for (number, cell) in (1..).zip(&cells) {
        if let Some(reason) = cell.congestion.unavailable_reason() {
            println!("\nSKIPPED: {cell}: {reason}");
            continue;
        }
        println!("\n[{number}/{}] {cell}", cells.len());
        let runs = options.runs.unwrap_or_else(|| cell.default_runs());
        match cell_rounds::measure_cell(*cell, &contenders, &programs, &dir, runs, options) {
            Ok(measured) => {
                let report = CellReport::new(*cell, measured);
                report.print();
                if options.output.json {
                    println!("{}", report.json());
                }
                reports.push(report);
            }
            Err(error) => {
                interrupt::check()?;
                println!("FAILED: {error:#}");
            }
        }
    }
    report::print_summary(&reports);
    if options.output.markdown {
        print!("{}", report::markdown_tables(&reports));
    }
    Ok(())
}

fn chosen_cells(options: &LongLinesOptions) -> Result<Vec<Cell>> {
    let all = Cell::all();
    filter::check(&options.filters, &all)?;
    let cells: Vec<Cell> = all.into_iter().filter(|cell| filter::matches(&options.filters, *cell)).collect();
    if cells.is_empty() {
        bail!("no cell matches; --list names all");
    }
    Ok(cells)
}

/// Removes the contenders that were not requested or are not installed.
fn chosen_contenders(options: &LongLinesOptions) -> Result<Vec<LineContender>> {
    if let Some(name) = options.only.iter().find(|name| LineContender::by_name(name).is_none()) {
        bail!("unknown contender {name}; the contenders are {}", LineContender::names().join(", "));
    }
    let mut chosen = Vec::new();
    for contender in LineContender::ALL {
        let is_requested = if options.only.is_empty() {
            contender != LineContender::OursRunning || options.running
        } else {
            options.only.iter().any(|name| name == contender.name())
        };
        if !is_requested {
            continue;
        }
        match contender.required_programs().iter().find(|program| find_program(program).is_none()) {
            Some(missing) => println!("SKIPPED: {} is left out: no {missing}", contender.name()),
            None => chosen.push(contender),
        }
    }
    Ok(chosen)
}

fn print_facts(dir: &Path) -> Result<()> {
    let mut facts = machine::facts(dir, "as they are")?;
    for name in ["tcp_rmem", "tcp_wmem"] {
        facts.push((name, tcp_setting(name)?));
    }
    for congestion in [CongestionAlgorithm::Bbr, CongestionAlgorithm::Cubic] {
        facts
            .push((congestion.name(), congestion.unavailable_reason().unwrap_or_else(|| "available".into())));
    }
    for (name, fact) in facts {
        println!("{:<19} {fact}", format!("{name}:"));
    }
    println!(
        "\nSeconds from the start of the receiving program until the file is complete; ours includes finding the source,"
    );
    println!(
        "verifying and syncing. first: until the content begins to arrive. Lines as in docs/performance.md, \"Long lines\"."
    );
    Ok(())
}
