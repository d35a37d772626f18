//! The bytes of the dialect as in its specification. They must never change.

use super::{
    ConfiguredHandshake, ConfiguredHandshakeError, ConfiguredMessage, ConfiguredPeerId, Framing, piece_head,
};
use crate::geometry::Geometry;

fn bytes_of(hex: &str) -> Vec<u8> {
    crate::hex::parse_bytes(hex).unwrap()
}

#[test]
fn message_bytes_are_frozen_in_both_framings() {
    let geometry = Geometry::new(0x0102_0304 * 100 + 1, 100).unwrap();
    let piece = geometry.piece(0x0102_0304).unwrap();
    for (message, inclusive, exclusive) in [
        (ConfiguredMessage::Choke, "0000000100", "0000000000"),
        (ConfiguredMessage::Unchoke, "0000000101", "0000000001"),
        (ConfiguredMessage::Interested, "0000000102", "0000000002"),
        (ConfiguredMessage::NotInterested, "0000000103", "0000000003"),
        (ConfiguredMessage::Have { piece }, "000000050401020304", "000000040401020304"),
        (ConfiguredMessage::Bitfield(&[0xff, 0x80]), "0000000305ff80", "0000000205ff80"),
        (ConfiguredMessage::Request { piece }, "000000050601020304", "000000040601020304"),
        (ConfiguredMessage::Done, "0000000108", "0000000008"),
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
fn handshake_bytes_are_frozen() {
    let handshake = ConfiguredHandshake { peer_id: ConfiguredPeerId(1001) };
    let expected = bytes_of(
        "5032504649 4c4553484152494e4750524f4a00000000000000000000000003e9".replace(' ', "").as_str(),
    );
    assert_eq!(handshake.encode(), *expected);
    assert_eq!(ConfiguredHandshake::decode(&handshake.encode()), Ok(handshake));
}

#[test]
fn other_headers_are_refused() {
    let good = ConfiguredHandshake { peer_id: ConfiguredPeerId(7) }.encode();
    for index in 0..28 {
        let mut bytes = good;
        bytes[index] ^= 0x20;
        assert_eq!(ConfiguredHandshake::decode(&bytes), Err(ConfiguredHandshakeError), "{index}");
    }
}
