use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use tun_rs::{DeviceBuilder, SyncDevice};

use super::ip;
use crate::namespaces;

const DEVICE: &str = "line0";

/// Packets that may wait for the emulator. Long, because only the emulator's own queues should drop packets.
const DEVICE_QUEUE: &str = "10000";

/// A network namespace; deleted when it is dropped.
#[derive(Debug)]
pub(super) struct Namespace(String);

impl Namespace {
    /// Creates a namespace with a name of `prefix` and `process`, which separates concurrent processes.
    pub(super) fn make(prefix: &str, process: u32) -> Result<Self> {
        let name = format!("{prefix}-{process}");
        ip(&["netns", "add", &name]).context("cannot create a network namespace")?;
        let namespace = Self(name);
        ip(&["-n", namespace.name(), "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Returns its name.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// Adds the namespace's only link, a TUN device, with an address whose neighbours share the first three bytes.
    pub(super) fn add_device(&self, address: Ipv4Addr) -> Result<SyncDevice> {
        let device = self.inside(|| DeviceBuilder::new().name(DEVICE).build_sync())?;
        let device = device.context("cannot create a TUN device")?;
        let name = self.name();
        ip(&["-n", name, "address", "add", &format!("{address}/24"), "dev", DEVICE])?;
        ip(&["-n", name, "link", "set", DEVICE, "txqueuelen", DEVICE_QUEUE, "up"])?;
        Ok(device)
    }

    /// Runs a closure in a thread in the namespace.
    pub(super) fn inside<T: Send>(&self, run: impl FnOnce() -> T + Send) -> Result<T> {
        namespaces::inside(&self.0, run)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A namespace that cannot be deleted is left for the administrator, who can find it by its name.
        if let Err(error) = ip(&["netns", "delete", &self.0]) {
            eprintln!("{error:#}");
        }
    }
}
