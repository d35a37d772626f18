//! The sockets of the LAN dialect, and the targets of broadcasts.

use std::fmt;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::sync::mpsc;

use super::port_holders::is_only_closing;
use super::{LanEvent, LanSettings};
use crate::platform::share_port;

/// Maximum number of connections waiting to be accepted.
const BACKLOG: u32 = 64;

/// Interval between attempts to bind a port that is held by closing connections.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Maximum number of attempts: twice as long as the kernel keeps such connections.
const MAX_RETRIES: u32 = 120;

/// The kernel's routing table.
const ROUTES: &str = "/proc/net/route";

/// Creates the socket from which announcements are sent.
pub(crate) fn announce_socket(host: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_broadcast(true)?;
    bind_nonblocking(&socket, SocketAddrV4::new(host, 0))?;
    UdpSocket::from_std(socket.into())
}

/// Creates a socket that receives announcements. Other processes of this machine may listen on the same port.
pub(crate) fn receive_socket(port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    share_port(&socket)?;
    socket.set_broadcast(true)?;
    bind_nonblocking(&socket, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))?;
    UdpSocket::from_std(socket.into())
}

fn bind_nonblocking(socket: &Socket, address: SocketAddrV4) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())
}

/// Listens for chunk requests. Waits while the port is held only by closing connections; any other error is returned at
/// once.
pub(crate) async fn chunk_listener(
    settings: &LanSettings,
    events: &mpsc::Sender<LanEvent>,
) -> io::Result<TcpListener> {
    let address = SocketAddrV4::new(settings.host, settings.chunk_port);
    let (mut retries, mut is_last) = (0, false);
    loop {
        match listen(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && !is_last => {
                // The kernel releases the port of closing connections after a while; other holders keep it.
                if retries < MAX_RETRIES && is_only_closing(address) {
                    if retries == 0 {
                        let _ = events
                            .send(LanEvent::PortClosing { address, max_wait: RETRY_INTERVAL * MAX_RETRIES })
                            .await;
                    }
                    retries += 1;
                    tokio::time::sleep(RETRY_INTERVAL).await;
                } else {
                    // The connections may have ended between the attempt and the check.
                    is_last = true;
                }
            }
            listening => return listening,
        }
    }
}

fn listen(address: SocketAddrV4) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address.into())?;
    socket.listen(BACKLOG)
}

/// Returns the targets of announcements: the configured address, or the broadcast addresses of all directly connected
/// networks. 255.255.255.255 reaches only one network, so it is used only if no other address is known.
pub(crate) fn broadcast_targets(settings: &LanSettings) -> Vec<SocketAddrV4> {
    let mut hosts = match settings.broadcast {
        Some(broadcast) => vec![broadcast],
        None => local_networks().into_iter().map(|network| network.broadcast).collect(),
    };
    if hosts.is_empty() {
        hosts.push(Ipv4Addr::BROADCAST);
    }
    hosts.into_iter().map(|host| SocketAddrV4::new(host, settings.announce_port)).collect()
}

/// A directly connected network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalNetwork {
    interface: String,
    address: Ipv4Addr,
    prefix_len: u32,
    broadcast: Ipv4Addr,
}

impl fmt::Display for LocalNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}/{}, broadcast {}", self.interface, self.address, self.prefix_len, self.broadcast)
    }
}

/// Maximum number of networks to report.
const MAX_NETWORKS: usize = 16;

/// Returns the directly connected networks that have a broadcast address.
pub(crate) fn local_networks() -> Vec<LocalNetwork> {
    parse_networks(&fs::read_to_string(ROUTES).unwrap_or_default())
}

fn parse_networks(routes: &str) -> Vec<LocalNetwork> {
    let mut found: Vec<LocalNetwork> = Vec::new();
    for route in routes.lines().skip(1) {
        let fields: Vec<&str> = route.split_whitespace().collect();
        let [interface, network, gateway, _, _, _, _, mask, ..] = fields.as_slice() else { continue };
        let read = |text: &str| u32::from_str_radix(text, 16).map(u32::from_be).ok();
        let (Some(network), Some(0), Some(mask)) = (read(network), read(gateway), read(mask)) else {
            continue;
        };
        let (broadcast, bits) = (Ipv4Addr::from_bits(network | !mask), mask.leading_ones());
        let is_known = found.iter().any(|known| known.broadcast == broadcast);
        // A network of one or two addresses has no broadcast address, and the default route is not a network.
        if bits < 31 && mask != 0 && !is_known && found.len() < MAX_NETWORKS {
            let (interface, address) = ((*interface).to_owned(), Ipv4Addr::from_bits(network));
            found.push(LocalNetwork { interface, address, prefix_len: bits, broadcast });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directly_connected_networks_are_listed() {
        let head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
        let routes = format!(
            "{head}eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
             eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
             tun0\t0100000A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n\
             eth1\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\nbroken\n"
        );
        // The kernel writes addresses as integers in native byte order.
        if cfg!(target_endian = "little") {
            let shown: Vec<String> = parse_networks(&routes).iter().map(ToString::to_string).collect();
            let expected = [
                "eth0 in 192.168.1.0/24, broadcast 192.168.1.255",
                "eth1 in 10.0.0.0/8, broadcast 10.255.255.255",
            ];
            assert_eq!(shown, expected);
        }
        assert_eq!((parse_networks(head), parse_networks("")), (Vec::new(), Vec::new()));
    }
}
