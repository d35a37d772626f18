//! Free ports for programs that cannot choose one themselves.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Above the ports of services and below the range of outgoing connections.
const FIRST_PORT: u16 = 20_000;
const PORT_COUNT: u16 = 12_000;

static NEXT_OFFSET: AtomicU16 = AtomicU16::new(0);

/// Held while a port is tested and while a process is started: until it has executed its program, a child process
/// inherits our sockets and would keep a tested port open.
static PORT_CHECK: Mutex<()> = Mutex::new(());

/// Blocks port tests while the returned value lives.
pub(crate) fn block_port_checks() -> MutexGuard<'static, ()> {
    PORT_CHECK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a port that is free for TCP and UDP and is not returned again in this process.
///
/// The port is outside the range of outgoing connections, so none of them takes it before the program does.
pub fn free_port() -> u16 {
    // Concurrent test programs begin at different ports.
    let offset = process::id().wrapping_mul(997) % u32::from(PORT_COUNT);
    for _ in 0..PORT_COUNT {
        let number = u32::from(NEXT_OFFSET.fetch_add(1, Ordering::Relaxed)) + offset;
        let port =
            FIRST_PORT + u16::try_from(number % u32::from(PORT_COUNT)).expect("a remainder below the count");
        let address = (Ipv4Addr::UNSPECIFIED, port);
        let _guard = block_port_checks();
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return port;
        }
    }
    panic!("no port is free from {FIRST_PORT} on");
}
