//! Facts about the machine that figures depend on.

use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use anyhow::Result;

/// Returns a line per fact; unavailable facts are "unknown".
pub(super) fn facts(dir: &Path, warmth: &str) -> Result<Vec<(&'static str, String)>> {
    let cores = available_parallelism()?.to_string();
    Ok(vec![
        ("processor", format!("{}, {cores} cores", first_or_unknown(processor()))),
        ("memory", format!("{}; free pages {warmth}", first_or_unknown(memory()))),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("files", format!("{} ({})", dir.display(), first_or_unknown(file_system(dir)))),
        ("congestion control", read("/proc/sys/net/ipv4/tcp_congestion_control")),
        ("load before", read("/proc/loadavg")),
    ])
}

/// CPU time so far: the total, and the part that the host of a virtual machine gave to other guests.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProcessorTime {
    all: u64,
    stolen: u64,
}

impl ProcessorTime {
    /// Reads the current values, or returns `None` if the system does not report them.
    pub(super) fn now() -> Option<Self> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        let times = text.lines().next()?.split_whitespace().skip(1).take(8);
        let times: Vec<u64> = times.map_while(|time| time.parse().ok()).collect();
        Some(Self { all: times.iter().sum(), stolen: *times.get(7)? })
    }

    /// Describes the share of CPU time that the host took since `before`.
    pub(super) fn stolen_since(before: Option<Self>) -> String {
        let share = || {
            let (before, now) = (before?, Self::now()?);
            (1000 * (now.stolen - before.stolen)).checked_div(now.all - before.all)
        };
        share().map_or("unknown".into(), |share| format!("{}.{} %", share / 10, share % 10))
    }
}

fn first_or_unknown(fact: Option<String>) -> String {
    fact.unwrap_or_else(|| "unknown".into())
}

fn read(path: &str) -> String {
    first_or_unknown(fs::read_to_string(path).ok().map(|text| text.trim().to_owned()))
}

fn processor() -> Option<String> {
    field("/proc/cpuinfo", "model name")
}

fn memory() -> Option<String> {
    let total = field("/proc/meminfo", "MemTotal")?;
    let kib: u64 = total.split(' ').next()?.parse().ok()?;
    Some(format!("{} MiB", kib >> 10))
}

/// Reads a field from a file of `name: value` lines.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// Returns the file system type of a folder: that of the longest mount point above it.
fn file_system(dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let above = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (mount_point, kind) = (words.next()?, words.next()?);
        dir.starts_with(mount_point).then_some((mount_point.len(), kind))
    });
    above.max_by_key(|(length, _)| *length).map(|(_, kind)| kind.to_owned())
}
