//! A local network for one story: network namespaces on a bridge.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::panic;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Hosts `10.99.0.1`, `10.99.0.2`, … on one isolated network; removed when this is dropped.
#[derive(Debug)]
pub struct NamespaceNetwork {
    bridge: String,
    hosts: Vec<String>,
}

impl NamespaceNetwork {
    /// Creates a network. Prints that the story is skipped if this process may not create one.
    pub fn new(hosts: u8) -> Option<Self> {
        let prefix = format!("pdx{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut network = Self { bridge: format!("{prefix}-sw"), hosts: Vec::new() };
        let switch = network.bridge.clone();
        if !ip(&["netns", "add", &switch]) {
            eprintln!(
                "SKIPPED: cannot create a network namespace here, so a network of several hosts is NOT tested"
            );
            return None;
        }
        let mut works = ip(&["-n", &switch, "link", "add", "bridge", "type", "bridge"])
            && ip(&["-n", &switch, "link", "set", "bridge", "up"]);
        for number in 1..=hosts {
            let (host, port) = (format!("{prefix}-{number}"), format!("port{number}"));
            works = works && ip(&["netns", "add", &host]);
            network.hosts.push(host.clone());
            works = works
                && ip(&[
                    "-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "lan0", "netns",
                    &host,
                ])
                && ip(&["-n", &switch, "link", "set", &port, "master", "bridge", "up"])
                && ip(&[
                    "-n",
                    &host,
                    "addr",
                    "add",
                    &format!("10.99.0.{number}/24"),
                    "brd",
                    "+",
                    "dev",
                    "lan0",
                ])
                && ip(&["-n", &host, "link", "set", "lan0", "up"])
                && ip(&["-n", &host, "link", "set", "lo", "up"]);
        }
        if !works {
            eprintln!("SKIPPED: cannot create a bridge here, so a network of several hosts is NOT tested");
            return None;
        }
        Some(network)
    }

    /// Returns the name of a host's namespace, counted from 0.
    pub fn namespace(&self, number: usize) -> &str {
        &self.hosts[number]
    }

    /// Returns the address of a host.
    pub fn address(&self, number: usize) -> Ipv4Addr {
        let last = u8::try_from(number + 1).expect("a small network");
        Ipv4Addr::new(10, 99, 0, last)
    }

    /// Disconnects a host from the network without its link going down, or connects it again.
    pub fn set_plugged(&self, number: usize, is_plugged: bool) {
        let port = format!("port{}", number + 1);
        let mut arguments = vec!["-n", self.bridge.as_str(), "link", "set", port.as_str()];
        arguments.extend(if is_plugged { &["master", "bridge"][..] } else { &["nomaster"] });
        assert!(ip(&arguments), "{arguments:?}");
    }

    /// Isolates hosts from each other but not from the other hosts, or ends that isolation.
    pub fn set_isolated(&self, numbers: &[usize], is_isolated: bool) {
        for number in numbers {
            let (port, state) = (format!("port{}", number + 1), if is_isolated { "on" } else { "off" });
            let arguments =
                ["-n", &self.bridge, "link", "set", &port, "type", "bridge_slave", "isolated", state];
            assert!(ip(&arguments), "{arguments:?}");
        }
    }
}

impl Drop for NamespaceNetwork {
    fn drop(&mut self) {
        for name in self.hosts.iter().chain([&self.bridge]) {
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

/// Runs a closure in a thread in a namespace, so that its sockets belong to the namespace.
pub fn inside<T: Send>(namespace: &str, run: impl FnOnce() -> T + Send) -> Result<T> {
    let path = format!("/run/netns/{namespace}");
    let file = File::open(&path).with_context(|| format!("cannot open {path}"))?;
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(run())
        });
        inside.join().unwrap_or_else(|reason| panic::resume_unwind(reason))
    })
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).output().is_ok_and(|output| output.status.success())
}
