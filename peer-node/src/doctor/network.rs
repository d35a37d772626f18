use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::lan::{Card, Cookie, LanAnnouncement};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::Finding;
use crate::lan::{announce_socket, broadcast_targets, local_networks, receive_socket};
use crate::node::Node;

/// Maximum time for broadcasts to be received back.
const ECHO_TIMEOUT: Duration = Duration::from_secs(1);

/// Lists the networks that this machine is in.
pub(super) fn interfaces() -> Vec<Finding> {
    let networks = local_networks();
    if networks.is_empty() {
        let remedy =
            "connect the machine to a network, or use only this machine with --listen-host 127.0.0.1";
        return vec![Finding::warning("interfaces", "only loopback".to_owned(), remedy)];
    }
    networks.into_iter().map(|network| Finding::ok("interface", network.to_string())).collect()
}

/// Checks whether our broadcasts are received back.
pub(super) async fn broadcasts(node: &Node) -> Finding {
    let what = "broadcasts";
    match measure_echoes(node).await {
        Ok((sent, received)) if received > 0 => Finding::ok(what, format!("{received} of {sent} received")),
        Ok((sent, _)) => Finding::warning(
            what,
            format!("none of {sent} received"),
            "allow incoming UDP on the announcement port; without it nodes on this network find each other only through an index",
        ),
        Err(error) => Finding::warning(
            what,
            format!("cannot be sent or received: {error}"),
            "choose another port with --lan-port, or check that the machine is connected to a network",
        ),
    }
}

async fn measure_echoes(node: &Node) -> io::Result<(usize, usize)> {
    let settings = node.lan_settings();
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let cookie = Cookie::from_bytes(bytes);
    let receiver = receive_socket(settings.announce_port)?;
    let sender = announce_socket(settings.host)?;
    let datagram = LanAnnouncement { card: Some(Card::of(cookie)), ..LanAnnouncement::default() }.encode();
    let (mut sent, mut failure) = (0, None);
    for target in broadcast_targets(settings) {
        match sender.send_to(&datagram, target).await {
            Ok(_) => sent += 1,
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(failure) if sent == 0 => Err(failure),
        _ => Ok((sent, count_echoes(&receiver, &datagram, sent).await)),
    }
}

async fn count_echoes(receiver: &UdpSocket, datagram: &[u8], sent: usize) -> usize {
    let (mut echoes, deadline, mut bytes) = (0, Instant::now() + ECHO_TIMEOUT, vec![0; datagram.len() + 1]);
    while echoes < sent {
        let result: Result<io::Result<(usize, SocketAddr)>, _> =
            timeout_at(deadline, receiver.recv_from(&mut bytes)).await;
        match result {
            Ok(Ok((count, _))) if bytes.get(..count) == Some(datagram) => echoes += 1,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    echoes
}
