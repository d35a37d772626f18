//! `inject`: replaces itself with the given program while a second process traces it.
//!
//! The program keeps the process id, the pipes and the signal settings of its caller, as with `strace -D`.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use rustix::process::{Signal, getpid, kill_process};

use super::call::WatchedCall;
use super::fault::{InjectedFault, TargetCall};
use super::tracer;
use crate::programs::programs;

/// Run a program and make one of its system calls fail.
#[derive(Debug, Parser)]
pub(super) struct InjectOptions {
    /// Watch calls about files below this folder
    #[arg(long, value_name = "DIR")]
    pub(super) below: PathBuf,

    /// Write each watched call to this file, and `injected` if a fault was injected
    #[arg(long, value_name = "FILE")]
    pub(super) log: PathBuf,

    /// Fault to inject at the selected call
    #[arg(long, requires = "call")]
    fault: Option<InjectedFault>,

    /// Name and path of the selected call, separated by a tab
    #[arg(long)]
    call: Option<String>,

    /// Number of earlier calls with the same name and path to let pass
    #[arg(long, default_value_t = 0)]
    before: usize,

    /// Trace this process
    #[arg(long, hide = true)]
    attach: Option<i32>,

    /// Program and its arguments
    #[arg(last = true)]
    program: Vec<OsString>,
}

impl InjectOptions {
    /// Returns the fault and its call, if any.
    pub(super) fn plan(&self) -> Option<(InjectedFault, TargetCall)> {
        let call = WatchedCall::parse(self.call.as_deref()?)?;
        Some((self.fault?, TargetCall { call, before: self.before }))
    }
}

/// Runs the program with the options of the command line.
pub fn main() -> ExitCode {
    let options = InjectOptions::parse();
    if let Some(process) = options.attach {
        return tracer::run(process, &options);
    }
    let mut arguments = options.program.iter();
    let Some(program) = arguments.next() else { return ExitCode::from(2) };
    let mut tracer = Command::new(env::current_exe().expect("a path"));
    tracer.args(["--attach", &getpid().as_raw_nonzero().to_string()]).args(env::args_os().skip(1));
    tracer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[expect(clippy::zombie_processes, reason = "this process becomes another program")]
    let _tracer = tracer.spawn().expect("a second process");
    // The second process resumes this one once it is tracing it.
    kill_process(getpid(), Signal::STOP).expect("a signal to this process");
    let error = Command::new(program).args(arguments).exec();
    eprintln!("cannot run {}: {error}", program.display());
    ExitCode::from(127)
}

/// Returns the command that runs a program under `inject`.
pub(super) fn command_with_inject(command: &Command, options: &[OsString]) -> Command {
    let program = programs().index_server.with_file_name("inject");
    let mut injected = Command::new(program);
    injected.args(options).arg("--").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => injected.env(name, value),
            None => injected.env_remove(name),
        };
    }
    injected
}
