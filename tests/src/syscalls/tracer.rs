//! Stops a program at each system call, and lets the chosen one fail.

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

use super::call::Entered;
use super::fault::{Fault, Target};
use super::launcher::Options;

/// A call in which a thread is.
#[derive(Debug, Clone, Copy)]
enum Inside {
    /// It is left alone.
    Untouched,
    /// It fails when it returns.
    Fails(Errno),
    /// The program is killed when it returns.
    Ends,
}

struct Tracer<'a> {
    program: Pid,
    options: &'a Options,
    log: File,
    plan: Option<(Fault, Target)>,
    /// How many calls like the chosen one came.
    alike: usize,
    /// The threads that are in a call.
    inside: HashMap<Pid, Inside>,
}

/// Watches a process until it ends. It must have stopped itself, or do so soon.
pub(super) fn run(process: i32, options: &Options) -> ExitCode {
    let program = Pid::from_raw(process);
    wait_until_stopped(program);
    let traced = Trace::PTRACE_O_TRACESYSGOOD
        | Trace::PTRACE_O_TRACECLONE
        | Trace::PTRACE_O_TRACEFORK
        | Trace::PTRACE_O_TRACEVFORK
        | Trace::PTRACE_O_EXITKILL;
    // Where that is not allowed the program runs without, and there is no log.
    let seized = ptrace::seize(program, traced).is_ok();
    let log = seized.then(|| File::create(&options.log).expect("a file that can be written"));
    let _ = kill(program, Signal::SIGCONT);
    let Some(log) = log else { return ExitCode::FAILURE };
    let (plan, inside) = (options.plan(), HashMap::new());
    Tracer { program, options, log, plan, alike: 0, inside }.watch();
    ExitCode::SUCCESS
}

fn wait_until_stopped(program: Pid) {
    while fs::read_to_string(format!("/proc/{program}/stat")).is_ok_and(|stat| !stat.contains(") T ")) {
        thread::sleep(Duration::from_millis(1));
    }
}

impl Tracer<'_> {
    fn watch(&mut self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::PtraceSyscall(thread)) => {
                    match self.inside.remove(&thread) {
                        None => self.enter(thread),
                        Some(inside) => self.leave(thread, inside),
                    }
                    go_on(thread, None);
                }
                Ok(WaitStatus::PtraceEvent(thread, ..)) => go_on(thread, None),
                Ok(WaitStatus::Stopped(thread, signal)) => go_on(thread, Some(signal)),
                Ok(WaitStatus::Exited(thread, _) | WaitStatus::Signaled(thread, ..)) => {
                    self.inside.remove(&thread);
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    /// A thread is about to do a call.
    fn enter(&mut self, thread: Pid) {
        let inside = entered(thread).map_or(Inside::Untouched, |entered| self.judge(&entered));
        self.inside.insert(thread, inside);
    }

    fn judge(&mut self, entered: &Entered) -> Inside {
        let Some(call) = entered.call(&self.options.below) else { return Inside::Untouched };
        let mut line = format!("{}\t{}\n", call.name, call.path);
        let fault = self.chosen(&call);
        if fault.is_some() {
            line += "injected\n";
        }
        self.log.write_all(line.as_bytes()).expect("a log that can be written");
        match fault {
            None => Inside::Untouched,
            Some(Fault::KillBefore) => {
                self.kill();
                Inside::Untouched
            }
            Some(Fault::KillAfter) => Inside::Ends,
            Some(fault) => match fault.error() {
                Some(error) if skip(entered.thread) => Inside::Fails(error),
                _ => Inside::Untouched,
            },
        }
    }

    /// Returns what is to happen at a call.
    fn chosen(&mut self, call: &super::call::Call) -> Option<Fault> {
        let (fault, target) = self.plan.as_ref()?;
        if target.call != *call {
            return None;
        }
        self.alike += 1;
        (self.alike == target.before + 1).then_some(*fault)
    }

    /// A thread has done a call.
    fn leave(&self, thread: Pid, inside: Inside) {
        match inside {
            Inside::Untouched => {}
            Inside::Fails(error) => answer(thread, error),
            Inside::Ends => self.kill(),
        }
    }

    fn kill(&self) {
        let _ = kill(self.program, Signal::SIGKILL);
    }
}

/// Lets a thread go on until its next call; it may have been killed meanwhile.
fn go_on(thread: Pid, signal: Option<Signal>) {
    let _ = ptrace::syscall(thread, signal);
}

/// Reads which call a thread is about to do.
#[cfg(target_arch = "x86_64")]
fn entered(thread: Pid) -> Option<Entered> {
    let registers = ptrace::getregs(thread).ok()?;
    let arguments = [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9];
    Some(Entered { thread, number: registers.orig_rax.cast_signed(), arguments })
}

/// Lets a thread skip the call that it is about to do.
#[cfg(target_arch = "x86_64")]
fn skip(thread: Pid) -> bool {
    ptrace::getregs(thread).is_ok_and(|mut registers| {
        registers.orig_rax = u64::MAX;
        ptrace::setregs(thread, registers).is_ok()
    })
}

/// Lets a call that was skipped return an error.
#[cfg(target_arch = "x86_64")]
fn answer(thread: Pid, error: Errno) {
    if let Ok(mut registers) = ptrace::getregs(thread) {
        registers.rax = (-i64::from(error as i32)).cast_unsigned();
        // If the thread has been killed, nobody reads the answer.
        let _ = ptrace::setregs(thread, registers);
    }
}

/// Which call it is, is not known here.
#[cfg(not(target_arch = "x86_64"))]
const fn entered(_: Pid) -> Option<Entered> {
    None
}

#[cfg(not(target_arch = "x86_64"))]
const fn skip(_: Pid) -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
const fn answer(_: Pid, _: Errno) {}
