//! Lets every call that changes names, makes bytes durable or needs room fail once, in each program.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::syscalls::campaign::{Campaign, Case, Outcome, SCENARIOS};
use crate::syscalls::fault::{Fault, Target};

/// How often a call that did not come is tried.
const TRIES: usize = 3;

/// Lets every call that changes names, makes bytes durable or needs room fail once, in each program.
#[derive(Debug, Parser)]
struct Options {
    /// Run only scenarios whose name contains this
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,

    /// Try only calls that contain this, as in `fsync .peerdex/lock`
    #[arg(long, value_name = "TEXT", default_value = "")]
    call: String,

    /// Try only these faults
    #[arg(long, value_name = "FAULT,...", value_delimiter = ',')]
    faults: Vec<Fault>,

    /// Show what the program said of each fault
    #[arg(long)]
    verbose: bool,

    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// Runs the campaign as the command line says.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let faults = if options.faults.is_empty() { Fault::ALL.to_vec() } else { options.faults.clone() };
    let (begun, mut all) = (Instant::now(), Vec::new());
    println!(
        "| scenario | call | tried | killed, nothing lost | refused, names the file | went on, names the file | went on | not reached | failed |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|");
    for name in SCENARIOS.iter().filter(|name| name.contains(&options.only)) {
        let mut campaign = Campaign::new(name);
        if campaign.targets.is_empty() {
            eprintln!("SKIPPED: this process may not watch the calls of others, so {name} is NOT tested");
        }
        let targets: Vec<Target> = campaign.targets.clone();
        for target in targets.iter().filter(|target| target.to_string().contains(&options.call)) {
            let cases: Vec<Case> = faults.iter().map(|fault| tried(&mut campaign, target, *fault)).collect();
            row(campaign.title(), target, &cases);
            for case in cases.iter().filter(|case| options.verbose || is_failed(case)) {
                eprintln!(
                    "{} at {}: {:?}\n    {}",
                    case.fault,
                    target,
                    case.outcome,
                    case.said.join("\n    ")
                );
            }
            all.extend(cases);
        }
    }
    let failed = all.iter().filter(|case| is_failed(case)).count();
    println!("\n{} faults in {:.0} s, {failed} failed", all.len(), begun.elapsed().as_secs_f64());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn is_failed(case: &Case) -> bool {
    matches!(case.outcome, Outcome::Failed(_))
}

/// Tries a fault until its call has come.
fn tried(campaign: &mut Campaign, target: &Target, fault: Fault) -> Case {
    let mut case = campaign.case(target, fault);
    for _ in 1..TRIES {
        if case.outcome == Outcome::NotReached {
            case = campaign.case(target, fault);
        }
    }
    case
}

fn row(scenario: &str, target: &Target, cases: &[Case]) {
    let count = |is_it: fn(&Outcome) -> bool| match cases.iter().filter(|case| is_it(&case.outcome)).count() {
        0 => String::new(),
        count => count.to_string(),
    };
    println!(
        "| {scenario} | {target} | {} | {} | {} | {} | {} | {} | {} |",
        cases.len(),
        count(|outcome| *outcome == Outcome::Survived),
        count(|outcome| *outcome == Outcome::Refused),
        count(|outcome| *outcome == Outcome::Reported),
        count(|outcome| *outcome == Outcome::Silent),
        count(|outcome| *outcome == Outcome::NotReached),
        count(|outcome| matches!(outcome, Outcome::Failed(_))),
    );
}
