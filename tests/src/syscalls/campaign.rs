//! Lets every call of a scenario fail, one at a time.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::call::Call;
use super::fault::{Fault, Target, targets};
use super::scenario::{Downloading, Fetching, Indexing, Registering, Scenario};
use super::victim::{Ended, Plan, Victim};

/// What became of one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
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
pub struct Case {
    /// The call.
    pub target: Target,
    /// What happened at it.
    pub fault: Fault,
    /// What became of it.
    pub outcome: Outcome,
    /// What the program said of it.
    pub said: Vec<String>,
}

/// The names of all scenarios.
pub const SCENARIOS: [&str; 4] = ["registration", "download", "torrent", "index"];

/// A scenario whose calls are known.
pub struct Campaign {
    scenario: Box<dyn Scenario>,
    /// The calls of a run without faults.
    pub targets: Vec<Target>,
}

impl Campaign {
    /// Prepares a scenario of [`SCENARIOS`] and looks which calls it has; none if this process may not watch others.
    pub fn new(name: &str) -> Self {
        let mut scenario: Box<dyn Scenario> = match name {
            "registration" => Box::new(Registering::new()),
            "download" => Box::new(Downloading::new()),
            "torrent" => Box::new(Fetching::new()),
            _ => Box::new(Indexing::new()),
        };
        let ended = run(scenario.as_mut(), None);
        assert_eq!(ended.code, Some(0), "without a fault: {:#?}", ended.printed);
        scenario.inspect();
        scenario.recover();
        Self { scenario, targets: targets(ended.calls) }
    }

    /// Tries so many faults, spread over all calls, and panics at the first that is not survived.
    pub fn sample(&mut self, count: usize) {
        let every = self.targets.len().div_ceil(count).max(1);
        let targets: Vec<Target> = self.targets.iter().step_by(every).cloned().collect();
        for (target, fault) in targets.iter().zip(Fault::ALL.iter().cycle()) {
            let case = self.case(target, *fault);
            eprintln!("{fault} at {target}: {:?}", case.outcome);
            if let Outcome::Failed(why) = case.outcome {
                panic!("{fault} at {target}: {why}");
            }
        }
    }

    /// Returns the scenario in words.
    pub fn title(&self) -> &'static str {
        self.scenario.name()
    }

    /// Tries one fault.
    pub fn case(&mut self, target: &Target, fault: Fault) -> Case {
        let plan = (fault, target.clone());
        let scenario = self.scenario.as_mut();
        let mut said = Vec::new();
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let ended = run(scenario, Some(&plan));
            said = complaints(&ended, scenario.folder());
            scenario.inspect();
            let mut stand_ins = scenario.stand_ins(&target.call.path);
            stand_ins.push(named(&target.call, scenario.folder()));
            stand_ins.push(scenario.folder().join(&target.call.path).to_string_lossy().into_owned());
            let outcome = judge(&plan, &ended, &said, &stand_ins);
            scenario.recover();
            outcome
        }));
        let outcome = tried.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Outcome::Failed(text.unwrap_or_default())
        });
        Case { target: target.clone(), fault, outcome, said }
    }
}

/// Runs the program of a scenario once, until it has ended.
fn run(scenario: &mut dyn Scenario, plan: Option<&Plan>) -> Ended {
    scenario.prepare();
    let mut program = Victim::start(&scenario.command(), scenario.folder(), plan);
    scenario.drive(&mut program);
    program.end()
}

/// Returns the errors and warnings of a program.
fn complaints(ended: &Ended, folder: &Path) -> Vec<String> {
    let log = fs::read_to_string(folder.join(".peerdex/log/node.log")).unwrap_or_default();
    let is_complaint = |line: &&str| {
        let line = line.trim_start_matches("peer-node: ").trim_start_matches("index-server: ");
        ["error", "warning", "cannot"].iter().any(|word| line.starts_with(word))
            || [" WARN ", " ERROR "].iter().any(|level| line.contains(level))
    };
    let printed = ended.printed.iter().map(String::as_str).filter(is_complaint);
    printed.chain(log.lines().filter(is_complaint)).map(str::to_owned).collect()
}

fn judge((fault, target): &Plan, ended: &Ended, said: &[String], stand_ins: &[String]) -> Outcome {
    let is_named = said.iter().any(|line| stand_ins.iter().any(|name| line.contains(name)));
    match ended.code {
        _ if !ended.was_injected => Outcome::NotReached,
        None if fault.is_kill() => Outcome::Survived,
        Some(_) if fault.is_kill() => Outcome::Failed("it was not killed".into()),
        None => Outcome::Failed(format!("it was killed by a signal: {:#?}", ended.printed)),
        Some(0) if is_named => Outcome::Reported,
        Some(0) if is_harmless(&target.call) => Outcome::Silent,
        Some(0) => Outcome::Failed(format!("it went on and did not name the file: {said:#?}")),
        Some(_) if is_named => Outcome::Refused,
        Some(code) => {
            let printed = ended.printed.join("\n");
            Outcome::Failed(format!("it ended with status {code} and did not name the file:\n{printed}"))
        }
    }
}

/// Returns true if nothing need be missing when a call fails: a folder may be there already, and the index's database syncs its
/// file once more when it is closed.
fn is_harmless(call: &Call) -> bool {
    call.name == "mkdir" || (call.name == "fsync" && call.path.ends_with("/db"))
}

/// Returns the path that stands in a message about the file of a call: a new version of a file and a part are named like the file.
fn named(call: &Call, folder: &Path) -> String {
    let mut path = folder.join(&call.path);
    if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
        let name = name.strip_suffix(".new").map_or(name, |name| name.trim_start_matches('.')).to_owned();
        path.set_file_name(name.strip_suffix(".part").unwrap_or(&name));
    }
    path.to_string_lossy().trim_end_matches('/').to_owned()
}
