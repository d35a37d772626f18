//! `inject`: becomes the program that it is given, under the eyes of a second process.
//!
//! The program keeps the process id, the pipes and the signals of its caller, as with `strace -D`.

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

/// Runs a program and lets one of its system calls fail.
#[derive(Debug, Parser)]
pub(super) struct InjectOptions {
    /// Watch calls about files below this folder
    #[arg(long, value_name = "DIR")]
    pub(super) below: PathBuf,

    /// Write each watched call to this file, and `command_with_inject` when it fails
    #[arg(long, value_name = "FILE")]
    pub(super) log: PathBuf,

    /// What happens at the chosen call
    #[arg(long, requires = "call")]
    fault: Option<InjectedFault>,

    /// Name of the chosen call and its path, with a tab between
    #[arg(long)]
    call: Option<String>,

    /// How many calls like it are left alone
    #[arg(long, default_value_t = 0)]
    before: usize,

    /// Watch this process
    #[arg(long, hide = true)]
    attach: Option<i32>,

    /// Program and its arguments
    #[arg(last = true)]
    program: Vec<OsString>,
}

impl InjectOptions {
    /// Returns what is to happen, and where.
    pub(super) fn plan(&self) -> Option<(InjectedFault, TargetCall)> {
        let call = WatchedCall::parse(self.call.as_deref()?)?;
        Some((self.fault?, TargetCall { call, before: self.before }))
    }
}

/// Runs the program as the command line says.
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
    // The second process lets this one go on once it watches.
    kill_process(getpid(), Signal::STOP).expect("a signal for oneself");
    let error = Command::new(program).args(arguments).exec();
    eprintln!("cannot run {}: {error}", program.display());
    ExitCode::from(127)
}

/// Makes the command of a program below `inject`.
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
