//! What `strace` does to a program that runs already: system calls that fail, or take long.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::eventually::{DEFAULT_TIMEOUT, wait_until};
use crate::process::Process;

/// The calls of a program are tampered with until this is dropped.
#[derive(Debug)]
pub struct Strace(Process);

impl Strace {
    /// Tampers with the calls of a process, as in `fsync:error=EIO`, if this process may; otherwise says that the story is left out.
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
            eprintln!("SKIPPED: there is no strace here, so {injections:?} are NOT tested");
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
        // It lets go of the program, which goes on.
        self.0.signal(Signal::INT);
        self.0.wait(DEFAULT_TIMEOUT);
    }
}

/// Returns true if every thread of a process is traced.
fn is_traced(id: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{id}/task")).expect("a process");
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("status"));
        // One that has ended meanwhile does nothing more.
        status.map_or(true, |status| !status.contains("TracerPid:\t0\n"))
    })
}
