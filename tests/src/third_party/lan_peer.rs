//! A peer of the LAN dialect as it is found in the wild: it announces plain lists, and answers with raw bytes or in JSON.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::eventually::DEFAULT_TIMEOUT;
use crate::lan::{BROADCAST_ADDRESS, LanPorts};

/// What it does with a request for a chunk.
#[derive(Debug, Clone)]
pub enum ChunkResponse {
    /// Sends the bytes and closes.
    SendsBytes(Vec<u8>),
    /// Closes at once: it has not got it.
    Disconnects,
    /// Sends the bytes in crumbs.
    SendsSlowly(Vec<u8>),
    /// Sends the bytes and waits until the other side closes.
    KeepsOpen(Vec<u8>),
}

/// A scripted peer on an address of loopback.
#[derive(Debug)]
pub struct ScriptedLanPeer {
    ports: LanPorts,
    socket: UdpSocket,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ScriptedLanPeer {
    /// Starts one that has some chunks; its thread ends with the program.
    pub fn start(wire: LanPorts, host: IpAddr, chunks: BTreeMap<String, ChunkResponse>) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(host, 0)).expect("a socket");
        socket.set_broadcast(true).expect("a socket that broadcasts");
        let listener = TcpListener::bind(SocketAddr::new(host, wire.chunk_port)).expect("a free port");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer_request(stream, &chunks, &heard);
            }
        });
        Self { ports: wire, socket, requests: asked }
    }

    /// Sends a datagram to everybody.
    pub fn broadcast(&self, bytes: &[u8]) {
        let everybody = (BROADCAST_ADDRESS, self.ports.announce_port);
        // What nobody hears, or is too long to be sent, is no trouble of the peer's.
        let _ = self.socket.send_to(bytes, everybody);
    }

    /// Announces chunks as programs in the wild do.
    pub fn announce(&self, chunks: &[&str]) {
        self.broadcast(serde_json::json!({ "chunks": chunks }).to_string().as_bytes());
    }

    /// Returns what was asked for so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no thread panics with it").clone()
    }
}

fn answer_request(
    mut stream: TcpStream,
    chunks: &BTreeMap<String, ChunkResponse>,
    asked: &Mutex<Vec<String>>,
) {
    let mut bytes = [0; 1024];
    stream.set_read_timeout(Some(DEFAULT_TIMEOUT)).expect("a time limit");
    // As programs in the wild do: one read is one request.
    let Ok(count) = stream.read(&mut bytes) else { return };
    let request: serde_json::Value = serde_json::from_slice(&bytes[..count]).unwrap_or_default();
    // Those of 2026 know no other key than the one with a blank.
    let json = request["requested content"].as_str();
    let wanted = json.or(request["requested_content"].as_str()).unwrap_or("no request").to_owned();
    let conduct = chunks.get(&wanted).cloned();
    asked.lock().expect("no thread panics with it").push(wanted);
    match conduct {
        Some(ChunkResponse::SendsBytes(bytes)) => drop(stream.write_all(&bytes)),
        Some(ChunkResponse::SendsSlowly(bytes)) => {
            for crumb in bytes.chunks(97) {
                let _ = stream.write_all(crumb).and_then(|()| stream.flush());
            }
        }
        Some(ChunkResponse::KeepsOpen(reply)) => {
            let _ = stream.write_all(&reply).and_then(|()| stream.read(&mut bytes));
        }
        Some(ChunkResponse::Disconnects) | None => {}
    }
    let _ = stream.shutdown(Shutdown::Write);
}

/// Writes a reply as the programs of 2025 and 2026 do: Python's `json.dumps` of an object with the chunk in base64.
pub fn json_reply(name_key: &str, chunk: &str, bytes: &[u8]) -> Vec<u8> {
    format!(r#"{{"{name_key}": "{chunk}", "data": "{}"}}"#, STANDARD.encode(bytes)).into_bytes()
}

/// Asks somebody for something as programs in the wild do, and reads to the end.
pub fn request_chunk(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("somebody who listens");
    stream.set_read_timeout(Some(DEFAULT_TIMEOUT)).expect("a time limit");
    stream.write_all(request).expect("somebody who reads");
    let mut bytes = Vec::new();
    // Whoever is refused may find the connection broken.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}
