//! A peer of the LAN dialect as it is found in the wild: it announces plain lists, and answers with raw bytes or in JSON.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::eventually::SOON;
use crate::lan::{EVERYBODY, Wire};

/// What it does with a request for a chunk.
#[derive(Debug, Clone)]
pub enum Conduct {
    /// Sends the bytes and closes.
    Gives(Vec<u8>),
    /// Closes at once: it has not got it.
    HasNot,
    /// Sends the bytes in crumbs.
    Drips(Vec<u8>),
    /// Sends the bytes and waits until the other side closes.
    Lingers(Vec<u8>),
}

/// A scripted peer on an address of loopback.
#[derive(Debug)]
pub struct ForeignLanPeer {
    wire: Wire,
    socket: UdpSocket,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ForeignLanPeer {
    /// Starts one that has some chunks; its thread ends with the program.
    pub fn start(wire: Wire, host: IpAddr, chunks: BTreeMap<String, Conduct>) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(host, 0)).expect("a socket");
        socket.set_broadcast(true).expect("a socket that broadcasts");
        let listener = TcpListener::bind(SocketAddr::new(host, wire.chunk_port)).expect("a free port");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream, &chunks, &heard);
            }
        });
        Self { wire, socket, asked }
    }

    /// Sends a datagram to everybody.
    pub fn say(&self, bytes: &[u8]) {
        let everybody = (EVERYBODY, self.wire.announce_port);
        // What nobody hears, or is too long to be sent, is no trouble of the peer's.
        let _ = self.socket.send_to(bytes, everybody);
    }

    /// Announces chunks as programs in the wild do.
    pub fn announce(&self, chunks: &[&str]) {
        self.say(serde_json::json!({ "chunks": chunks }).to_string().as_bytes());
    }

    /// Returns what was asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no thread panics with it").clone()
    }
}

fn answer(mut stream: TcpStream, chunks: &BTreeMap<String, Conduct>, asked: &Mutex<Vec<String>>) {
    let mut bytes = [0; 1024];
    stream.set_read_timeout(Some(SOON)).expect("a time limit");
    // As programs in the wild do: one read is one request.
    let Ok(count) = stream.read(&mut bytes) else { return };
    let request: serde_json::Value = serde_json::from_slice(&bytes[..count]).unwrap_or_default();
    // Those of 2026 know no other key than the one with a blank.
    let json = request["requested content"].as_str();
    let wanted = json.or(request["requested_content"].as_str()).unwrap_or("no request").to_owned();
    let conduct = chunks.get(&wanted).cloned();
    asked.lock().expect("no thread panics with it").push(wanted);
    match conduct {
        Some(Conduct::Gives(bytes)) => drop(stream.write_all(&bytes)),
        Some(Conduct::Drips(bytes)) => {
            for crumb in bytes.chunks(97) {
                let _ = stream.write_all(crumb).and_then(|()| stream.flush());
            }
        }
        Some(Conduct::Lingers(reply)) => {
            let _ = stream.write_all(&reply).and_then(|()| stream.read(&mut bytes));
        }
        Some(Conduct::HasNot) | None => {}
    }
    let _ = stream.shutdown(Shutdown::Write);
}

/// Writes a reply as the programs of 2025 and 2026 do: Python's `json.dumps` of an object with the chunk in base64.
pub fn json_reply(name_key: &str, chunk: &str, bytes: &[u8]) -> Vec<u8> {
    format!(r#"{{"{name_key}": "{chunk}", "data": "{}"}}"#, STANDARD.encode(bytes)).into_bytes()
}

/// Asks somebody for something as programs in the wild do, and reads to the end.
pub fn ask(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("somebody who listens");
    stream.set_read_timeout(Some(SOON)).expect("a time limit");
    stream.write_all(request).expect("somebody who reads");
    let mut bytes = Vec::new();
    // Whoever is refused may find the connection broken.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}
