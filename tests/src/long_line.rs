//! Hosts on emulated long lines. Each host is a network namespace with one TUN device. One thread carries packets
//! between the devices, with a rate in each direction, a delay, random loss and a bounded queue.
//!
//! This requires only `/dev/net/tun` and the permission to create namespaces; no traffic leaves the machine.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, process};

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

mod carrier;
mod congestion;
mod emulator;
mod line_config;
mod meter;
mod namespace;
mod timeliness;

pub use congestion::CongestionAlgorithm;
pub use line_config::LineConfig;
pub use meter::{LineMeter, MeterReading};
pub use timeliness::Timeliness;

use carrier::Carrier;
use emulator::Emulator;
use namespace::Namespace;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A running network of hosts on long lines; removed when it is dropped.
#[derive(Debug)]
pub struct LongLines {
    // Dropped before the namespaces that contain the devices.
    carrier: Carrier,
    hosts: Vec<(Namespace, Ipv4Addr)>,
    meter: Arc<LineMeter>,
}

/// Returns why this process cannot emulate long lines, or `None` if it can.
pub fn unavailable_reason() -> Option<String> {
    if !geteuid().is_root() {
        return Some("network namespaces need root".into());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("there is no /dev/net/tun".into());
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let probe = Namespace::make(&format!("pdl{number}-probe"), process::id());
    probe.err().map(|error| format!("{error:#}"))
}

impl LongLines {
    /// Creates a host per line. `network` holds the first three bytes of the addresses; the hosts are numbered from 1.
    /// All hosts use `congestion` by default.
    pub fn new(network: [u8; 3], lines: &[LineConfig], congestion: CongestionAlgorithm) -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let [a, b, c] = network;
        let (mut hosts, mut devices) = (Vec::new(), Vec::new());
        for (host, _) in (1..).zip(lines) {
            let namespace = Namespace::make(&format!("pdl{number}-{host}"), process::id())?;
            let address = Ipv4Addr::new(a, b, c, host);
            devices.push(namespace.add_device(address)?);
            congestion.set_default_in(&namespace)?;
            hosts.push((namespace, address));
        }
        let placed = hosts.iter().map(|(_, address)| *address).zip(lines.iter().copied());
        let meter = Arc::new(LineMeter::default());
        let carrier = Carrier::start(Emulator::new(placed, u64::from(number)), devices, Arc::clone(&meter))?;
        Ok(Self { carrier, hosts, meter })
    }

    /// Returns the address of a host, counted from 0.
    pub fn address(&self, host: usize) -> Ipv4Addr {
        self.hosts[host].1
    }

    /// Returns a command that runs a program on a host.
    pub fn command(&self, host: usize, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.hosts[host].0.name()]).arg(program);
        command
    }

    /// Runs a closure in a thread on a host, so that its sockets are the host's.
    pub fn inside<T: Send>(&self, host: usize, run: impl FnOnce() -> T + Send) -> Result<T> {
        self.hosts[host].0.inside(run)
    }

    /// Returns the meter of the lines.
    pub fn meter(&self) -> &LineMeter {
        &self.meter
    }

    /// Returns true if the thread that carries packets is running.
    pub fn is_running(&self) -> bool {
        self.carrier.is_running()
    }
}

/// Returns a TCP setting of the system, e.g. `tcp_rmem`.
pub fn tcp_setting(name: &str) -> Result<String> {
    let path = format!("/proc/sys/net/ipv4/{name}");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Runs `ip`; an error contains its standard error.
fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output().context("cannot run ip")?;
    if !output.status.success() {
        bail!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
