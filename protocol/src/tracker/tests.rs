use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::*;
use crate::infohash::Infohash;
use crate::limits::{
    MAX_NAMED_PEERS, MAX_SCRAPED, MAX_TRACKED_PEERS, MAX_TRACKER_MESSAGE, MAX_TRACKER_REPLY,
};

pub(super) fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

pub(super) fn request() -> impl Strategy<Value = AnnounceRequest> {
    let event = prop_oneof![
        Just(None),
        Just(Some(TrackerEvent::Started)),
        Just(Some(TrackerEvent::Completed)),
        Just(Some(TrackerEvent::Stopped))
    ];
    let identity = any::<([u8; 20], [u8; 20], u16, bool, bool)>();
    let counts = any::<(u64, u64, u64, Option<u32>, Option<u32>)>();
    let rest = (event, prop::option::of(prop::collection::vec(any::<u8>(), 0..30)), any::<Option<IpAddr>>());
    (identity, counts, rest).prop_map(|(identity, counts, (event, tracker_id, ip))| {
        let (infohash, peer_id, port, compact, no_peer_id) = identity;
        let (uploaded, downloaded, left, numwant, key) = counts;
        let infohash = Infohash::from_bytes(infohash);
        AnnounceRequest {
            infohash,
            peer_id,
            port,
            uploaded,
            downloaded,
            left,
            event,
            numwant,
            compact,
            no_peer_id,
            key,
            tracker_id,
            ip,
        }
    })
}

fn reply() -> impl Strategy<Value = AnnounceReply> {
    let peer = (address(), any::<Option<[u8; 20]>>());
    let peers = prop::collection::vec(peer, 0..30);
    let counts = any::<(u32, Option<u32>, Option<u32>, Option<u32>)>();
    let texts =
        (prop::option::of("\\PC{0,100}"), prop::option::of(prop::collection::vec(any::<u8>(), 0..100)));
    (counts, peers, texts).prop_map(|(counts, peers, (warning, tracker_id))| {
        let (interval, min_interval, complete, incomplete) = counts;
        let peers = peers.into_iter().map(|(address, peer_id)| TrackedPeer { address, peer_id }).collect();
        let named_peers = Vec::new();
        AnnounceReply {
            interval,
            min_interval,
            complete,
            incomplete,
            peers,
            named_peers,
            warning,
            tracker_id,
        }
    })
}

const ANNOUNCE_QUERY: &str = "info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A\
    &peer_id=-PX0001-abcdefghijkl&port=6881&uploaded=0&downloaded=0&left=10&compact=1";

#[test]
fn announce_query_is_encoded_as_trackers_expect() {
    let request = AnnounceRequest::from_query(ANNOUNCE_QUERY).unwrap();
    assert_eq!(request.infohash.to_string(), "123456789abcdef123456789abcdef123456789a");
    assert_eq!(&request.peer_id, b"-PX0001-abcdefghijkl");
    assert_eq!((request.port, request.left, request.event), (6881, 10, None));
    assert_eq!(request.query(), ANNOUNCE_QUERY);
    let request =
        AnnounceRequest { event: Some(TrackerEvent::Started), numwant: Some(80), key: Some(0xab), ..request };
    assert_eq!(request.query(), format!("{ANNOUNCE_QUERY}&event=started&numwant=80&key=000000AB"));
}

#[test]
fn invalid_queries_name_the_bad_key() {
    let without = |key: &str| {
        ANNOUNCE_QUERY.split('&').filter(|pair| !pair.starts_with(key)).collect::<Vec<_>>().join("&")
    };
    for key in ["info_hash", "peer_id", "port"] {
        assert_eq!(AnnounceRequest::from_query(&without(key)), Err(TrackerQueryError::Missing { key }));
        let twice = format!("{ANNOUNCE_QUERY}&{key}=1");
        assert_eq!(AnnounceRequest::from_query(&twice), Err(TrackerQueryError::Repeated { key }));
    }
    for (invalid, error) in [
        ("info_hash=abc", TrackerQueryError::NotTwentyBytes { key: "info_hash", length: 3 }),
        ("peer_id=%x", TrackerQueryError::BadEscape { key: "peer_id" }),
        ("port=65536", TrackerQueryError::NotANumber { key: "port" }),
        ("uploaded=-1", TrackerQueryError::NotANumber { key: "uploaded" }),
        ("left=all", TrackerQueryError::NotANumber { key: "left" }),
    ] {
        let key = invalid.split('=').next().unwrap();
        let query = format!("{}&{invalid}", without(key));
        assert_eq!(AnnounceRequest::from_query(&query), Err(error));
    }
    let long = format!("{ANNOUNCE_QUERY}&x={}", "y".repeat(10_000));
    assert!(matches!(AnnounceRequest::from_query(&long), Err(TrackerQueryError::TooLong { .. })));
}

#[test]
fn odd_optional_values_are_ignored() {
    let odd =
        format!("?{ANNOUNCE_QUERY}&event=paused&key=zz&numwant=-1&ip=host.example&supportcrypto=1&&flag")
            .replace("&left=10", "&left=-1");
    let request = AnnounceRequest::from_query(&odd).unwrap();
    assert_eq!((request.event, request.key, request.numwant, request.ip), (None, None, None, None));
    assert_eq!(request.left, u64::MAX);
}

#[test]
fn compact_form_is_the_default() {
    for (parameter, compact) in
        [("&compact=1", true), ("&compact=0", false), ("&compact=yes", true), ("", true)]
    {
        let request = AnnounceRequest::from_query(&ANNOUNCE_QUERY.replace("&compact=1", parameter)).unwrap();
        assert_eq!(request.compact, compact, "{parameter}");
    }
}

#[test]
fn failure_differs_from_a_reply() {
    let failure = TrackerFailure { reason: "torrent not registered".to_owned() };
    assert_eq!(failure.encode(), b"d14:failure reason22:torrent not registerede");
    assert_eq!(AnnounceReply::parse(&failure.encode()), Ok(Err(failure.clone())));
    assert_eq!(ScrapeReply::parse(&failure.encode()), Ok(Err(failure)));
}

#[test]
fn long_and_invalid_messages_are_truncated() {
    let body = [format!("d14:failure reason{}:", 1 << 19).as_bytes(), &vec![0xff; 1 << 19], b"e"].concat();
    let failure = AnnounceReply::parse(&body).unwrap().unwrap_err();
    assert_eq!(failure.reason, "\u{fffd}".repeat(MAX_TRACKER_MESSAGE));
}

#[test]
fn invalid_replies_are_refused_with_an_error() {
    for (body, message) in [
        (b"".as_slice(), "invalid tracker reply: the document ends unexpectedly at byte 0"),
        (b"<html>", "invalid tracker reply: no value begins with `<` at byte 0"),
        (b"le", "invalid tracker reply: a list, not a dictionary"),
        (b"de", "the tracker's reply has no `peers`"),
    ] {
        assert_eq!(AnnounceReply::parse(body).unwrap_err().to_string(), message);
    }
    let long = vec![b' '; MAX_TRACKER_REPLY + 1];
    assert!(matches!(AnnounceReply::parse(&long), Err(TrackerReplyError::TooLong { .. })));
}

#[test]
fn impossible_counts_are_clamped() {
    for (body, interval) in [
        (b"d8:intervali-1e5:peers0:e".as_slice(), 0),
        (b"d8:intervali9223372036854775807e5:peers0:e", u32::MAX),
        (b"d8:interval1:x5:peers0:e", DEFAULT_INTERVAL),
        (b"d5:peers0:e", DEFAULT_INTERVAL),
        (b"d5:peers0:8:intervali7ee", 7),
    ] {
        assert_eq!(AnnounceReply::parse(body).unwrap().unwrap().interval, interval);
    }
}

#[test]
fn invalid_peer_entries_are_skipped() {
    let body = b"d5:peersl\
        d2:ip7:1.2.3.44:porti5ee\
        d2:ip9:localhost4:porti5ee\
        d2:ip8:a b.test4:porti5ee\
        d2:ip0:4:porti5ee\
        d2:ip14:../etc/passwd!4:porti5ee\
        d2:ip7:1.2.3.44:port1:5e\
        d2:ip7:1.2.3.44:porti-5ee\
        d2:ip7:1.2.3.44:porti65536ee\
        d2:ip3:::14:porti6e7:peer id3:abce\
        i1ee6:peers619:0123456789abcdef012e";
    let reply = AnnounceReply::parse(body).unwrap().unwrap();
    let found: Vec<_> = reply.peers.iter().map(|peer| peer.address.to_string()).collect();
    assert_eq!(found, ["1.2.3.4:5", "[::1]:6", "[3031:3233:3435:3637:3839:6162:6364:6566]:12337"]);
    let named: Vec<_> = reply.named_peers.iter().map(|peer| (peer.host.as_str(), peer.port)).collect();
    assert_eq!(named, [("localhost", 5)]);
    assert_eq!(
        AnnounceReply::parse(&reply.encode(false, false)),
        Ok(Ok(AnnounceReply { interval: 1800, ..reply }))
    );
}

#[test]
fn peer_lists_are_limited() {
    for body in [
        [b"d5:peers999996:".as_slice(), &vec![1; 999_996], b"e"].concat(),
        [b"d6:peers6999990:".as_slice(), &vec![1; 999_990], b"e"].concat(),
        [b"d5:peersl".as_slice(), &b"d2:ip7:1.1.1.14:porti257ee".repeat(30_000), b"ee"].concat(),
    ] {
        let reply = AnnounceReply::parse(&body).unwrap().unwrap();
        assert_eq!(reply.peers.len(), MAX_TRACKED_PEERS);
    }
}

#[test]
fn named_peers_are_limited() {
    let body = [b"d5:peersl".as_slice(), &b"d2:ip6:a.test4:porti257ee".repeat(1000), b"ee"].concat();
    let reply = AnnounceReply::parse(&body).unwrap().unwrap();
    assert_eq!((reply.peers.len(), reply.named_peers.len()), (0, MAX_NAMED_PEERS));
}

#[test]
fn oversized_scrapes_are_refused() {
    let infohashes = vec![Infohash::from_bytes([b'x'; 20]); MAX_SCRAPED + 1];
    let query = ScrapeRequest { infohashes }.query();
    let error = TrackerQueryError::TooManyTorrents { limit: MAX_SCRAPED };
    assert_eq!(ScrapeRequest::from_query(&query), Err(error));
    assert_eq!(ScrapeRequest::from_query(""), Ok(ScrapeRequest { infohashes: Vec::new() }));
}

#[test]
fn scrape_matches_the_specification() {
    let counts = ScrapeEntry { complete: 11, downloaded: 13772, incomplete: 19 };
    let reply = ScrapeReply { torrents: vec![(Infohash::from_bytes([b'x'; 20]), counts)] };
    assert_eq!(
        reply.encode(),
        b"d5:filesd20:xxxxxxxxxxxxxxxxxxxxd8:completei11e10:downloadedi13772e10:incompletei19eeee"
    );
}

proptest! {
    #[test]
    fn announce_queries_round_trip(request in request()) {
        prop_assert_eq!(AnnounceRequest::from_query(&request.query()), Ok(request));
    }

    #[test]
    fn announce_replies_round_trip(mut reply in reply(), compact: bool, no_peer_id: bool) {
        let body = reply.encode(compact, no_peer_id);
        if compact {
            reply.peers.sort_by_key(|peer| peer.address.is_ipv6());
        }
        if compact || no_peer_id {
            reply.peers.iter_mut().for_each(|peer| peer.peer_id = None);
        }
        prop_assert_eq!(AnnounceReply::parse(&body), Ok(Ok(reply)));
    }

    #[test]
    fn scrape_replies_round_trip(
        found in prop::collection::btree_map(any::<[u8; 20]>(), any::<(u32, u32, u32)>(), 0..=MAX_SCRAPED),
    ) {
        let request = ScrapeRequest { infohashes: found.keys().copied().map(Infohash::from_bytes).collect() };
        prop_assert_eq!(ScrapeRequest::from_query(&request.query()), Ok(request));
        let torrents = found.into_iter().map(|(infohash, (complete, downloaded, incomplete))| {
            (Infohash::from_bytes(infohash), ScrapeEntry { complete, downloaded, incomplete })
        });
        let reply = ScrapeReply { torrents: torrents.collect() };
        prop_assert_eq!(ScrapeReply::parse(&reply.encode()), Ok(Ok(reply)));
    }

    #[test]
    fn no_bytes_panic_a_parser(bytes: Vec<u8>, text: String) {
        let _ = AnnounceReply::parse(&bytes);
        let _ = ScrapeReply::parse(&bytes);
        let _ = AnnounceRequest::from_query(&text);
        let _ = ScrapeRequest::from_query(&text);
        let _ = scrape_url(&text);
    }

    #[test]
    fn damaged_replies_never_panic(reply in reply(), compact: bool, at: prop::sample::Index, byte: u8) {
        let mut body = reply.encode(compact, false);
        *at.get_mut(&mut body) = byte;
        let _ = AnnounceReply::parse(&body);
    }
}
