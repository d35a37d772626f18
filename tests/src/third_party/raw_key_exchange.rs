use std::time::{Duration, Instant};

use protocol::bittorrent::mse::{ExchangeSecret, Initiator, SECRET_LEN};
use protocol::infohash::Infohash;

use super::RawWire;
use crate::eventually::DEFAULT_TIMEOUT;
use crate::raw_client::RawClient;

/// Begins a key exchange (MSE) as a client does, and returns what it would send next about a torrent.
pub fn raw_key_exchange(client: &mut RawClient, infohash: Infohash) -> Vec<u8> {
    let handshake = RawWire::handshake(infohash, *b"-RP0001-story client");
    let secret = ExchangeSecret::new(&[0x2a; SECRET_LEN]);
    let (mut initiator, opening) = Initiator::begin(secret, infohash, &handshake);
    assert!(client.send(&opening), "a listener that accepts");
    let mut offer = Vec::new();
    let begun = Instant::now();
    while offer.is_empty() {
        assert!(begun.elapsed() < DEFAULT_TIMEOUT, "no key");
        let heard = client.receive(Duration::from_millis(100));
        assert!(!heard.closed, "no key");
        offer = initiator.receive(&heard.bytes).expect("a key").send;
    }
    offer
}
