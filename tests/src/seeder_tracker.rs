//! A BitTorrent tracker for one torrent that sends every leecher the addresses of the seeders (BEP 3, BEP 23).

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use anyhow::Result;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_REQUEST: u64 = 8 << 10;

/// A running tracker; its thread ends with the program.
#[derive(Debug)]
pub struct SeederTracker {
    address: SocketAddr,
    seeders: Arc<Mutex<KnownSeeders>>,
}

#[derive(Debug)]
struct KnownSeeders {
    host: Ipv4Addr,
    ports: BTreeSet<u16>,
}

impl SeederTracker {
    /// Starts on a free loopback port.
    pub fn start() -> Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST)
    }

    /// Starts on a free port of an address, which is also the address of the seeders.
    pub fn start_at(host: Ipv4Addr) -> Result<Self> {
        let listener = TcpListener::bind((host, 0))?;
        let address = listener.local_addr()?;
        let known = Arc::new(Mutex::new(KnownSeeders { host, ports: BTreeSet::new() }));
        let shared = Arc::clone(&known);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // An invalid request gets no reply; the client tries again.
                let _ = handle_request(stream, &shared);
            }
        });
        Ok(Self { address, seeders: known })
    }

    /// Returns the announce URL for a `.torrent`.
    pub fn announce_url(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// Removes all seeders; the next ones are at `host`.
    pub fn reset(&self, host: Ipv4Addr) {
        *lock(&self.seeders) = KnownSeeders { host, ports: BTreeSet::new() };
    }

    /// Adds a seeder that does not announce itself.
    pub fn add_seeder(&self, port: u16) {
        lock(&self.seeders).ports.insert(port);
    }

    /// Returns the number of seeders that have announced themselves as complete.
    pub fn seeder_count(&self) -> usize {
        lock(&self.seeders).ports.len()
    }
}

fn lock(known: &Mutex<KnownSeeders>) -> MutexGuard<'_, KnownSeeders> {
    known.lock().expect("no thread panics while it holds the seeders")
}

fn handle_request(mut stream: TcpStream, known: &Mutex<KnownSeeders>) -> Result<()> {
    stream.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    stream.set_write_timeout(Some(REQUEST_TIMEOUT))?;
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone()?).take(MAX_REQUEST);
    reader.read_line(&mut request)?;
    let mut header = String::from("-");
    while !header.trim().is_empty() {
        header.clear();
        reader.read_line(&mut header)?;
    }
    let body = reply(&request, &mut lock(known));
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n", body.len())?;
    stream.write_all(b"Connection: close\r\n\r\n")?;
    stream.write_all(&body)?;
    Ok(())
}

/// Adds a seeder, or returns all seeders to a leecher.
fn reply(request: &str, known: &mut KnownSeeders) -> Vec<u8> {
    let query =
        request.split(' ').nth(1).and_then(|path| path.split_once('?')).map_or("", |(_, query)| query);
    let value = |key: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    };
    let complete = value("left") == Some("0");
    let port = value("port").and_then(|port| port.parse().ok());
    let mut peers = Vec::new();
    match port {
        Some(port) if complete && value("event") == Some("stopped") => drop(known.ports.remove(&port)),
        Some(port) if complete => drop(known.ports.insert(port)),
        _ => {
            for seeder in &known.ports {
                peers.extend(known.host.octets());
                peers.extend(seeder.to_be_bytes());
            }
        }
    }
    let mut body =
        format!("d8:completei{}e8:intervali1800e5:peers{}:", known.ports.len(), peers.len()).into_bytes();
    body.extend(peers);
    body.push(b'e');
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leecher_gets_the_seeders_and_seeder_gets_no_peers() {
        let mut known = KnownSeeders { host: Ipv4Addr::LOCALHOST, ports: BTreeSet::new() };
        let no_peers = b"d8:completei1e8:intervali1800e5:peers0:e";
        assert_eq!(reply("GET /announce?port=258&left=0 HTTP/1.1", &mut known), no_peers);
        let one = b"d8:completei1e8:intervali1800e5:peers6:\x7f\x00\x00\x01\x01\x02e";
        assert_eq!(reply("GET /announce?left=7&port=9 HTTP/1.1", &mut known), one);
        assert_eq!(reply("nonsense", &mut known), one);
        reply("GET /announce?port=258&left=0&event=stopped HTTP/1.1", &mut known);
        assert!(known.ports.is_empty());
    }
}
