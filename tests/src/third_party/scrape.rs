use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use protocol::infohash::Infohash;

const IO_TIMEOUT: Duration = Duration::from_secs(10);

/// What a tracker tells of a torrent (BEP 48).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrapeCounts {
    /// How many have everything.
    pub complete: u64,
    /// How many do not.
    pub incomplete: u64,
}

impl ScrapeCounts {
    /// Asks the tracker at an address; none if it does not know the torrent, or does not answer.
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

/// Says whether a tracker answers at all.
pub(super) fn is_answering(tracker: SocketAddr) -> bool {
    get(tracker, "/scrape").is_ok()
}

/// Writes an infohash as it stands in a query.
fn percent_encode(infohash: Infohash) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in infohash.as_bytes() {
        write!(text, "%{byte:02x}").expect("a string takes everything");
    }
    text
}

/// Asks for a page and returns the reply with its header.
fn get(server: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, IO_TIMEOUT)?;
    stream.set_read_timeout(Some(IO_TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n")?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}
