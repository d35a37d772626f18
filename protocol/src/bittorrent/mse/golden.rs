//! The bytes of a key exchange, computed independently from the specification. They must never change.

use super::{ExchangeSecret, Initiator, Responder, ResponderNext, SECRET_LEN, TorrentKey};
use crate::infohash::Infohash;

const INITIATORS_KEY: &str = "d0e3956c8bb7401546dd5f47415fec488545a032debe8a9705aff32021c9ace338096db3b46ab61bd5dced30a7f7963a\
                              b0757540bd866106adbd811151f6fdbf4209b3bde658e0079aac8cd96313a29c2d63ff789e0ac4e0d60f9d1b0b387720";
const RESPONDERS_KEY: &str = "2cbb4686366f1a543bfe0a9b60b4c3d71f3e5297cb6da16bc1badd0ecbd306b49b7481972da55fe160ae98f565ecd976\
                              0619cf96f0a70ab361b66f15394b087f5890d91d57a11b4673b932ee5ff24fa494b6645494d4eb85fc8548933d189bf2";
const OFFER: &str = "0a6d483c3bc61484a210fa0f37d99062fd5694837b64f4798be365412d9162cd7f2b5651f744853089f5581312fe27530eca\
                     f1a265e4e9c1541bd3a28d";
const PLAINTEXT_SELECTED: &str = "bdfc28174b9e3ead73b7e9c3ca27";
const RC4_SELECTED: &str = "bdfc28174b9e3ead73b7e9c0ca274e3ebe109c";

fn bytes_of(hex: &str) -> Vec<u8> {
    crate::hex::parse_bytes(hex).unwrap()
}

/// Returns a secret without padding.
fn secret(digit: u8) -> ExchangeSecret {
    let mut random = [0; SECRET_LEN];
    random[..20].fill(digit);
    ExchangeSecret::new(&random)
}

fn infohash() -> Infohash {
    Infohash::from_bytes([0xab; 20])
}

#[test]
fn initiator_bytes_match_the_specification() {
    let (mut initiator, opening) = Initiator::begin(secret(1), infohash(), b"hello");
    assert_eq!(opening, bytes_of(INITIATORS_KEY));
    let progress = initiator.receive(&bytes_of(RESPONDERS_KEY)).unwrap();
    assert_eq!(progress.send, bytes_of(OFFER));
    let selected = initiator.receive(&[bytes_of(PLAINTEXT_SELECTED), b"world".to_vec()].concat()).unwrap();
    let established = selected.done.unwrap();
    assert!(established.ciphers.is_none());
    assert_eq!(established.received, b"world");
}

#[test]
fn initiator_continues_under_rc4_if_selected() {
    let (mut initiator, _) = Initiator::begin(secret(1), infohash(), b"hello");
    initiator.receive(&bytes_of(RESPONDERS_KEY)).unwrap();
    let established = initiator.receive(&bytes_of(RC4_SELECTED)).unwrap().done.unwrap();
    assert_eq!(established.received, b"world");
    let mut next = *b"world";
    established.ciphers.unwrap().outgoing.apply(&mut next);
    assert_eq!(next.as_slice(), bytes_of("a8b231b6af"));
}

#[test]
fn responder_bytes_match_the_specification() {
    let mut responder = Responder::new(secret(2));
    let output = responder.receive(&bytes_of(INITIATORS_KEY)).unwrap();
    assert_eq!(output.send, bytes_of(RESPONDERS_KEY));
    let ResponderNext::Identify(key) = responder.receive(&bytes_of(OFFER)).unwrap().next else { panic!() };
    assert_eq!(key, TorrentKey::of(infohash()));
    let output = responder.identify(infohash()).unwrap();
    assert_eq!(output.send, bytes_of(PLAINTEXT_SELECTED));
    let ResponderNext::Done(established) = output.next else { panic!() };
    assert!(established.ciphers.is_none());
    assert_eq!(established.received, b"hello");
}
