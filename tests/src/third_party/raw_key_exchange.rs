use std::time::{Duration, Instant};

use protocol::bittorrent::mse::{ExchangeSecret, Initiator, SECRET_LEN};
use protocol::infohash::Infohash;

use super::RawWire;
use crate::eventually::DEFAULT_TIMEOUT;
use crate::raw_client::RawClient;

/// Begins a key exchange (MSE) as a client, and returns the bytes that it would send next about a torrent.
pub fn raw_key_exchange(client: &mut RawClient, infohash: Infohash) -> Vec<u8> {
    let handshake = RawWire::handshake(infohash, *b"-RP0001-story client");
    let secret = ExchangeSecret::new(&[0x2a; SECRET_LEN]);
    let (mut initiator, opening) = Initiator::begin(secret, infohash, &handshake);
    assert!(client.send(&opening), "an open connection");
    let mut offer = Vec::new();
    let start = Instant::now();
    while offer.is_empty() {
        assert!(start.elapsed() < DEFAULT_TIMEOUT, "no key");
        let response = client.receive(Duration::from_millis(100));
        assert!(!response.closed, "no key");
        offer = initiator.receive(&response.bytes).expect("a key").send;
    }
    offer
}
