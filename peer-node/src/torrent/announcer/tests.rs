mod announcing;
mod http;
mod https;
#[cfg(unix)]
mod opentracker;
mod scripted;
mod udp;

use std::time::Duration;

use protocol::infohash::Infohash;
use protocol::tracker::{AnnounceReply, AnnounceRequest, TrackedPeer};

use super::client::TrackerClient;
use super::patience::Patience;
use super::tracker_address::TrackerAddress;
use super::tracker_error::TrackerError;
use super::trust::Trust;
use crate::source_address::SourceAddress;

/// Waits for what never comes no longer than a test may take.
fn impatient() -> Patience {
    Patience {
        answer: Duration::from_millis(300),
        datagram: Duration::from_millis(50),
        farewell: Duration::from_millis(300),
        ..Patience::default()
    }
}

fn request() -> AnnounceRequest {
    AnnounceRequest {
        infohash: Infohash::from_bytes([0xab; 20]),
        peer_id: *b"-PX0001-abcdefghijkl",
        port: 6881,
        uploaded: 1,
        downloaded: 2,
        left: 3,
        event: None,
        numwant: Some(50),
        compact: true,
        no_peer_id: true,
        key: Some(7),
        tracker_id: None,
        ip: None,
    }
}

fn reply(peers: &[&str]) -> AnnounceReply {
    let peers = peers.iter().map(|peer| TrackedPeer { address: peer.parse().unwrap(), peer_id: None });
    AnnounceReply { interval: 1800, peers: peers.collect(), ..AnnounceReply::default() }
}

async fn ask(url: &str, patience: Patience) -> Result<AnnounceReply, TrackerError> {
    let address = TrackerAddress::parse(url).unwrap();
    TrackerClient::new(patience, Trust::System, SourceAddress::default()).announce(&address, &request()).await
}

/// Asks a tracker that must fail, and returns what is said of it.
async fn complaint(url: &str) -> String {
    ask(url, impatient()).await.expect_err("it fails").to_string()
}
