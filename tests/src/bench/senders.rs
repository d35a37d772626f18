//! The senders of one run.

use std::any::Any;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;

use super::cpu_time;
use super::process_group::ProcessGroup;

/// Running senders; they end when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Senders {
    /// The addresses that the receiver needs.
    pub(super) addresses: Vec<SocketAddr>,
    pids: Vec<u32>,
    processes: Vec<Box<dyn Any>>,
}

impl Senders {
    /// Adds a running process and the value that owns it.
    pub(super) fn add(&mut self, pid: u32, running: impl Any) {
        self.pids.push(pid);
        self.processes.push(Box::new(running));
    }

    /// Starts a program and discards its output.
    pub(super) fn start(&mut self, mut command: Command) -> Result<()> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let group = ProcessGroup::spawn(command)?;
        self.add(group.id(), group);
        Ok(())
    }

    /// Returns the CPU time that all senders have used so far.
    pub(super) fn cpu_time(&self) -> Result<Duration> {
        cpu_time::of_trees(&self.pids)
    }
}
