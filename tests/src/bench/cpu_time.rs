//! CPU time of running programs and their children, as the kernel accounts it.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::param::clock_ticks_per_second;

/// The CPU time of one process.
#[derive(Debug, Clone, Copy)]
struct ProcessTimes {
    pid: u32,
    parent: u32,
    /// User and system time in kernel ticks, including children that were waited for.
    ticks: u64,
}

/// Returns the user and system time that processes and all their descendants have used.
pub(crate) fn of_trees(roots: &[u32]) -> Result<Duration> {
    let all: Vec<ProcessTimes> = fs::read_dir("/proc")
        .context("no /proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
        .collect();
    let mut wanted: BTreeSet<u32> = roots.iter().copied().collect();
    loop {
        let before = wanted.len();
        wanted.extend(
            all.iter().filter(|used| wanted.contains(&used.parent)).map(|used| used.pid).collect::<Vec<_>>(),
        );
        if wanted.len() == before {
            break;
        }
    }
    let counted = all.iter().filter(|used| wanted.contains(&used.pid));
    // Ticks are coarse but include threads that have exited; the scheduler's figures are exact but cover only running
    // threads.
    let times = counted.map(|used| {
        Duration::from_millis(used.ticks * 1000 / clock_ticks_per_second()).max(of_running_threads(used.pid))
    });
    Ok(times.sum())
}

/// Returns the scheduler's CPU time for all threads of a process, or zero if it is unavailable.
fn of_running_threads(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Duration::ZERO };
    let nanos = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Parses a line of `/proc/PID/stat`. The process name may contain anything, including blanks and brackets.
fn parse_stat(stat: &str) -> Option<ProcessTimes> {
    let pid = stat.split(' ').next()?.parse().ok()?;
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 2..)?.split(' ').collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let parent = u32::try_from(number(1)?).ok()?;
    Some(ProcessTimes { pid, parent, ticks: number(11)? + number(12)? + number(13)? + number(14)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_line_is_parsed_for_any_program_name() {
        let line = "42 (a ) b) S 7 42 42 0 -1 4194560 9 8 0 0 11 5 3 1 20 0 1 0 100 1 1";
        let used = parse_stat(line).expect("a line");
        assert_eq!((used.pid, used.parent, used.ticks), (42, 7, 20));
    }

    #[test]
    fn unknown_process_has_used_no_time() {
        assert!(of_trees(&[std::process::id()]).is_ok());
        assert_eq!(of_trees(&[u32::MAX]).expect("/proc"), Duration::ZERO);
    }
}
