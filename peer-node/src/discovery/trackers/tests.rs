mod announcing;
mod http;
mod https;
#[cfg(unix)]
mod opentracker;
mod scripted_tracker;
mod udp;

use std::time::Duration;

use protocol::infohash::Infohash;
use protocol::tracker::{AnnounceReply, AnnounceRequest, TrackedPeer};

use super::client::TrackerClient;
use super::timeouts::TrackerTimeouts;
use super::tls_trust::TlsTrust;
use super::tracker_error::TrackerError;
use super::tracker_url::TrackerAddress;
use crate::source_address::SourceAddress;

/// Short timeouts for trackers that never reply.
fn short_timeouts() -> TrackerTimeouts {
    TrackerTimeouts {
        http_reply: Duration::from_millis(300),
        udp_reply: Duration::from_millis(50),
        stop: Duration::from_millis(300),
        ..TrackerTimeouts::default()
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

async fn announce_to(url: &str, timeouts: TrackerTimeouts) -> Result<AnnounceReply, TrackerError> {
    let address = TrackerAddress::parse(url).unwrap();
    TrackerClient::new(timeouts, TlsTrust::System, SourceAddress::default())
        .announce(&address, &request())
        .await
}

/// Announces to a tracker that must fail; returns the error message.
async fn error_message(url: &str) -> String {
    announce_to(url, short_timeouts()).await.expect_err("the announce succeeded").to_string()
}
