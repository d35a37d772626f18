//! The port on which chunks are given, when somebody else has it or had it a moment ago.

use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use tests::content::TestContent;
use tests::lan::{LanPeer, LanPorts};

/// Listens as programs in the wild do: without allowing others to have the address afterwards.
fn exclusive_listener(host: &str, wire: LanPorts) -> (Socket, SocketAddrV4) {
    let host: Ipv4Addr = host.parse().expect("an address");
    let address = SocketAddrV4::new(host, wire.chunk_port);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&address.into()).and_then(|()| socket.listen(4)).expect("a free port");
    (socket, address)
}

#[test]
fn port_of_an_ended_program_is_waited_for() {
    let (wire, content) = (LanPorts::new(), TestContent::random(420, 5000));
    let (listener, address) = exclusive_listener("127.0.0.2", wire);
    let client = TcpStream::connect(address).expect("somebody who listens");
    // The side that closes first keeps the port, here until the other side ends the connection.
    drop(listener.accept().expect("a connection"));
    drop(listener);
    let ann = LanPeer::start_all(wire, "127.0.0.2", Some(("forest.png", &content)));
    ann.wait_for(&format!(
        "{address} is not free yet: connections of a program that has ended are still closing there (TIME_WAIT); retrying for up to 120 s"
    ));
    assert!(!ann.output().contains("giving chunks"), "{}", ann.output());
    assert!(!ann.output().contains("announcing"), "chunks were announced that nobody could get");
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("an open socket");
    drop(client);
    ann.wait_for(&format!("giving chunks on {address}"));
    ann.wait_for("announcing 5 chunks");
    let mut bob = LanPeer::start_all(wire, "127.0.0.3", None);
    bob.wait_for_chunks("forest", 5);
    bob.type_name("forest");
    bob.wait_for("done\t");
    assert!(bob.has_file("forest", &content), "{}", bob.output());
}

#[test]
fn port_in_use_is_reported_at_once() {
    let wire = LanPorts::new();
    let (_listener, address) = exclusive_listener("127.0.0.2", wire);
    for arguments in [&["upload"][..], &[]] {
        let (home, begun) = (tempfile::tempdir().expect("a folder"), Instant::now());
        let command = wire.command("127.0.0.2", &home.path().join("lan"), arguments);
        let mut ann = LanPeer::start(home, command);
        assert_eq!(ann.wait(), Some(1), "{}", ann.output());
        let line = format!("another program uses {address}; stop it, or choose another with --chunk-port");
        assert!(ann.output().contains(&line), "{}", ann.output());
        assert!(begun.elapsed() < Duration::from_secs(20), "it was waited for");
        assert!(!ann.output().contains("retrying"), "{}", ann.output());
    }
}
