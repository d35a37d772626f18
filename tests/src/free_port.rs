//! Ports for programs that cannot choose one themselves.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Below these are services, above them the ports that systems give to outgoing connections.
const FIRST_PORT: u16 = 20_000;
const PORT_COUNT: u16 = 12_000;

static NEXT_OFFSET: AtomicU16 = AtomicU16::new(0);

/// Held while a port is tried, and while a process is started: until it becomes another program, a child has our sockets
/// open, and would keep a port that was only tried.
static PORT_CHECK: Mutex<()> = Mutex::new(());

/// Lets no port be tried while the returned value lives.
pub(crate) fn block_port_checks() -> MutexGuard<'static, ()> {
    PORT_CHECK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Finds a port that is free for TCP and UDP and that nobody else in this process is given.
///
/// It is outside the range of outgoing connections, so that none of them takes it before the program does.
pub fn free_port() -> u16 {
    // Programs that run side by side begin at different ports.
    let offset = process::id().wrapping_mul(997) % u32::from(PORT_COUNT);
    for _ in 0..PORT_COUNT {
        let number = u32::from(NEXT_OFFSET.fetch_add(1, Ordering::Relaxed)) + offset;
        let port = FIRST_PORT + u16::try_from(number % u32::from(PORT_COUNT)).expect("less than the count");
        let place = (Ipv4Addr::UNSPECIFIED, port);
        let _alone = block_port_checks();
        if TcpListener::bind(place).is_ok() && UdpSocket::bind(place).is_ok() {
            return port;
        }
    }
    panic!("no port is free from {FIRST_PORT} on");
}
