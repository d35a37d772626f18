use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::process::Command;

use crate::namespaces::{self, NamespaceNetwork};

/// The place where programs run: the loopback, or a network namespace with its own address.
#[derive(Debug, Clone)]
pub struct NetworkLocation {
    namespace: Option<String>,
    address: Ipv4Addr,
}

impl Default for NetworkLocation {
    fn default() -> Self {
        Self { namespace: None, address: Ipv4Addr::LOCALHOST }
    }
}

impl NetworkLocation {
    /// Returns the location of a host of a network.
    pub fn in_namespace(network: &NamespaceNetwork, number: usize) -> Self {
        Self { namespace: Some(network.namespace(number).to_owned()), address: network.address(number) }
    }

    /// Returns the address.
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Returns true for the loopback.
    pub const fn is_loopback(&self) -> bool {
        self.namespace.is_none()
    }

    /// Returns a command that runs a program at this location.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let Some(namespace) = &self.namespace else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program);
        command
    }

    /// Runs a closure whose sockets are at this location.
    pub fn inside<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        match &self.namespace {
            None => run(),
            Some(namespace) => namespaces::inside(namespace, run).expect("an existing namespace"),
        }
    }
}
