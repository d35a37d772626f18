//! How a connection's socket is set up.

use std::net::IpAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// The congestion controls for near peers, the best first. What a machine has and allows differs.
const NEAR: [&str; 2] = ["cubic", "reno"];

/// The receive buffer of a connection on this machine, in bytes; the system doubles it.
const LITTLE: usize = 64 << 10;

/// Sets up the socket of a connection to that address. None of it is needed for correctness.
pub(crate) fn tune(stream: &TcpStream, peer: IpAddr) {
    let socket = SockRef::from(stream);
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(20)).with_interval(Duration::from_secs(10));
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
    if is_near(peer.to_canonical()) {
        speed_up(&socket, peer);
    }
}

/// Takes a congestion control that does not pace. One that does, as BBR, which is the default of many machines, is made
/// for long and lossy ways; on a machine or in a local network its timers cost far more than they gain. Measured with
/// `sendfile` over loopback on two busy cores, MB/s and CPU seconds per GiB of the sender and of the receiver: BBR 870, 0.48
/// and 0.45; cubic 3200, 0.14 and 0.20; reno 3370, 0.12 and 0.19. Larger socket buffers changed nothing, so they are left to
/// the system, which grows them as needed.
#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn speed_up(socket: &SockRef<'_>, peer: IpAddr) {
    for name in NEAR {
        match socket.set_tcp_congestion(name.as_bytes()) {
            Ok(()) => return,
            Err(error) => tracing::debug!(%peer, name, %error, "congestion control not taken"),
        }
    }
}

/// Keeps the receive buffer of a connection to a program on this machine small, if that may send with a congestion control
/// that paces. It has something under way all the time then, so it waits for room instead of for its timer, and sends
/// what has gathered meanwhile. Measured with 1 GiB from four rqbit, whose sockets have BBR: 1.92 s instead of 2.13, and 1.33
/// instead of 1.87 CPU seconds of the four; buffers of 256 KiB and more change nothing. The buffer is full again within microseconds
/// here; on a real network it would have to hold what is on its way, so it is left to the system there.
pub(crate) fn take_little(stream: &TcpStream, peer: IpAddr) {
    if peer.to_canonical().is_loopback() {
        let _ = SockRef::from(stream).set_recv_buffer_size(LITTLE);
    }
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn speed_up(_socket: &SockRef<'_>, _peer: IpAddr) {}

/// Says whether an address is on this machine or in its local network.
const fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_this_machine_and_its_local_network() {
        for near in
            ["127.0.0.1", "10.1.2.3", "172.20.0.1", "192.168.1.1", "169.254.0.9", "::1", "fe80::1", "fd00::1"]
        {
            assert!(is_near(near.parse().unwrap()), "{near}");
        }
        for far in ["8.8.8.8", "172.32.0.1", "100.64.0.1", "2001:db8::1"] {
            assert!(!is_near(far.parse().unwrap()), "{far}");
        }
    }
}
