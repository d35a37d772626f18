//! Lets every call of a scenario fail, one at a time.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::call::WatchedCall;
use super::fault::{InjectedFault, TargetCall, number_calls};
use super::scenario::{DownloadScenario, IndexScenario, RegistrationScenario, Scenario, TorrentScenario};
use super::traced_program::{FaultPlan, TracedExit, TracedProgram};

/// What became of one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultOutcome {
    /// The call did not come this time.
    NotReached,
    /// The program was killed, and all was well afterwards.
    Survived,
    /// The program ended with an error that names the file, and all was well afterwards.
    Refused,
    /// The program went on and named the file, and all was well afterwards.
    Reported,
    /// The program went on and named no file, since nothing was missing, and all was well afterwards.
    Silent,
    /// Something was lost or wrong.
    Failed(String),
}

/// A fault that was tried.
#[derive(Debug)]
pub struct FaultCase {
    /// The call.
    pub target: TargetCall,
    /// What happened at it.
    pub fault: InjectedFault,
    /// What became of it.
    pub outcome: FaultOutcome,
    /// What the program said of it.
    pub messages: Vec<String>,
}

/// The names of all scenarios.
pub const SCENARIOS: [&str; 4] = ["registration", "download", "torrent", "index"];

/// A scenario whose calls are known.
pub struct Campaign {
    scenario: Box<dyn Scenario>,
    /// The calls of a run without faults.
    pub targets: Vec<TargetCall>,
}

impl Campaign {
    /// Prepares a scenario of [`SCENARIOS`] and looks which calls it has; none if this process may not watch others.
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

    /// Tries so many faults, spread over all calls, and panics at the first that is not survived.
    pub fn run_sample(&mut self, count: usize) {
        let every = self.targets.len().div_ceil(count).max(1);
        let targets: Vec<TargetCall> = self.targets.iter().step_by(every).cloned().collect();
        for (target, fault) in targets.iter().zip(InjectedFault::ALL.iter().cycle()) {
            let case = self.run_case(target, *fault);
            eprintln!("{fault} at {target}: {:?}", case.outcome);
            if let FaultOutcome::Failed(why) = case.outcome {
                panic!("{fault} at {target}: {why}");
            }
        }
    }

    /// Returns the scenario in words.
    pub fn title(&self) -> &'static str {
        self.scenario.name()
    }

    /// Tries one fault.
    pub fn run_case(&mut self, target: &TargetCall, fault: InjectedFault) -> FaultCase {
        let plan = (fault, target.clone());
        let scenario = self.scenario.as_mut();
        let mut said = Vec::new();
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let ended = run(scenario, Some(&plan));
            said = reported_problems(&ended, scenario.folder());
            scenario.assert_final_files();
            let mut stand_ins = scenario.alternative_paths(&target.call.path);
            stand_ins.push(reported_path(&target.call, scenario.folder()));
            stand_ins.push(scenario.folder().join(&target.call.path).to_string_lossy().into_owned());
            let outcome = judge_outcome(&plan, &ended, &said, &stand_ins);
            scenario.recover();
            outcome
        }));
        let outcome = tried.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            FaultOutcome::Failed(text.unwrap_or_default())
        });
        FaultCase { target: target.clone(), fault, outcome, messages: said }
    }
}

/// Runs the program of a scenario once, until it has ended.
fn run(scenario: &mut dyn Scenario, plan: Option<&FaultPlan>) -> TracedExit {
    scenario.prepare();
    let mut program = TracedProgram::start(&scenario.command(), scenario.folder(), plan);
    scenario.drive(&mut program);
    program.close_and_wait()
}

/// Returns the errors and warnings of a program.
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
    said: &[String],
    stand_ins: &[String],
) -> FaultOutcome {
    let is_named = said.iter().any(|line| stand_ins.iter().any(|name| line.contains(name)));
    match ended.code {
        _ if !ended.was_injected => FaultOutcome::NotReached,
        None if fault.is_kill() => FaultOutcome::Survived,
        Some(_) if fault.is_kill() => FaultOutcome::Failed("it was not killed".into()),
        None => FaultOutcome::Failed(format!("it was killed by a signal: {:#?}", ended.printed)),
        Some(0) if is_named => FaultOutcome::Reported,
        Some(0) if is_harmless(&target.call) => FaultOutcome::Silent,
        Some(0) => FaultOutcome::Failed(format!("it went on and did not name the file: {said:#?}")),
        Some(_) if is_named => FaultOutcome::Refused,
        Some(code) => {
            let printed = ended.printed.join("\n");
            FaultOutcome::Failed(format!("it ended with status {code} and did not name the file:\n{printed}"))
        }
    }
}

/// Returns true if nothing need be missing when a call fails: a folder may be there already, and the index's database syncs its
/// file once more when it is closed.
fn is_harmless(call: &WatchedCall) -> bool {
    call.name == "mkdir" || (call.name == "fsync" && call.path.ends_with("/db"))
}

/// Returns the path that stands in a message about the file of a call: a new version of a file and a part are named like the file.
fn reported_path(call: &WatchedCall, folder: &Path) -> String {
    let mut path = folder.join(&call.path);
    if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
        let name = name.strip_suffix(".new").map_or(name, |name| name.trim_start_matches('.')).to_owned();
        path.set_file_name(name.strip_suffix(".part").unwrap_or(&name));
    }
    path.to_string_lossy().trim_end_matches('/').to_owned()
}
