//! The benchmark of downloads over long lines: ours beside curl and aria2, in turn, between hosts in network namespaces.
//!
//! A *cell* is one kind of line with everything else that matters. Its sources run as long as the cell does; the receiving
//! program starts anew for every run, and is measured until the file is complete.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser as _;

use super::{interrupt, machine};
use crate::foreign::find;
use crate::long_line::{self, Congestion, tcp_setting};
use crate::programs::{Programs, programs};

mod attempt;
mod cell;
mod contender;
mod filter;
mod options;
mod report;
mod result;
mod rounds;
mod scene;
mod verdict;

use cell::Cell;
use contender::Contender;
use options::Options;
use report::Report;

/// Runs the benchmark as the command line says.
pub fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let cells = chosen(options)?;
    if options.list {
        for cell in &cells {
            println!("{cell}");
        }
        return Ok(());
    }
    if let Some(reason) = long_line::obstacle() {
        println!("SKIPPED: {reason}");
        return Ok(());
    }
    interrupt::listen()?;
    let programs = match &options.programs {
        // The receiving programs run in folders of their own.
        Some(folder) => Programs::in_folder(&folder.canonicalize().context("no programs")?),
        None => programs().clone(),
    };
    let dir = options.dir.clone().unwrap_or_else(env::temp_dir);
    print_facts(&dir)?;
    let contenders = contenders(options)?;
    let mut reports = Vec::new();
    for (number, cell) in (1..).zip(&cells) {
        if let Some(reason) = cell.congestion.obstacle() {
            println!("\nSKIPPED: {cell}: {reason}");
            continue;
        }
        println!("\n[{number}/{}] {cell}", cells.len());
        let runs = options.runs.unwrap_or_else(|| cell.runs());
        match rounds::measure(*cell, &contenders, &programs, &dir, runs, options) {
            Ok(measured) => {
                let report = Report::new(*cell, measured);
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
    report::summarise(&reports);
    if options.output.markdown {
        print!("{}", report::markdown(&reports));
    }
    Ok(())
}

fn chosen(options: &Options) -> Result<Vec<Cell>> {
    let all = Cell::all();
    filter::check(&options.filters, &all)?;
    let cells: Vec<Cell> = all.into_iter().filter(|cell| filter::matches(&options.filters, *cell)).collect();
    if cells.is_empty() {
        bail!("no cell matches; --list names all");
    }
    Ok(cells)
}

/// Leaves out who was not asked for and who is not installed.
fn contenders(options: &Options) -> Result<Vec<Contender>> {
    if let Some(name) = options.only.iter().find(|name| Contender::named(name).is_none()) {
        bail!("no contender is called {name}; there are {}", Contender::names().join(", "));
    }
    let mut chosen = Vec::new();
    for contender in Contender::ALL {
        let is_asked_for = if options.only.is_empty() {
            contender != Contender::OursRunning || options.running
        } else {
            options.only.iter().any(|name| name == contender.name())
        };
        if !is_asked_for {
            continue;
        }
        match contender.programs().iter().find(|program| find(program).is_none()) {
            Some(missing) => println!("MISSING: {} does not take part: no {missing}", contender.name()),
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
    for congestion in [Congestion::Bbr, Congestion::Cubic] {
        facts.push((congestion.name(), congestion.obstacle().unwrap_or_else(|| "available".into())));
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
