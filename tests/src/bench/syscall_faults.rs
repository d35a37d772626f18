//! Injects one fault into every system call of each program that changes names, makes data durable or allocates disk
//! space.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::syscalls::campaign::{Campaign, FaultCase, FaultOutcome, SCENARIOS};
use crate::syscalls::fault::{InjectedFault, TargetCall};

/// Maximum attempts at reaching a call that did not occur.
const MAX_TRIES: usize = 3;

/// Inject one fault into every system call of each program that changes names, makes data durable or allocates disk
/// space.
#[derive(Debug, Parser)]
struct SyscallFaultOptions {
    /// Run only scenarios whose name contains this
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,

    /// Try only calls that contain this, e.g. `fsync .peerdex/lock`
    #[arg(long, value_name = "TEXT", default_value = "")]
    call: String,

    /// Try only these faults
    #[arg(long, value_name = "FAULT,...", value_delimiter = ',')]
    faults: Vec<InjectedFault>,

    /// Show the program's output for each fault
    #[arg(long)]
    verbose: bool,

    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// Runs the campaign with the options of the command line.
pub fn main() -> ExitCode {
    let options = SyscallFaultOptions::parse();
    let faults = if options.faults.is_empty() { InjectedFault::ALL.to_vec() } else { options.faults.clone() };
    let (start, mut all) = (Instant::now(), Vec::new());
    println!(
        "| scenario | call | tried | killed, nothing lost | failed, names the file | continued, names the file | continued | not reached | failed |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|");
    for name in SCENARIOS.iter().filter(|name| name.contains(&options.only)) {
        let mut campaign = Campaign::new(name);
        if campaign.targets.is_empty() {
            eprintln!("SKIPPED: this process may not trace system calls, so {name} is NOT tested");
        }
        let targets: Vec<TargetCall> = campaign.targets.clone();
        for target in targets.iter().filter(|target| target.to_string().contains(&options.call)) {
            let cases: Vec<FaultCase> =
                faults.iter().map(|fault| run_until_reached(&mut campaign, target, *fault)).collect();
            print_row(campaign.title(), target, &cases);
            for case in cases.iter().filter(|case| options.verbose || is_failed(case)) {
                eprintln!(
                    "{} at {}: {:?}\n    {}",
                    case.fault,
                    target,
                    case.outcome,
                    case.messages.join("\n    ")
                );
            }
            all.extend(cases);
        }
    }
    let failed = all.iter().filter(|case| is_failed(case)).count();
    println!("\n{} faults in {:.0} s, {failed} failed", all.len(), start.elapsed().as_secs_f64());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn is_failed(case: &FaultCase) -> bool {
    matches!(case.outcome, FaultOutcome::Failed(_))
}

/// Repeats a fault until the program reaches the call.
fn run_until_reached(campaign: &mut Campaign, target: &TargetCall, fault: InjectedFault) -> FaultCase {
    let mut case = campaign.run_case(target, fault);
    for _ in 1..MAX_TRIES {
        if case.outcome == FaultOutcome::NotReached {
            case = campaign.run_case(target, fault);
        }
    }
    case
}

fn print_row(scenario: &str, target: &TargetCall, cases: &[FaultCase]) {
    let count = |is_match: fn(&FaultOutcome) -> bool| match cases
        .iter()
        .filter(|case| is_match(&case.outcome))
        .count()
    {
        0 => String::new(),
        count => count.to_string(),
    };
    println!(
        "| {scenario} | {target} | {} | {} | {} | {} | {} | {} | {} |",
        cases.len(),
        count(|outcome| *outcome == FaultOutcome::Survived),
        count(|outcome| *outcome == FaultOutcome::Refused),
        count(|outcome| *outcome == FaultOutcome::Reported),
        count(|outcome| *outcome == FaultOutcome::Silent),
        count(|outcome| *outcome == FaultOutcome::NotReached),
        count(|outcome| matches!(outcome, FaultOutcome::Failed(_))),
    );
}
