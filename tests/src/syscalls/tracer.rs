//! Stops a program at each system call and makes the selected call fail.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options as Trace};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::call::SyscallEntry;
use super::fault::{InjectedFault, TargetCall};
use super::launcher::InjectOptions;

/// The system call that a thread is in.
#[derive(Debug, Clone, Copy)]
enum PendingSyscall {
    /// The call proceeds.
    PassThrough,
    /// The call fails on return.
    Fails(Errno),
    /// The program is killed on return.
    KillsProgram,
}

struct SyscallTracer<'a> {
    program: Pid,
    options: &'a InjectOptions,
    log: File,
    plan: Option<(InjectedFault, TargetCall)>,
    /// Number of calls that match the selected one so far.
    matching_calls: usize,
    /// The threads that are in a call.
    pending: HashMap<Pid, PendingSyscall>,
}

/// Traces a process until it ends. The process must have stopped itself, or do so soon.
pub(super) fn run(process: i32, options: &InjectOptions) -> ExitCode {
    let program = Pid::from_raw(process);
    wait_until_stopped(program);
    let traced = Trace::PTRACE_O_TRACESYSGOOD
        | Trace::PTRACE_O_TRACECLONE
        | Trace::PTRACE_O_TRACEFORK
        | Trace::PTRACE_O_TRACEVFORK
        | Trace::PTRACE_O_EXITKILL;
    // Without the permission to trace, the program runs untraced and there is no log.
    let seized = ptrace::seize(program, traced).is_ok();
    let log = seized.then(|| File::create(&options.log).expect("a writable log file"));
    let _ = kill(program, Signal::SIGCONT);
    let Some(log) = log else { return ExitCode::FAILURE };
    let (plan, inside) = (options.plan(), HashMap::new());
    SyscallTracer { program, options, log, plan, matching_calls: 0, pending: inside }.run_loop();
    ExitCode::SUCCESS
}

fn wait_until_stopped(program: Pid) {
    while fs::read_to_string(format!("/proc/{program}/stat")).is_ok_and(|stat| !stat.contains(") T ")) {
        thread::sleep(Duration::from_millis(1));
    }
}

impl SyscallTracer<'_> {
    fn run_loop(&mut self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL)) {
                // The kernel stops a thread at the entry and at the exit of a call without saying which; the thread has
                // a pending call exactly at the exit.
                Ok(WaitStatus::PtraceSyscall(thread)) => {
                    match self.pending.remove(&thread) {
                        None => self.enter_syscall(thread),
                        Some(inside) => self.exit_syscall(thread, inside),
                    }
                    resume(thread, None);
                }
                Ok(WaitStatus::PtraceEvent(thread, ..)) => resume(thread, None),
                Ok(WaitStatus::Stopped(thread, signal)) => resume(thread, Some(signal)),
                Ok(WaitStatus::Exited(thread, _) | WaitStatus::Signaled(thread, ..)) => {
                    self.pending.remove(&thread);
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Handles the entry of a thread into a system call.
    fn enter_syscall(&mut self, thread: Pid) {
        let inside = read_entry(thread).map_or(PendingSyscall::PassThrough, |entered| self.decide(&entered));
        self.pending.insert(thread, inside);
    }

    fn decide(&mut self, entered: &SyscallEntry) -> PendingSyscall {
        let Some(call) = entered.watched_call(&self.options.below) else {
            return PendingSyscall::PassThrough;
        };
        let mut line = format!("{}\t{}\n", call.name, call.path);
        let fault = self.fault_for(&call);
        if fault.is_some() {
            line += "injected\n";
        }
        self.log.write_all(line.as_bytes()).expect("a writable log");
        match fault {
            None => PendingSyscall::PassThrough,
            Some(InjectedFault::KillBefore) => {
                self.kill();
                PendingSyscall::PassThrough
            }
            Some(InjectedFault::KillAfter) => PendingSyscall::KillsProgram,
            Some(fault) => match fault.error() {
                Some(error) if skip_call(entered.thread) => PendingSyscall::Fails(error),
                _ => PendingSyscall::PassThrough,
            },
        }
    }

    /// Returns the fault to inject at a call, if any.
    fn fault_for(&mut self, call: &super::call::WatchedCall) -> Option<InjectedFault> {
        let (fault, target) = self.plan.as_ref()?;
        if target.call != *call {
            return None;
        }
        self.matching_calls += 1;
        (self.matching_calls == target.before + 1).then_some(*fault)
    }

    /// Handles the return of a thread from a system call.
    fn exit_syscall(&self, thread: Pid, inside: PendingSyscall) {
        match inside {
            PendingSyscall::PassThrough => {}
            PendingSyscall::Fails(error) => return_error(thread, error),
            PendingSyscall::KillsProgram => self.kill(),
        }
    }

    fn kill(&self) {
        let _ = kill(self.program, Signal::SIGKILL);
    }
}

/// Resumes a thread until its next call; the thread may have been killed meanwhile.
fn resume(thread: Pid, signal: Option<Signal>) {
    let _ = ptrace::syscall(thread, signal);
}

/// Reads the call that a thread is about to make.
#[cfg(target_arch = "x86_64")]
fn read_entry(thread: Pid) -> Option<SyscallEntry> {
    let registers = ptrace::getregs(thread).ok()?;
    let arguments = [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9];
    Some(SyscallEntry { thread, number: registers.orig_rax.cast_signed(), arguments })
}

/// Makes a thread skip the call that it is about to make.
#[cfg(target_arch = "x86_64")]
fn skip_call(thread: Pid) -> bool {
    ptrace::getregs(thread).is_ok_and(|mut registers| {
        // The kernel executes nothing for an invalid call number, and `return_error` then sets the result.
        registers.orig_rax = u64::MAX;
        ptrace::setregs(thread, registers).is_ok()
    })
}

/// Makes a skipped call return an error.
#[cfg(target_arch = "x86_64")]
fn return_error(thread: Pid, error: Errno) {
    if let Ok(mut registers) = ptrace::getregs(thread) {
        registers.rax = (-i64::from(error as i32)).cast_unsigned();
        // If the thread has been killed, the result is irrelevant.
        let _ = ptrace::setregs(thread, registers);
    }
}

/// Only x86-64 is supported.
#[cfg(not(target_arch = "x86_64"))]
const fn read_entry(_: Pid) -> Option<SyscallEntry> {
    None
}

#[cfg(not(target_arch = "x86_64"))]
const fn skip_call(_: Pid) -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
const fn return_error(_: Pid, _: Errno) {}
