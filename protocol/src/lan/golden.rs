//! Golden bytes of every message and line.

use std::collections::BTreeMap;

use super::*;
use crate::digest::Digest;
use crate::golden::AA;
use crate::node_id::NodeId;

fn name(text: &str) -> ChunkName {
    text.parse().unwrap()
}

#[test]
fn plain_announcement_matches_the_reference_program() {
    let plain =
        LanAnnouncement { chunks: vec![name("forest_1"), name("forest_2")], card: None, username: None };
    let bytes = br#"{"chunks": ["forest_1", "forest_2"]}"#;
    assert_eq!(plain.encode(), bytes);
    assert_eq!(LanAnnouncement::decode(bytes), Ok(plain));
}

#[test]
fn card_has_its_own_key() {
    let digest = Digest::from_bytes([0xaa; 32]);
    let card = Card {
        cookie: Cookie::from_bytes([1, 2, 3, 4, 5, 6, 7, 8]),
        node: Some((NodeId::from_bytes([0xaa; 32]), 12349)),
        digests: BTreeMap::from([(name("a_1"), digest)]),
        contents: vec![digest],
    };
    let announcement = LanAnnouncement { chunks: vec![name("a_1")], card: Some(card), username: None };
    let text = format!(
        r#"{{"chunks": ["a_1"], "peerdex": {{"version": 1, "cookie": "0102030405060708", "node": "{AA}", "port": 12349, "digests": {{"a_1": "{AA}"}}, "contents": ["{AA}"]}}}}"#
    );
    assert_eq!(announcement.encode(), text.as_bytes());
    assert_eq!(LanAnnouncement::decode(text.as_bytes()), Ok(announcement));
    let bare = LanAnnouncement {
        chunks: vec![],
        card: Some(Card::of(Cookie::from_bytes([0xaa; 8]))),
        username: None,
    };
    let text = r#"{"chunks": [], "peerdex": {"version": 1, "cookie": "aaaaaaaaaaaaaaaa"}}"#;
    assert_eq!(bare.encode(), text.as_bytes());
    assert_eq!(bare.datagrams(), [text.as_bytes()]);
}

#[test]
fn requests_and_lines_match_the_reference_program() {
    let (chunk, peer) = (name("cherry_1"), "192.168.1.7".parse().unwrap());
    let time = "2026-11-20 21:46:22";
    assert_eq!(encode_request(&chunk, ReplyFormat::Raw), br#"{"requested_content": "cherry_1"}"#);
    assert_eq!(
        encode_request(&chunk, ReplyFormat::Json),
        br#"{"requested_content": "cherry_1", "requested content": "cherry_1"}"#
    );
    assert_eq!(json_reply_frame(&chunk), [&br#"{"chunk name": "cherry_1", "data": ""#[..], br#""}"#]);
    let named = LanAnnouncement { chunks: vec![chunk.clone()], card: None, username: Some("ann".to_owned()) };
    assert_eq!(named.encode(), br#"{"chunks": ["cherry_1"], "username": "ann"}"#);
    assert_eq!(
        download_line(time, &chunk, peer),
        "2026-11-20 21:46:22: cherry_1 downloaded from 192.168.1.7"
    );
    assert_eq!(
        upload_line(time, &chunk, peer),
        "Chunk: cherry_1, Timestamp: 2026-11-20 21:46:22, Destination: 192.168.1.7"
    );
    assert_eq!(failure_line(&name("forest_3")), "CHUNK forest_3 CANNOT BE DOWNLOADED FROM ONLINE PEERS.");
    let holders = vec![peer, "192.168.1.9".parse().unwrap()];
    let line = DictionaryLine { chunk, holders };
    assert_eq!(line.to_string(), "cherry_1: 192.168.1.7, 192.168.1.9");
    assert_eq!(line.to_string().parse(), Ok(line));
}
