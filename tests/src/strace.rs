//! Injects errors and delays into system calls of a running program with `strace`.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::eventually::{DEFAULT_TIMEOUT, wait_until};
use crate::process::Process;

/// A running `strace`; the injections end when it is dropped.
#[derive(Debug)]
pub struct Strace(Process);

impl Strace {
    /// Injects faults into the calls of a process, e.g. `fsync:error=EIO`. Returns `None` and prints that the story is
    /// skipped if this process may not.
    pub fn attach(id: u32, injections: &[&str]) -> Option<Self> {
        let calls: Vec<&str> =
            injections.iter().filter_map(|injection| injection.split(':').next()).collect();
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-p", &id.to_string(), "-e"]);
        command.arg(format!("trace={}", calls.join(",")));
        for injection in injections {
            command.args(["-e", &format!("inject={injection}")]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut tracer) = Process::try_spawn("strace", command) else {
            eprintln!("SKIPPED: strace is not installed, so {injections:?} are NOT tested");
            return None;
        };
        let mut runs = true;
        wait_until("all threads to be traced", DEFAULT_TIMEOUT, || {
            runs = tracer.is_running();
            !runs || is_traced(id)
        });
        if !runs {
            eprintln!("SKIPPED: strace may not attach here, so {injections:?} are NOT tested");
        }
        runs.then_some(Self(tracer))
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // strace detaches, and the program continues.
        self.0.signal(Signal::INT);
        self.0.wait(DEFAULT_TIMEOUT);
    }
}

/// Returns true if every thread of a process is traced.
fn is_traced(id: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{id}/task")).expect("a process");
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("status"));
        // A thread that has exited makes no more calls.
        status.map_or(true, |status| !status.contains("TracerPid:\t0\n"))
    })
}
