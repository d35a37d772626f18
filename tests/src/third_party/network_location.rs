use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::process::Command;

use crate::namespaces::{self, NamespaceNetwork};

/// Where programs run: on the loopback, or in a network namespace with an address that is none of the loopback's.
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
    /// Takes a host of a network for the place.
    pub fn in_namespace(network: &NamespaceNetwork, number: usize) -> Self {
        Self { namespace: Some(network.namespace(number).to_owned()), address: network.address(number) }
    }

    /// Gives the address.
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Says whether it is the loopback.
    pub const fn is_loopback(&self) -> bool {
        self.namespace.is_none()
    }

    /// Makes a command that runs a program there.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let Some(namespace) = &self.namespace else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program);
        command
    }

    /// Runs a closure whose sockets are to be there.
    pub fn inside<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        match &self.namespace {
            None => run(),
            Some(namespace) => namespaces::inside(namespace, run).expect("a namespace that was made"),
        }
    }
}
