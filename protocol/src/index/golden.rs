//! Golden bytes of every message.

use std::net::SocketAddr;

use bincode::{Decode, Encode};
use proptest::prelude::*;

use super::*;
use crate::bittorrent::mse::TorrentKey;
use crate::digest::Digest;
use crate::features::IndexFeatures;
use crate::frame::{FrameError, decode_body, encode_body};
use crate::golden::{AA, assert_frozen, hex};
use crate::infohash::Infohash;
use crate::node_id::NodeId;

const DIGEST: Digest = Digest::from_bytes([0xaa; 32]);
const NODE: NodeId = NodeId::from_bytes([0xaa; 32]);

fn file() -> FileRecord {
    FileRecord { path: "a/b".into(), size: 258, digest: DIGEST, share: Share::Partial }
}

fn file_bytes() -> String {
    format!("0000000000000003 612f62 0000000000000102 {AA} 00000001")
}

fn address() -> SocketAddr {
    "127.0.0.1:12349".parse().unwrap()
}

const INFOHASH: Infohash = Infohash::from_bytes([0xbb; 20]);
const BB: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn hint() -> TorrentHint {
    TorrentHint { infohash: INFOHASH, digest: DIGEST, name: "a.b".into(), piece_length: 1 << 18 }
}

fn hint_bytes() -> String {
    format!("{BB} {AA} 0000000000000003 612e62 00040000")
}

const ADDRESS: &str = "00000000 7f000001 303d";

#[test]
fn request_bytes_are_frozen() {
    let hello = Request::Hello { node: NODE, port: 12349, agent: "x/1".into() };
    assert_frozen(&hello, &format!("00000000 {AA} 303d 0000000000000003 782f31"));
    assert_frozen(&Request::Proof { signature: [0xaa; 64] }, &format!("00000001 {AA}{AA}"));
    assert_frozen(&Request::BeginList, "00000002");
    assert_frozen(
        &Request::Register { files: vec![file()] },
        &format!("00000003 0000000000000001 {}", file_bytes()),
    );
    assert_frozen(
        &Request::Unregister { paths: vec!["a/b".into()] },
        "00000004 0000000000000001 0000000000000003 612f62",
    );
    assert_frozen(&Request::EndList, "00000005");
    assert_frozen(&Request::Renew, "00000006");
    assert_frozen(
        &Request::Search { query: "iso".into(), after: None, limit: 20 },
        "00000007 0000000000000003 69736f 00 0014",
    );
    let after = Some(SearchCursor { sent: vec![3] });
    assert_frozen(
        &Request::Search { query: "iso".into(), after, limit: 20 },
        "00000007 0000000000000003 69736f 01 0000000000000001 0000000000000003 0014",
    );
    assert_frozen(&Request::Locate { digest: DIGEST, limit: 9 }, &format!("00000008 {AA} 0009"));
    assert_frozen(
        &Request::Browse { peer: PeerRef::Node(NODE), after: None, limit: 9 },
        &format!("00000009 00000000 {AA} 00 0009"),
    );
    assert_frozen(
        &Request::Browse { peer: PeerRef::Address(address()), after: Some("a/b".into()), limit: 9 },
        &format!("00000009 00000001 {ADDRESS} 01 0000000000000003 612f62 0009"),
    );
    assert_frozen(&Request::Statistics, "0000000a");
    assert_frozen(&Request::OfferTorrent { hint: hint() }, &format!("0000000b {}", hint_bytes()));
    assert_frozen(&Request::WithdrawTorrent { infohash: INFOHASH }, &format!("0000000c {BB}"));
    assert_frozen(&Request::FindTorrent { infohash: INFOHASH }, &format!("0000000d {BB}"));
    assert_frozen(&Request::TorrentsOf { digest: DIGEST }, &format!("0000000e {AA}"));
    assert_frozen(&RequestEnvelope { id: 5, request: Request::Renew }, "0000000000000005 00000006");
}

#[test]
fn version_2_request_bytes_are_frozen() {
    let features = IndexFeatures::from_bits(258);
    assert_frozen(
        &Request::Greet { node: NODE, port: 12349, agent: "x/1".into(), features },
        &format!("0000000f {AA} 303d 0000000000000003 782f31 0000000000000102"),
    );
    assert_frozen(
        &Request::SearchWithSources { query: "iso".into(), after: None, limit: 20 },
        "00000010 0000000000000003 69736f 00 0014",
    );
    assert_frozen(&Request::Suggest { query: "iso".into() }, "00000011 0000000000000003 69736f");
    assert_frozen(&Request::FindNodes { prefix: "aaaa".into() }, "00000012 0000000000000004 61616161");
    let key = TorrentKey::from_bytes([0xbb; 20]);
    assert_frozen(&Request::FindTorrentByKey { key }, &format!("00000013 {BB}"));
    assert_frozen(
        &Request::ReportUnreachable { nodes: vec![NodeAddress { node: NODE, address: address() }] },
        &format!("00000014 0000000000000001 {AA} {ADDRESS}"),
    );
}

#[test]
fn version_2_reply_bytes_are_frozen() {
    let features = IndexFeatures::from_bits(258);
    assert_frozen(
        &Reply::Greeting { nonce: [0xaa; 32], features, time: 3 },
        &format!("0000000a {AA} 0000000000000102 0000000000000003"),
    );
    let hit = Hit { digest: DIGEST, size: 258, names: vec!["a/b".into()], complete: 2, partial: 1 };
    let sources = vec![ContentSource { node: NODE, address: address(), share: Share::Complete }];
    assert_frozen(
        &Reply::HitsWithSources { hits: vec![HitWithSources { hit, sources }], more: None, truncated: true },
        &format!(
            "0000000b 0000000000000001 {AA} 0000000000000102 0000000000000001 0000000000000003 612f62
             00000002 00000001 0000000000000001 {AA} {ADDRESS} 00000000 00 01"
        ),
    );
    let words = vec![WordSuggestions { word: "ios".into(), alternatives: vec!["iso".into()] }];
    assert_frozen(
        &Reply::Suggestions { words },
        "0000000c 0000000000000001 0000000000000003 696f73 0000000000000001 0000000000000003 69736f",
    );
    assert_frozen(
        &Reply::Nodes { nodes: vec![NodeAddress { node: NODE, address: address() }] },
        &format!("0000000d 0000000000000001 {AA} {ADDRESS}"),
    );
    assert_frozen(&Reply::Checking { nodes: 2 }, "0000000e 00000002");
}

#[test]
fn unknown_request_kind_differs_from_a_damaged_one() {
    let decode = |id: u64, rest: &[u8]| RequestEnvelope::decode(&[&id.to_be_bytes()[..], rest].concat());
    let known = RequestEnvelope { id: 5, request: Request::Renew };
    assert_eq!(decode(5, &[0, 0, 0, 6]), Ok(DecodedRequest::Known(known)));
    assert_eq!(decode(5, &[0, 0, 1, 0, 9, 9]), Ok(DecodedRequest::Unknown { id: 5, kind: 256 }));
    // A trailing byte, a peer reference of an unknown kind, half a number.
    for damaged in [&[0, 0, 0, 6, 0][..], &[0, 0, 0, 9, 0, 0, 0, 2], &[0, 0, 1]] {
        assert!(decode(5, damaged).is_err(), "{damaged:?}");
    }
}

#[test]
fn reply_bytes_are_frozen() {
    assert_frozen(&Reply::Challenge { nonce: [0xaa; 32] }, &format!("00000000 {AA}"));
    let list = ListSummary::default();
    let zeros = "00".repeat(32);
    assert_frozen(
        &Reply::Welcome { you: address(), lease: 90, list },
        &format!("00000001 {ADDRESS} 0000005a 00000000 {zeros}"),
    );
    assert_frozen(&Reply::List(list), &format!("00000002 00000000 {zeros}"));
    let hit = Hit { digest: DIGEST, size: 258, names: vec!["a/b".into()], complete: 2, partial: 1 };
    assert_frozen(
        &Reply::Hits { hits: vec![hit], more: Some(SearchCursor { sent: vec![3] }), truncated: true },
        &format!(
            "00000003 0000000000000001 {AA} 0000000000000102 0000000000000001 0000000000000003 612f62
             00000002 00000001 01 0000000000000001 0000000000000003 01"
        ),
    );
    let source = ContentSource { node: NODE, address: address(), share: Share::Complete };
    assert_frozen(
        &Reply::Sources { sources: vec![source] },
        &format!("00000004 0000000000000001 {AA} {ADDRESS} 00000000"),
    );
    assert_frozen(
        &Reply::Listing { source: NODE, files: vec![file()], more: true },
        &format!("00000005 {AA} 0000000000000001 {} 01", file_bytes()),
    );
    let statistics =
        Statistics { online: 1, nodes: 2, files: 3, contents: 4, bytes: 5, searches: 6, uptime: 7 };
    assert_frozen(
        &Reply::Statistics(statistics),
        "00000006 00000001 00000002 0000000000000003 0000000000000004 0000000000000005 0000000000000006
         0000000000000007",
    );
    assert_frozen(&Reply::Refused(Refusal::NoSuchPeer), "00000007 00000007");
    assert_frozen(
        &IndexMessage::Reply { id: 5, reply: Reply::Refused(Refusal::BadProof) },
        "00000000 0000000000000005 00000007 00000002",
    );
}

#[test]
fn torrent_reply_bytes_are_frozen() {
    assert_frozen(&Reply::Offers { torrents: 2, tracker: None }, "00000008 00000002 00");
    let port = Some(TrackerLocation::Port(6969));
    assert_frozen(&Reply::Offers { torrents: 2, tracker: port }, "00000008 00000002 01 00000000 1b39");
    let url = Some(TrackerLocation::Url("udp://t".into()));
    assert_frozen(
        &Reply::Offers { torrents: 2, tracker: url },
        "00000008 00000002 01 00000001 0000000000000007 7564703a2f2f74",
    );
    assert_frozen(
        &Reply::Torrents { hints: vec![hint()] },
        &format!("00000009 0000000000000001 {}", hint_bytes()),
    );
}

#[test]
fn notice_bytes_are_frozen() {
    let v6: SocketAddr = "[::1]:12349".parse().unwrap();
    assert_frozen(
        &IndexMessage::Notice(Notice::Reachable { address: v6 }),
        "00000001 00000000 00000001 00000000000000000000000000000001 303d",
    );
    assert_frozen(
        &Notice::Unreachable { address: address(), reason: "no".into() },
        &format!("00000001 {ADDRESS} 0000000000000002 6e6f"),
    );
    assert_frozen(&Notice::Replaced, "00000002");
    assert_frozen(&Notice::ShuttingDown, "00000003");
    assert_frozen(&Notice::Refused(Refusal::Busy { retry_after: 3 }), "00000004 00000008 00000003");
}

#[test]
fn refusal_bytes_are_frozen() {
    let x = "0000000000000001 78";
    assert_frozen(&Refusal::Malformed { reason: "x".into() }, &format!("00000000 {x}"));
    assert_frozen(&Refusal::OutOfOrder { expected: "x".into() }, &format!("00000001 {x}"));
    assert_frozen(&Refusal::BadProof, "00000002");
    assert_frozen(&Refusal::BadPort { port: 22 }, "00000003 0016");
    assert_frozen(&Refusal::BadQuery { reason: "x".into() }, &format!("00000004 {x}"));
    assert_frozen(&Refusal::BadRecord { path: "x".into(), reason: "x".into() }, &format!("00000005 {x} {x}"));
    assert_frozen(
        &Refusal::TooMany { what: "x".into(), limit: 2 },
        &format!("00000006 {x} 0000000000000002"),
    );
    assert_frozen(&Refusal::NoSuchPeer, "00000007");
    assert_frozen(&Refusal::Busy { retry_after: 3 }, "00000008 00000003");
    assert_frozen(&Refusal::StoreUnavailable, "00000009");
    assert_frozen(&Refusal::TooFast { retry_after: 3 }, "0000000a 00000003");
    assert_frozen(&Refusal::NotAllowed { what: "x".into() }, &format!("0000000b {x}"));
    assert_frozen(&Refusal::Unsupported { kind: 99 }, "0000000c 00000063");
    let over = Refusal::OverBudget { what: "x".into(), wanted: 3, limit: 2 };
    assert_frozen(&over, &format!("0000000d {x} 0000000000000003 0000000000000002"));
}

#[test]
fn signed_text_is_frozen() {
    let text = proof_text(&[1; 32], &NODE, 12349);
    let expected = format!("{} {} {AA} 303d", hex(b"peerdex hello 1\0"), "01".repeat(32));
    assert_eq!(hex(&text), expected.replace(' ', ""));
}

/// Encodes a message, replaces the bytes `from` by `to`, and decodes the result.
fn with<M: Encode + Decode<()>>(message: &M, from: &[u8], to: &[u8]) -> Result<M, FrameError> {
    let bytes = encode_body(message).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    decode_body(&[&bytes[..at], to, &bytes[at + from.len()..]].concat())
}

#[test]
fn bytes_without_a_value_are_refused() {
    let search = Request::Search { query: "abcd".into(), after: None, limit: 1 };
    assert!(with(&search, b"abcd", "a\u{301}d".as_bytes()).is_ok());
    // Not UTF-8, overlong, half a surrogate pair, beyond the last code point, truncated.
    for text in [b"\xff\xfe\xfd\xfc", b"a\xc0\x80d", b"a\xed\xa0\x80", b"\xf4\x90\x80\x80", b"abc\xc3"] {
        assert!(with(&search, b"abcd", text).is_err(), "{text:?}");
    }
    // Neither `Some` nor `None`.
    for tag in [2, 7, 0xff] {
        assert!(with(&search, b"abcd\0", &[b'a', b'b', b'c', b'd', tag]).is_err(), "{tag}");
    }
    // Neither true nor false.
    let hits = Reply::HitsWithSources { hits: Vec::new(), more: None, truncated: true };
    for cut in [2, 0xff] {
        assert!(with(&hits, &[0, 0, 1], &[0, 0, cut]).is_err(), "{cut}");
    }
    // Neither a complete nor a partial share.
    for share in [2, 0xff] {
        assert!(with(&file(), &[0xaa, 0, 0, 0, 1], &[0xaa, 0, 0, 0, share]).is_err(), "{share}");
    }
}

proptest! {
    #[test]
    fn decoders_never_panic_and_encodings_are_unique(tag in 0u32..22, rest: Vec<u8>) {
        let mut bytes = tag.to_be_bytes().to_vec();
        bytes.extend(rest);
        if let Ok(message) = decode_body::<Request>(&bytes) {
            prop_assert_eq!(encode_body(&message).unwrap(), bytes.clone());
        }
        if let Ok(message) = decode_body::<IndexMessage>(&bytes) {
            prop_assert_eq!(encode_body(&message).unwrap(), bytes.clone());
        }
    }

    #[test]
    fn any_record_round_trips(path: String, size: u64, digest: [u8; 32], whole: bool) {
        let share = if whole { Share::Complete } else { Share::Partial };
        let record = FileRecord { path, size, digest: Digest::from_bytes(digest), share };
        prop_assert_eq!(decode_body::<FileRecord>(&encode_body(&record).unwrap()), Ok(record));
    }
}
