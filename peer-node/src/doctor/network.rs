use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::lan::{Announcement, Card, Cookie};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::Finding;
use crate::lan::{announcing_socket, hearing_socket, networks, targets};
use crate::node::Node;

/// How long broadcasts may take to come back.
const ECHO: Duration = Duration::from_secs(1);

/// Says which networks this machine is in.
pub(super) fn interfaces() -> Vec<Finding> {
    let networks = networks();
    if networks.is_empty() {
        let remedy =
            "connect the machine to a network, or work on this machine alone with --listen-host 127.0.0.1";
        return vec![Finding::doubtful("interfaces", "none but loopback".to_owned(), remedy)];
    }
    networks.into_iter().map(|network| Finding::well("interface", network.to_string())).collect()
}

/// Says whether what is told to everybody comes back to us.
pub(super) async fn broadcasts(node: &Node) -> Finding {
    let what = "broadcasts";
    match echo(node).await {
        Ok((sent, came)) if came > 0 => Finding::well(what, format!("{came} of {sent} came back")),
        Ok((sent, _)) => Finding::doubtful(
            what,
            format!("none of {sent} came back"),
            "let UDP in on the announcements' port; without it nodes of this network find each other by an index alone",
        ),
        Err(error) => Finding::doubtful(
            what,
            format!("cannot be sent or heard: {error}"),
            "choose another port with --lan-port, or check that the machine is connected to a network",
        ),
    }
}

async fn echo(node: &Node) -> io::Result<(usize, usize)> {
    let settings = node.lan_settings();
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let cookie = Cookie::from_bytes(bytes);
    let ear = hearing_socket(settings.announce_port)?;
    let voice = announcing_socket(settings.host)?;
    let said = Announcement { card: Some(Card::of(cookie)), ..Announcement::default() }.encode();
    let (mut sent, mut failure) = (0, None);
    for target in targets(settings) {
        match voice.send_to(&said, target).await {
            Ok(_) => sent += 1,
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(failure) if sent == 0 => Err(failure),
        _ => Ok((sent, count_echoes(&ear, &said, sent).await)),
    }
}

async fn count_echoes(ear: &UdpSocket, said: &[u8], sent: usize) -> usize {
    let (mut came, deadline, mut bytes) = (0, Instant::now() + ECHO, vec![0; said.len() + 1]);
    while came < sent {
        let heard: Result<io::Result<(usize, SocketAddr)>, _> =
            timeout_at(deadline, ear.recv_from(&mut bytes)).await;
        match heard {
            Ok(Ok((count, _))) if bytes.get(..count) == Some(said) => came += 1,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    came
}
