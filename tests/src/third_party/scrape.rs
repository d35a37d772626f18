use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use protocol::infohash::Infohash;

const IO_TIMEOUT: Duration = Duration::from_secs(10);

/// A tracker's counts of a torrent (BEP 48).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrapeCounts {
    /// Number of complete peers.
    pub complete: u64,
    /// Number of incomplete peers.
    pub incomplete: u64,
}

impl ScrapeCounts {
    /// Scrapes the tracker at an address. Returns `None` if it does not know the torrent or does not answer.
    pub fn fetch(tracker: SocketAddr, infohash: Infohash) -> Option<Self> {
        let reply = get(tracker, &format!("/scrape?info_hash={}", percent_encode(infohash))).ok()?;
        let number = |key: &str| {
            let from = reply.find(key)? + key.len();
            let text = reply.get(from..)?;
            text.get(..text.find('e')?)?.parse().ok()
        };
        Some(Self { complete: number("8:completei")?, incomplete: number("10:incompletei")? })
    }
}

/// Returns true if a tracker answers HTTP requests.
pub(super) fn is_answering(tracker: SocketAddr) -> bool {
    get(tracker, "/scrape").is_ok()
}

/// Returns an infohash in its percent-encoded form.
fn percent_encode(infohash: Infohash) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in infohash.as_bytes() {
        write!(text, "%{byte:02x}").expect("writing to a string succeeds");
    }
    text
}

/// Fetches a page and returns the response with its header.
fn get(server: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, IO_TIMEOUT)?;
    stream.set_read_timeout(Some(IO_TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n")?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}
