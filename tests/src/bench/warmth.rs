//! Free memory that stays backed. A virtual machine may return free pages to its host. Touching such a page again costs
//! more than the work done with it, and how often that happens in a run is chance.
//!
//! A file in memory is written and then freed except for one page in each [`BLOCK_SIZE`], so that no block of the size
//! that is returned to the host is ever completely free.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};

use super::byte_size::ByteSize;
use super::interrupt;
use super::options::TransferOptions;
use super::process_group::ProcessGroup;
use crate::output_lines::OutputLines;

const BLOCK_SIZE: u64 = 2 << 20;
const PAGE_SIZE: u64 = 4 << 10;
const READY_TIMEOUT: Duration = Duration::from_mins(2);

/// Keeps memory backed until it is dropped.
#[derive(Debug)]
pub(super) enum MemoryWarmth {
    /// Nothing.
    None,
    /// One page per block of a file in memory.
    Held { _pages: File, size: ByteSize },
    /// A command.
    Command { _running: ProcessGroup, line: String },
}

impl MemoryWarmth {
    /// Warms memory as configured.
    pub(super) fn begin(options: &TransferOptions) -> Result<Self> {
        if let Some(command) = &options.keep_warm {
            return Self::start_command(command);
        }
        let size = match options.warm {
            Some(size) => size.0,
            None => free_memory()? / 4 * 3,
        };
        if size < BLOCK_SIZE { Ok(Self::None) } else { Self::hold_pages(size / BLOCK_SIZE) }
    }

    fn hold_pages(blocks: u64) -> Result<Self> {
        let file = File::from(
            memfd_create("warmth", MemfdFlags::CLOEXEC).context("cannot create a file in memory")?,
        );
        let block = vec![1; usize::try_from(BLOCK_SIZE)?];
        for _ in 0..blocks {
            interrupt::check()?;
            (&file).write_all(&block).context("cannot allocate the memory to keep backed")?;
        }
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        for at in 0..blocks {
            fallocate(&file, hole, at * BLOCK_SIZE + PAGE_SIZE, BLOCK_SIZE - PAGE_SIZE)?;
        }
        Ok(Self::Held { _pages: file, size: ByteSize(blocks * BLOCK_SIZE) })
    }

    fn start_command(line: &str) -> Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {line}")]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut group = ProcessGroup::spawn(command)?;
        let output = OutputLines::collect(group.child().stdout.take().context("no pipe")?);
        if interrupt::wait(READY_TIMEOUT, |slice| output.find(0, slice, |_| true))?.is_none() {
            bail!("{line:?} did not print that it is ready");
        }
        Ok(Self::Command { _running: group, line: line.into() })
    }

    /// Describes the state of free memory in a few words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::None => "as it is".into(),
            Self::Held { size, .. } => format!("{:.1} GiB kept backed", gib(size.0)),
            Self::Command { line, .. } => format!("kept backed by `{line}`"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

fn free_memory() -> Result<u64> {
    let about = fs::read_to_string("/proc/meminfo")?;
    let line = about.lines().find_map(|line| line.strip_prefix("MemFree:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.map(|kib| kib << 10).context("/proc/meminfo does not report the free memory")
}
