//! A scripted LAN peer that behaves like existing programs: it announces plain lists and replies with raw bytes or
//! JSON.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::eventually::DEFAULT_TIMEOUT;
use crate::lan::{BROADCAST_ADDRESS, LanPorts};

/// The reaction to a request for a chunk.
#[derive(Debug, Clone)]
pub enum ChunkResponse {
    /// Sends the bytes and closes.
    SendsBytes(Vec<u8>),
    /// Closes at once, since it does not have the chunk.
    Disconnects,
    /// Sends the bytes in tiny parts.
    SendsSlowly(Vec<u8>),
    /// Sends the bytes and waits until the other side closes.
    KeepsOpen(Vec<u8>),
}

/// A scripted peer on a loopback address.
#[derive(Debug)]
pub struct ScriptedLanPeer {
    ports: LanPorts,
    socket: UdpSocket,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ScriptedLanPeer {
    /// Starts a peer that has some chunks. Its thread ends with the program.
    pub fn start(ports: LanPorts, host: IpAddr, chunks: BTreeMap<String, ChunkResponse>) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(host, 0)).expect("a socket");
        socket.set_broadcast(true).expect("a socket that broadcasts");
        let listener = TcpListener::bind(SocketAddr::new(host, ports.chunk_port)).expect("a free port");
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let recorded = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer_request(stream, &chunks, &recorded);
            }
        });
        Self { ports, socket, requests }
    }

    /// Broadcasts a datagram.
    pub fn broadcast(&self, bytes: &[u8]) {
        let destination = (BROADCAST_ADDRESS, self.ports.announce_port);
        // A datagram that has no receivers or is too long is not an error of the peer.
        let _ = self.socket.send_to(bytes, destination);
    }

    /// Announces chunks as existing programs do.
    pub fn announce(&self, chunks: &[&str]) {
        self.broadcast(serde_json::json!({ "chunks": chunks }).to_string().as_bytes());
    }

    /// Returns the requests received so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no thread panics with it").clone()
    }
}

fn answer_request(
    mut stream: TcpStream,
    chunks: &BTreeMap<String, ChunkResponse>,
    requests: &Mutex<Vec<String>>,
) {
    let mut bytes = [0; 1024];
    stream.set_read_timeout(Some(DEFAULT_TIMEOUT)).expect("a time limit");
    // Like existing programs: one read is one request.
    let Ok(count) = stream.read(&mut bytes) else { return };
    let request: serde_json::Value = serde_json::from_slice(&bytes[..count]).unwrap_or_default();
    // Programs of 2026 know only the key with a blank.
    let json = request["requested content"].as_str();
    let wanted = json.or(request["requested_content"].as_str()).unwrap_or("no request").to_owned();
    let response = chunks.get(&wanted).cloned();
    requests.lock().expect("no thread panics with it").push(wanted);
    match response {
        Some(ChunkResponse::SendsBytes(bytes)) => drop(stream.write_all(&bytes)),
        Some(ChunkResponse::SendsSlowly(bytes)) => {
            for part in bytes.chunks(97) {
                let _ = stream.write_all(part).and_then(|()| stream.flush());
            }
        }
        Some(ChunkResponse::KeepsOpen(reply)) => {
            let _ = stream.write_all(&reply).and_then(|()| stream.read(&mut bytes));
        }
        Some(ChunkResponse::Disconnects) | None => {}
    }
    let _ = stream.shutdown(Shutdown::Write);
}

/// Returns a reply like those of the programs of 2025 and 2026: Python's `json.dumps` of an object with the chunk in
/// base64.
pub fn json_reply(name_key: &str, chunk: &str, bytes: &[u8]) -> Vec<u8> {
    format!(r#"{{"{name_key}": "{chunk}", "data": "{}"}}"#, STANDARD.encode(bytes)).into_bytes()
}

/// Requests a chunk as existing programs do, and reads until the connection closes.
pub fn request_chunk(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("a listening peer");
    stream.set_read_timeout(Some(DEFAULT_TIMEOUT)).expect("a time limit");
    stream.write_all(request).expect("a peer that reads");
    let mut bytes = Vec::new();
    // A refused client may find the connection reset.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}
