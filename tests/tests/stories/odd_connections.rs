//! Connections that begin and end oddly, at an index and at a node.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use protocol::preamble::{self, PREAMBLE_LEN, Service, Version};
use socket2::{Domain, SockRef, Socket, Type};
use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::network::Network;

fn descriptors(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).expect("a process").count()
}

/// Makes a connection that is reset as soon as it is there.
fn connect_and_reset(address: SocketAddr) {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
    socket.connect(&address.into()).expect("a port that accepts");
    socket.set_linger(Some(Duration::ZERO)).expect("an option");
}

#[test]
fn connections_that_are_reset_at_once_leave_nothing_behind() {
    let mut network = Network::new();
    let content = Content::random(470, 2 * PIECE);
    let mut sharer = network.node(&[("a.bin", &content)]);
    let ids = [network.index.id(), sharer.peer.process().child().id()];
    let before = ids.map(descriptors);
    for _ in 0..2000 {
        connect_and_reset(network.index.address());
        connect_and_reset(sharer.peer.address());
    }
    until("the descriptors to be closed", SOON, || {
        ids.map(descriptors).iter().zip(before).all(|(now, before)| *now <= before + 4)
    });
    network.node(&[]).fetch(&content);
    let log = fs::read_to_string(sharer.home.path().join(".peerdex/log/node.log")).expect("a log");
    // Strangers do not push everything else out of a log. The index was told to log what it usually does not.
    let usual = |log: &str| log.lines().filter(|line| !line.contains("DEBUG")).count();
    let lines = (usual(&network.index.log()), usual(&log));
    assert!(lines.0 < 500 && lines.1 < 500, "{lines:?} lines of logs");
}

/// Connects with segments as short as the system lets them be, and room for few of them.
fn connect_narrowly(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
    socket.set_tcp_mss(88).expect("an option");
    socket.set_recv_buffer_size(1).expect("an option");
    socket.connect(&address.into()).expect("a port that accepts");
    socket.set_read_timeout(Some(SOON)).expect("a timeout");
    socket.into()
}

#[test]
fn short_segments_and_small_windows_change_nothing() {
    let network = Network::new();
    let mut stream = connect_narrowly(network.index.address());
    let bytes = preamble::encode(Service::Index, Version::Two);
    stream.write_all(&bytes).expect("sent");
    let mut answer = [0; PREAMBLE_LEN];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(answer, bytes);
}

#[test]
fn urgent_bytes_cost_at_most_their_own_connection() {
    let mut network = Network::new();
    let content = Content::random(471, 100);
    let sharer = network.node(&[("a.bin", &content)]);
    let ports = [(network.index.address(), Service::Index), (sharer.peer.address(), Service::Peer)];
    let urgent = ports.map(|(address, service)| {
        let mut stream = TcpStream::connect(address).expect("a port that accepts");
        for part in preamble::encode(service, Version::Two).chunks(3) {
            SockRef::from(&stream).send_out_of_band(b"!").expect("sent");
            stream.write_all(part).expect("sent");
        }
        stream
    });
    network.node(&[]).fetch(&content);
    drop(urgent);
    assert_eq!(network.index.stop(), Some(0));
}
