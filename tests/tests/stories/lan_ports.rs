//! The chunk port, when another program uses it or used it a moment ago.

use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use tests::content::TestContent;
use tests::lan::{LanPeer, LanPorts};

/// Listens as existing programs do: without allowing reuse of the address afterwards.
fn exclusive_listener(host: &str, ports: LanPorts) -> (Socket, SocketAddrV4) {
    let host: Ipv4Addr = host.parse().expect("an address");
    let address = SocketAddrV4::new(host, ports.chunk_port);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&address.into()).and_then(|()| socket.listen(4)).expect("a free port");
    (socket, address)
}

#[test]
fn port_of_an_ended_program_is_waited_for() {
    let (ports, content) = (LanPorts::new(), TestContent::random(420, 5000));
    let (listener, address) = exclusive_listener("127.0.0.2", ports);
    let client = TcpStream::connect(address).expect("a listening uploader");
    // The side that closes first keeps the port, here until the other side closes the connection.
    drop(listener.accept().expect("a connection"));
    drop(listener);
    let ann = LanPeer::start_all(ports, "127.0.0.2", Some(("forest.png", &content)));
    ann.wait_for(&format!(
        "{address} is not free yet: connections of a program that has ended are still closing there (TIME_WAIT); retrying for up to 120 s"
    ));
    assert!(!ann.output().contains("serving chunks"), "{}", ann.output());
    assert!(!ann.output().contains("announcing"), "chunks were announced before they could be served");
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("an open socket");
    drop(client);
    ann.wait_for(&format!("serving chunks on {address}"));
    ann.wait_for("announcing 5 chunks");
    let mut bob = LanPeer::start_all(ports, "127.0.0.3", None);
    bob.wait_for_chunks("forest", 5);
    bob.type_name("forest");
    bob.wait_for("done\t");
    assert!(bob.has_file("forest", &content), "{}", bob.output());
}

#[test]
fn port_in_use_is_reported_at_once() {
    let ports = LanPorts::new();
    let (_listener, address) = exclusive_listener("127.0.0.2", ports);
    for arguments in [&["upload"][..], &[]] {
        let (folder, start) = (tempfile::tempdir().expect("a folder"), Instant::now());
        let command = ports.command("127.0.0.2", &folder.path().join("lan"), arguments);
        let mut ann = LanPeer::start(folder, command);
        assert_eq!(ann.wait(), Some(1), "{}", ann.output());
        let line = format!("another program uses {address}; stop it, or choose another with --chunk-port");
        assert!(ann.output().contains(&line), "{}", ann.output());
        assert!(start.elapsed() < Duration::from_secs(20), "the program waited for the port");
        assert!(!ann.output().contains("retrying"), "{}", ann.output());
    }
}
