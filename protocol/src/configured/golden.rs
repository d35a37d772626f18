//! The bytes of the dialect as they stand in its specification: they must never change.

use super::{Framing, Handshake, HandshakeError, Message, PeerId, piece_head};
use crate::geometry::Geometry;

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_message_has_its_bytes_in_both_framings() {
    let geometry = Geometry::new(0x0102_0304 * 100 + 1, 100).unwrap();
    let piece = geometry.piece(0x0102_0304).unwrap();
    for (message, inclusive, exclusive) in [
        (Message::Choke, "0000000100", "0000000000"),
        (Message::Unchoke, "0000000101", "0000000001"),
        (Message::Interested, "0000000102", "0000000002"),
        (Message::NotInterested, "0000000103", "0000000003"),
        (Message::Have { piece }, "000000050401020304", "000000040401020304"),
        (Message::Bitfield(&[0xff, 0x80]), "0000000305ff80", "0000000205ff80"),
        (Message::Request { piece }, "000000050601020304", "000000040601020304"),
        (Message::Done, "0000000108", "0000000008"),
    ] {
        for (framing, expected) in [(Framing::Inclusive, inclusive), (Framing::Exclusive, exclusive)] {
            let mut bytes = Vec::new();
            message.encode(framing, &mut bytes);
            assert_eq!(bytes, bytes_of(expected), "{message:?} {framing}");
        }
    }
    assert_eq!(piece_head(Framing::Inclusive, piece, 16384), *bytes_of("000040050701020304"));
    assert_eq!(piece_head(Framing::Exclusive, piece, 16384), *bytes_of("000040040701020304"));
}

#[test]
fn a_handshake_has_its_bytes() {
    let handshake = Handshake { peer_id: PeerId(1001) };
    let expected = bytes_of(
        "5032504649 4c4553484152494e4750524f4a00000000000000000000000003e9".replace(' ', "").as_str(),
    );
    assert_eq!(handshake.encode(), *expected);
    assert_eq!(Handshake::decode(&handshake.encode()), Ok(handshake));
}

#[test]
fn another_header_is_not_taken_for_this_one() {
    let good = Handshake { peer_id: PeerId(7) }.encode();
    for place in 0..28 {
        let mut bytes = good;
        bytes[place] ^= 0x20;
        assert_eq!(Handshake::decode(&bytes), Err(HandshakeError), "{place}");
    }
}
