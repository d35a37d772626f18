//! Golden bytes of every message.

use proptest::prelude::*;

use super::*;
use crate::frame::{decode_body, encode_body};
use crate::golden::{AA, assert_frozen};
use crate::index::Share;

const BLOCK: BlockRef = BlockRef { channel: 1, piece: 2, begin: 3, length: 4 };

#[test]
fn further_connection_message_bytes_are_frozen() {
    assert_frozen(
        &PeerMessage::Widen { key: [0xaa; 16], connections: 8 },
        "0000001b aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 08",
    );
    assert_frozen(&PeerMessage::Join { key: [0xaa; 16] }, "0000001c aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

#[test]
fn browse_message_bytes_are_frozen() {
    assert_frozen(&PeerMessage::Browse { number: 7, after: None, limit: 1000 }, "0000001d 00000007 00 03e8");
    assert_frozen(
        &PeerMessage::Browse { number: 7, after: Some("a/b".into()), limit: 1000 },
        "0000001d 00000007 01 0000000000000003 612f62 03e8",
    );
    let digest = Digest::from_bytes([0xaa; 32]);
    let file = FileRecord { path: "a/b".into(), size: 258, digest, share: Share::Partial };
    assert_frozen(
        &PeerMessage::Listing { number: 7, files: vec![file], more: true },
        &format!(
            "0000001e 00000007 0000000000000001 0000000000000003 612f62 0000000000000102 {AA} 00000001 01"
        ),
    );
    assert_frozen(&PeerMessage::BrowseLater { number: 7, milliseconds: 258 }, "0000001f 00000007 00000102");
}

#[test]
fn message_bytes_are_frozen() {
    let digest = Digest::from_bytes([0xaa; 32]);
    let node = NodeId::from_bytes([0xaa; 32]);
    assert_frozen(&PeerMessage::Hello { node, port: 12349 }, &format!("00000000 {AA} 303d"));
    assert_frozen(&PeerMessage::Probe { challenge: [0xaa; 32] }, &format!("00000001 {AA}"));
    assert_frozen(&PeerMessage::ProbeAnswer { answer: digest }, &format!("00000002 {AA}"));
    assert_frozen(&PeerMessage::KeepAlive, "00000003");
    assert_frozen(&PeerMessage::Open { channel: 7, digest }, &format!("00000004 00000007 {AA}"));
    assert_frozen(
        &PeerMessage::Offer { channel: 7, size: 258, manifest: digest, pieces: None },
        &format!("00000005 00000007 0000000000000102 {AA} 00"),
    );
    assert_frozen(
        &PeerMessage::Offer { channel: 7, size: 258, manifest: digest, pieces: Some(vec![0x80]) },
        &format!("00000005 00000007 0000000000000102 {AA} 01 0000000000000001 80"),
    );
    assert_frozen(&PeerMessage::NotShared { channel: 7 }, "00000006 00000007");
    assert_frozen(
        &PeerMessage::WantManifest { channel: 7, first: 1, count: 2 },
        "00000007 00000007 00000001 00000002",
    );
    assert_frozen(
        &PeerMessage::ManifestPart { channel: 7, first: 1, states: vec![[0xaa; 32]] },
        &format!("00000008 00000007 00000001 0000000000000001 {AA}"),
    );
    assert_frozen(&PeerMessage::Request(BLOCK), "00000009 00000001 00000002 00000003 00000004");
    assert_frozen(&PeerMessage::Block(BLOCK), "0000000a 00000001 00000002 00000003 00000004");
    assert_frozen(&PeerMessage::Reject(BLOCK), "0000000b 00000001 00000002 00000003 00000004");
    assert_frozen(&PeerMessage::Cancel(BLOCK), "0000000c 00000001 00000002 00000003 00000004");
    assert_frozen(&PeerMessage::Have { channel: 7, piece: 2 }, "0000000d 00000007 00000002");
    assert_frozen(&PeerMessage::Close { channel: 7 }, "0000000e 00000007");
    assert_frozen(&PeerMessage::Choke { position: 3 }, "0000000f 00000003");
    assert_frozen(&PeerMessage::Unchoke, "00000010");
    assert_frozen(&PeerMessage::Interested { channel: 7 }, "00000011 00000007");
    assert_frozen(&PeerMessage::NotInterested { channel: 7 }, "00000012 00000007");
    assert_frozen(
        &PeerMessage::Search { number: 7, query: "iso".into(), limit: 200 },
        "00000013 00000007 0000000000000003 69736f 00c8",
    );
    let files = vec![FileRecord { path: "a".into(), size: 258, digest, share: Share::Complete }];
    assert_frozen(
        &PeerMessage::Found { number: 7, files, more: true },
        &format!("00000014 00000007 0000000000000001 0000000000000001 61 0000000000000102 {AA} 00000000 01"),
    );
    let features = PeerFeatures::from_bits(258);
    assert_frozen(
        &PeerMessage::Greet { node, port: 12349, features },
        &format!("00000015 {AA} 303d 0000000000000102"),
    );
    assert_frozen(&PeerMessage::Unsupported { kind: 99 }, "00000016 00000063");
    assert_frozen(
        &PeerMessage::OpenWithManifest { channel: 7, digest, states: 2 },
        &format!("00000017 00000007 {AA} 00000002"),
    );
    assert_frozen(&PeerMessage::WrongPiece { channel: 7, piece: 2 }, "00000018 00000007 00000002");
    assert_frozen(&PeerMessage::Queued { position: 7, length: 12 }, "00000019 00000007 0000000c");
    let files = vec![FileDetails { path: "a".into(), seconds: 258, nanoseconds: 3, executable: true }];
    assert_frozen(
        &PeerMessage::Details { channel: 7, files },
        "0000001a 00000007 0000000000000001 0000000000000001 61 0000000000000102 00000003 01",
    );
}

#[test]
fn unknown_kind_differs_from_a_damaged_message() {
    let kind = |bytes: &[u8]| PeerMessage::unknown_kind(bytes);
    assert_eq!(kind(&[0, 0, 1, 0, 5, 6]), Some(256));
    assert_eq!(kind(&[0xff; 4]), Some(u32::MAX));
    // A missing channel, a trailing byte, half a number.
    assert_eq!(kind(&[0, 0, 0, 14]), None);
    assert_eq!(kind(&[0, 0, 0, 3, 0]), None);
    assert_eq!(kind(&[0, 0, 1]), None);
}

#[test]
fn invalid_messages_are_refused() {
    for bytes in [
        "000000ff",
        "0000000f",
        "0000001000",
        "ffffffff",
        "00",
        "0000000e00",
        "0000000500000007000000000000010200",
    ] {
        let bytes: Vec<u8> = (0..bytes.len() / 2)
            .map(|at| u8::from_str_radix(&bytes[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        assert!(decode_body::<PeerMessage>(&bytes).is_err(), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn decoder_never_panics_and_encodings_are_unique(tag in 0u32..32, rest: Vec<u8>) {
        let mut bytes = tag.to_be_bytes().to_vec();
        bytes.extend(rest);
        if let Ok(message) = decode_body::<PeerMessage>(&bytes) {
            prop_assert_eq!(encode_body(&message).unwrap(), bytes);
        }
    }

    #[test]
    fn messages_round_trip(message in message()) {
        let bytes = encode_body(&message).unwrap();
        prop_assert_eq!(decode_body::<PeerMessage>(&bytes), Ok(message));
    }
}

/// Returns any message that peers exchange after their greeting.
fn message() -> impl Strategy<Value = PeerMessage> {
    let digest = any::<[u8; 32]>().prop_map(Digest::from_bytes);
    let block = any::<(u32, u32, u32, u32)>().prop_map(|(channel, piece, begin, length)| BlockRef {
        channel,
        piece,
        begin,
        length,
    });
    let offer = (any::<(u32, u64, Option<Vec<u8>>)>(), digest.clone()).prop_map(
        |((channel, size, pieces), manifest)| PeerMessage::Offer { channel, size, manifest, pieces },
    );
    let part = any::<(u32, u32, Vec<[u8; 32]>)>()
        .prop_map(|(channel, first, states)| PeerMessage::ManifestPart { channel, first, states });
    prop_oneof![
        Just(PeerMessage::KeepAlive),
        Just(PeerMessage::Unchoke),
        (any::<u32>(), digest).prop_map(|(channel, digest)| PeerMessage::Open { channel, digest }),
        offer,
        part,
        block.clone().prop_map(PeerMessage::Request),
        block.clone().prop_map(PeerMessage::Block),
        block.clone().prop_map(PeerMessage::Reject),
        block.prop_map(PeerMessage::Cancel),
        any::<(u32, u32)>().prop_map(|(channel, piece)| PeerMessage::Have { channel, piece }),
        any::<(u32, u32)>().prop_map(|(channel, piece)| PeerMessage::WrongPiece { channel, piece }),
        any::<([u8; 16], u8)>().prop_map(|(key, connections)| PeerMessage::Widen { key, connections }),
        any::<[u8; 16]>().prop_map(|key| PeerMessage::Join { key }),
        any::<u32>().prop_map(|position| PeerMessage::Choke { position }),
        any::<(u32, u32)>().prop_map(|(position, length)| PeerMessage::Queued { position, length }),
        any::<u32>().prop_map(|channel| PeerMessage::Close { channel }),
        any::<u32>().prop_map(|channel| PeerMessage::NotShared { channel }),
        any::<(u32, String, i64, u32, bool)>().prop_map(
            |(channel, path, seconds, nanoseconds, executable)| {
                let files = vec![FileDetails { path, seconds, nanoseconds, executable }];
                PeerMessage::Details { channel, files }
            }
        ),
        any::<(u32, Option<String>, u16)>().prop_map(|(number, after, limit)| PeerMessage::Browse {
            number,
            after,
            limit
        }),
        any::<(u32, String, u64, bool)>().prop_map(|(number, path, size, more)| {
            let file = FileRecord { path, size, digest: Digest::EMPTY, share: Share::Complete };
            PeerMessage::Listing { number, files: vec![file], more }
        }),
        any::<(u32, u32)>()
            .prop_map(|(number, milliseconds)| PeerMessage::BrowseLater { number, milliseconds }),
        any::<u32>().prop_map(|channel| PeerMessage::Interested { channel }),
        any::<u32>().prop_map(|channel| PeerMessage::NotInterested { channel }),
    ]
}
