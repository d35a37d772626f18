//! Injects faults into every call of a scenario, one at a time.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::call::WatchedCall;
use super::fault::{InjectedFault, TargetCall, number_calls};
use super::scenario::{DownloadScenario, IndexScenario, RegistrationScenario, Scenario, TorrentScenario};
use super::traced_program::{FaultPlan, TracedExit, TracedProgram};

/// The outcome of one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultOutcome {
    /// The program did not reach the call in this run.
    NotReached,
    /// The program was killed, and nothing was lost.
    Survived,
    /// The program ended with an error that names the file, and nothing was lost.
    Refused,
    /// The program continued and named the file, and nothing was lost.
    Reported,
    /// The program continued and named no file, since none was affected, and nothing was lost.
    Silent,
    /// Data was lost or wrong.
    Failed(String),
}

/// A fault and its outcome.
#[derive(Debug)]
pub struct FaultCase {
    /// The call.
    pub target: TargetCall,
    /// The injected fault.
    pub fault: InjectedFault,
    /// The outcome.
    pub outcome: FaultOutcome,
    /// The program's messages about the fault.
    pub messages: Vec<String>,
}

/// The names of all scenarios.
pub const SCENARIOS: [&str; 4] = ["registration", "download", "torrent", "index"];

/// A scenario and its calls.
pub struct Campaign {
    scenario: Box<dyn Scenario>,
    /// The calls of a run without faults.
    pub targets: Vec<TargetCall>,
}

impl Campaign {
    /// Prepares a scenario of [`SCENARIOS`] and records its calls; there are none if this process may not trace others.
    pub fn new(name: &str) -> Self {
        let mut scenario: Box<dyn Scenario> = match name {
            "registration" => Box::new(RegistrationScenario::new()),
            "download" => Box::new(DownloadScenario::new()),
            "torrent" => Box::new(TorrentScenario::new()),
            _ => Box::new(IndexScenario::new()),
        };
        let ended = run(scenario.as_mut(), None);
        assert_eq!(ended.code, Some(0), "without a fault: {:#?}", ended.printed);
        scenario.assert_final_files();
        scenario.recover();
        Self { scenario, targets: number_calls(ended.calls) }
    }

    /// Injects `count` faults spread over all calls; panics at the first that the program does not survive.
    pub fn run_sample(&mut self, count: usize) {
        let every = self.targets.len().div_ceil(count).max(1);
        let targets: Vec<TargetCall> = self.targets.iter().step_by(every).cloned().collect();
        for (target, fault) in targets.iter().zip(InjectedFault::ALL.iter().cycle()) {
            let case = self.run_case(target, *fault);
            eprintln!("{fault} at {target}: {:?}", case.outcome);
            if let FaultOutcome::Failed(reason) = case.outcome {
                panic!("{fault} at {target}: {reason}");
            }
        }
    }

    /// Returns a description of the scenario.
    pub fn title(&self) -> &'static str {
        self.scenario.name()
    }

    /// Injects one fault.
    pub fn run_case(&mut self, target: &TargetCall, fault: InjectedFault) -> FaultCase {
        let plan = (fault, target.clone());
        let scenario = self.scenario.as_mut();
        let mut messages = Vec::new();
        // Scenarios report lost or wrong data by panicking.
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let ended = run(scenario, Some(&plan));
            messages = reported_problems(&ended, scenario.folder());
            scenario.assert_final_files();
            let mut stand_ins = scenario.alternative_paths(&target.call.path);
            stand_ins.push(reported_path(&target.call, scenario.folder()));
            stand_ins.push(scenario.folder().join(&target.call.path).to_string_lossy().into_owned());
            // The messages are judged before the recovery, which runs without faults.
            let outcome = judge_outcome(&plan, &ended, &messages, &stand_ins);
            scenario.recover();
            outcome
        }));
        let outcome = tried.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            FaultOutcome::Failed(text.unwrap_or_default())
        });
        FaultCase { target: target.clone(), fault, outcome, messages }
    }
}

/// Runs the program of a scenario once until it ends.
fn run(scenario: &mut dyn Scenario, plan: Option<&FaultPlan>) -> TracedExit {
    scenario.prepare();
    let mut program = TracedProgram::start(&scenario.command(), scenario.folder(), plan);
    scenario.drive(&mut program);
    program.close_and_wait()
}

/// Returns the errors and warnings that a program printed.
fn reported_problems(ended: &TracedExit, folder: &Path) -> Vec<String> {
    let log = fs::read_to_string(folder.join(".peerdex/log/node.log")).unwrap_or_default();
    let is_complaint = |line: &&str| {
        let line = line.trim_start_matches("peer-node: ").trim_start_matches("index-server: ");
        ["error", "warning", "cannot"].iter().any(|word| line.starts_with(word))
            || [" WARN ", " ERROR "].iter().any(|level| line.contains(level))
    };
    let printed = ended.printed.iter().map(String::as_str).filter(is_complaint);
    printed.chain(log.lines().filter(is_complaint)).map(str::to_owned).collect()
}

fn judge_outcome(
    (fault, target): &FaultPlan,
    ended: &TracedExit,
    messages: &[String],
    stand_ins: &[String],
) -> FaultOutcome {
    let is_named = messages.iter().any(|line| stand_ins.iter().any(|name| line.contains(name)));
    match ended.code {
        _ if !ended.was_injected => FaultOutcome::NotReached,
        None if fault.is_kill() => FaultOutcome::Survived,
        Some(_) if fault.is_kill() => FaultOutcome::Failed("the program was not killed".into()),
        None => FaultOutcome::Failed(format!("the program was killed by a signal: {:#?}", ended.printed)),
        Some(0) if is_named => FaultOutcome::Reported,
        Some(0) if is_harmless(&target.call) => FaultOutcome::Silent,
        Some(0) => {
            FaultOutcome::Failed(format!("the program continued and did not name the file: {messages:#?}"))
        }
        Some(_) if is_named => FaultOutcome::Refused,
        Some(code) => {
            let printed = ended.printed.join("\n");
            FaultOutcome::Failed(format!(
                "the program ended with status {code} and did not name the file:\n{printed}"
            ))
        }
    }
}

/// Returns true if a failure of the call may go unreported: a folder may exist already, and the index's database syncs
/// its file again when it is closed.
fn is_harmless(call: &WatchedCall) -> bool {
    call.name == "mkdir" || (call.name == "fsync" && call.path.ends_with("/db"))
}

/// Returns the path in a message about the file of a call. A new version of a file, or a partial file, is reported
/// under the file's name.
fn reported_path(call: &WatchedCall, folder: &Path) -> String {
    let mut path = folder.join(&call.path);
    if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
        let name = name.strip_suffix(".new").map_or(name, |name| name.trim_start_matches('.')).to_owned();
        path.set_file_name(name.strip_suffix(".part").unwrap_or(&name));
    }
    path.to_string_lossy().trim_end_matches('/').to_owned()
}
