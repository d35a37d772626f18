//! Connections that start and end in unusual ways, at an index and at a node.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use protocol::preamble::{self, PREAMBLE_LEN, Service, Version};
use socket2::{Domain, SockRef, Socket, Type};
use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::TestNetwork;

fn open_descriptors(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).expect("a process").count()
}

/// Opens a connection that is reset at once.
fn connect_and_reset(address: SocketAddr) {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
    socket.connect(&address.into()).expect("a port that accepts");
    socket.set_linger(Some(Duration::ZERO)).expect("an option");
}

#[test]
fn immediately_reset_connections_leak_nothing() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(470, 2 * PIECE_LENGTH);
    let mut sharer = network.start_node(&[("a.bin", &content)]);
    let ids = [network.index.pid(), sharer.peer.process().child().id()];
    let before = ids.map(open_descriptors);
    for _ in 0..2000 {
        connect_and_reset(network.index.address());
        connect_and_reset(sharer.peer.address());
    }
    wait_until("the descriptors to be closed", DEFAULT_TIMEOUT, || {
        ids.map(open_descriptors).iter().zip(before).all(|(now, before)| *now <= before + 4)
    });
    network.start_node(&[]).download(&content);
    let log = fs::read_to_string(sharer.folder.path().join(".peerdex/log/node.log")).expect("a log");
    // Clients cannot flood the log. The index runs at a more verbose log level here.
    let usual = |log: &str| log.lines().filter(|line| !line.contains("DEBUG")).count();
    let lines = (usual(&network.index.log()), usual(&log));
    assert!(lines.0 < 500 && lines.1 < 500, "{lines:?} lines of logs");
}

/// Connects with the smallest segments and receive window that the system permits.
fn connect_with_small_segments(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
    socket.set_tcp_mss(88).expect("an option");
    socket.set_recv_buffer_size(1).expect("an option");
    socket.connect(&address.into()).expect("a port that accepts");
    socket.set_read_timeout(Some(DEFAULT_TIMEOUT)).expect("a timeout");
    socket.into()
}

#[test]
fn short_segments_and_small_windows_change_nothing() {
    let network = TestNetwork::new();
    let mut stream = connect_with_small_segments(network.index.address());
    let bytes = preamble::encode(Service::Index, Version::Two);
    stream.write_all(&bytes).expect("sent");
    let mut answer = [0; PREAMBLE_LEN];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(answer, bytes);
}

#[test]
fn urgent_bytes_end_at_most_their_connection() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(471, 100);
    let sharer = network.start_node(&[("a.bin", &content)]);
    let ports = [(network.index.address(), Service::Index), (sharer.peer.address(), Service::Peer)];
    let urgent = ports.map(|(address, service)| {
        let mut stream = TcpStream::connect(address).expect("a port that accepts");
        for part in preamble::encode(service, Version::Two).chunks(3) {
            SockRef::from(&stream).send_out_of_band(b"!").expect("sent");
            stream.write_all(part).expect("sent");
        }
        stream
    });
    network.start_node(&[]).download(&content);
    drop(urgent);
    assert_eq!(network.index.stop(), Some(0));
}
