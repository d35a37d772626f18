//! A wrapper around a measured program: this program runs itself with the measured program as its only child, and
//! reports the resources used.
//!
//! The kernel reports the CPU time and peak memory of children only to their parent and only in total, so every
//! measured program needs its own parent. The wrapper writes its reports into the program's output, on lines that begin
//! with [`LINE_PREFIX`].

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// First argument that starts this program as a wrapper.
const MEASURE_ARGUMENT: &str = "measure";

/// Prefix of the wrapper's lines.
const LINE_PREFIX: &str = "measured:";

/// The resources that a program used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProgramUsage {
    /// User and system time, including children.
    pub(super) cpu: Duration,
    /// Peak memory of any one process, in bytes.
    pub(super) memory: u64,
    /// True if the program exited successfully.
    pub(super) success: bool,
}

/// Returns the command that runs `program` in a wrapper.
pub(super) fn measuring_command(program: &[OsString]) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(MEASURE_ARGUMENT).args(program);
    Ok(command)
}

/// Returns the command to measure if this program was started as a wrapper.
pub(super) fn requested_command(args: &[OsString]) -> Option<&[OsString]> {
    match args {
        [_, request, command @ ..] if request == MEASURE_ARGUMENT => Some(command),
        _ => None,
    }
}

/// Runs a command. Prints its process id at the start and its resource usage at the end.
pub(super) fn run(command: &[OsString]) -> ExitCode {
    let [program, args @ ..] = command else { return ExitCode::FAILURE };
    let mut child = match Command::new(program).args(args).spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("cannot start {}: {error}", program.display());
            return ExitCode::FAILURE;
        }
    };
    println!("{LINE_PREFIX} {}", child.id());
    let (Ok(status), Ok(usage)) = (child.wait(), getrusage(UsageWho::RUSAGE_CHILDREN)) else {
        return ExitCode::FAILURE;
    };
    let time = usage.user_time() + usage.system_time();
    let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
    // The program may have left an incomplete line.
    println!("\n{LINE_PREFIX} {micros} {} {}", usage.max_rss(), status.success());
    ExitCode::SUCCESS
}

/// Parses the line with the process id.
pub(super) fn parse_pid(line: &str) -> Option<u32> {
    line.strip_prefix(LINE_PREFIX)?.trim().parse().ok()
}

/// Parses the line with the resource usage.
pub(super) fn parse_usage(line: &str) -> Option<ProgramUsage> {
    let mut words = line.strip_prefix(LINE_PREFIX)?.split_whitespace();
    let cpu = Duration::from_micros(words.next()?.parse().ok()?);
    let memory = words.next()?.parse::<u64>().ok()? << 10;
    Some(ProgramUsage { cpu, memory, success: words.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pid_and_usage_lines_are_distinguished() {
        assert_eq!(parse_pid("measured: 17"), Some(17));
        assert_eq!(parse_usage("measured: 17"), None);
        let expected = ProgramUsage { cpu: Duration::from_micros(1500), memory: 2048 << 10, success: true };
        assert_eq!(parse_usage("measured: 1500 2048 true"), Some(expected));
        assert_eq!(parse_pid("measured: 1500 2048 true"), None);
        assert_eq!(parse_usage("something else"), None);
    }
}
