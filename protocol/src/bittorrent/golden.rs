//! The bytes of the dialect as in its specifications. They must never change.

use super::{
    BitTorrentHandshake, BitTorrentHandshakeError, BitTorrentMessage, BlockSpec, PeerId, ReservedBits,
    block_head,
};
use crate::infohash::Infohash;

const BLOCK: BlockSpec = BlockSpec { piece: 1, begin: 0x4000, length: 0x2000 };

fn bytes_of(hex: &str) -> Vec<u8> {
    crate::hex::parse_bytes(hex).unwrap()
}

#[test]
fn message_bytes_are_frozen() {
    for (message, expected) in [
        (BitTorrentMessage::KeepAlive, "00000000"),
        (BitTorrentMessage::Choke, "0000000100"),
        (BitTorrentMessage::Unchoke, "0000000101"),
        (BitTorrentMessage::Interested, "0000000102"),
        (BitTorrentMessage::NotInterested, "0000000103"),
        (BitTorrentMessage::Have { piece: 0x01_02_03_04 }, "000000050401020304"),
        (BitTorrentMessage::Bitfield(&[0xff, 0x80]), "0000000305ff80"),
        (BitTorrentMessage::Request(BLOCK), "0000000d06000000010000400000002000"),
        (BitTorrentMessage::Cancel(BLOCK), "0000000d08000000010000400000002000"),
        (BitTorrentMessage::Port(6881), "00000003091ae1"),
        (BitTorrentMessage::Suggest { piece: 7 }, "000000050d00000007"),
        (BitTorrentMessage::HaveAll, "000000010e"),
        (BitTorrentMessage::HaveNone, "000000010f"),
        (BitTorrentMessage::Reject(BLOCK), "0000000d10000000010000400000002000"),
        (BitTorrentMessage::AllowedFast { piece: 7 }, "000000051100000007"),
        (BitTorrentMessage::Extended { extension: 3, body: b"de" }, "0000000414036465"),
    ] {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        assert_eq!(bytes, bytes_of(expected), "{message:?}");
    }
    assert_eq!(block_head(BLOCK), *bytes_of("00002009070000000100004000"));
}

#[test]
fn handshake_bytes_are_frozen() {
    let handshake = BitTorrentHandshake {
        reserved: ReservedBits::ours(),
        infohash: Infohash::from_bytes([0xab; 20]),
        peer_id: PeerId::ours(*b"abcdefghijkl"),
    };
    let bytes = handshake.encode();
    let mut expected = b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x04".to_vec();
    expected.extend([0xab; 20]);
    expected.extend(b"-PX0200-abcdefghijkl");
    assert_eq!(bytes, *expected);
    let head = bytes.first_chunk().unwrap();
    assert_eq!(BitTorrentHandshake::decode_head(head), Ok((ReservedBits::ours(), handshake.infohash)));
    let (ours, none) = (ReservedBits::ours(), ReservedBits::default());
    assert!(ours.has_fast() && ours.has_extended() && !none.has_fast() && !none.has_extended());
}

#[test]
fn other_protocols_are_refused() {
    for beginning in
        [&b"\x14BitTorrent protocol "[..], b"\x13bittorrent protocol", b"GET / HTTP/1.1\r\nHost", &[0; 20]]
    {
        let mut head = [0; 48];
        head[..beginning.len()].copy_from_slice(beginning);
        assert_eq!(BitTorrentHandshake::decode_head(&head), Err(BitTorrentHandshakeError));
    }
}
