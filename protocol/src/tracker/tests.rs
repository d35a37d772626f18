use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::*;
use crate::infohash::Infohash;
use crate::limits::{MAX_NAMED_PEERS, MAX_SCRAPED, MAX_TRACKED_PEERS, MAX_TRACKER_REPLY, MAX_TRACKER_WORDS};

pub(super) fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

pub(super) fn request() -> impl Strategy<Value = AnnounceRequest> {
    let event = prop_oneof![
        Just(None),
        Just(Some(Event::Started)),
        Just(Some(Event::Completed)),
        Just(Some(Event::Stopped))
    ];
    let who = any::<([u8; 20], [u8; 20], u16, bool, bool)>();
    let counts = any::<(u64, u64, u64, Option<u32>, Option<u32>)>();
    let rest = (event, prop::option::of(prop::collection::vec(any::<u8>(), 0..30)), any::<Option<IpAddr>>());
    (who, counts, rest).prop_map(|(who, counts, (event, tracker_id, ip))| {
        let (infohash, peer_id, port, compact, no_peer_id) = who;
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

const QUESTION: &str = "info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A\
    &peer_id=-PX0001-abcdefghijkl&port=6881&uploaded=0&downloaded=0&left=10&compact=1";

#[test]
fn an_announcement_is_written_as_trackers_read_it() {
    let request = AnnounceRequest::from_query(QUESTION).unwrap();
    assert_eq!(request.infohash.to_string(), "123456789abcdef123456789abcdef123456789a");
    assert_eq!(&request.peer_id, b"-PX0001-abcdefghijkl");
    assert_eq!((request.port, request.left, request.event), (6881, 10, None));
    assert_eq!(request.query(), QUESTION);
    let request =
        AnnounceRequest { event: Some(Event::Started), numwant: Some(80), key: Some(0xab), ..request };
    assert_eq!(request.query(), format!("{QUESTION}&event=started&numwant=80&key=000000AB"));
}

#[test]
fn questions_that_lack_or_spoil_something_are_refused_by_name() {
    let without =
        |key: &str| QUESTION.split('&').filter(|pair| !pair.starts_with(key)).collect::<Vec<_>>().join("&");
    for key in ["info_hash", "peer_id", "port"] {
        assert_eq!(AnnounceRequest::from_query(&without(key)), Err(QueryError::Missing { key }));
        let twice = format!("{QUESTION}&{key}=1");
        assert_eq!(AnnounceRequest::from_query(&twice), Err(QueryError::Repeated { key }));
    }
    for (spoiled, error) in [
        ("info_hash=abc", QueryError::NotTwentyBytes { key: "info_hash", length: 3 }),
        ("peer_id=%x", QueryError::BadEscape { key: "peer_id" }),
        ("port=65536", QueryError::NotANumber { key: "port" }),
        ("uploaded=-1", QueryError::NotANumber { key: "uploaded" }),
        ("left=all", QueryError::NotANumber { key: "left" }),
    ] {
        let key = spoiled.split('=').next().unwrap();
        let query = format!("{}&{spoiled}", without(key));
        assert_eq!(AnnounceRequest::from_query(&query), Err(error));
    }
    let long = format!("{QUESTION}&x={}", "y".repeat(10_000));
    assert!(matches!(AnnounceRequest::from_query(&long), Err(QueryError::TooLong { .. })));
}

#[test]
fn what_clients_say_oddly_counts_as_not_said() {
    let odd = format!("?{QUESTION}&event=paused&key=zz&numwant=-1&ip=host.example&supportcrypto=1&&flag")
        .replace("&left=10", "&left=-1");
    let request = AnnounceRequest::from_query(&odd).unwrap();
    assert_eq!((request.event, request.key, request.numwant, request.ip), (None, None, None, None));
    assert_eq!(request.left, u64::MAX);
}

#[test]
fn the_short_form_is_given_unless_the_long_one_is_asked_for() {
    for (said, compact) in [("&compact=1", true), ("&compact=0", false), ("&compact=yes", true), ("", true)] {
        let request = AnnounceRequest::from_query(&QUESTION.replace("&compact=1", said)).unwrap();
        assert_eq!(request.compact, compact, "{said}");
    }
}

#[test]
fn a_refusal_is_told_apart_from_an_answer() {
    let failure = Failure { reason: "torrent not registered".to_owned() };
    assert_eq!(failure.encode(), b"d14:failure reason22:torrent not registerede");
    assert_eq!(AnnounceReply::parse(&failure.encode()), Ok(Err(failure.clone())));
    assert_eq!(ScrapeReply::parse(&failure.encode()), Ok(Err(failure)));
}

#[test]
fn long_and_broken_words_are_cut() {
    let body = [format!("d14:failure reason{}:", 1 << 19).as_bytes(), &vec![0xff; 1 << 19], b"e"].concat();
    let failure = AnnounceReply::parse(&body).unwrap().unwrap_err();
    assert_eq!(failure.reason, "\u{fffd}".repeat(MAX_TRACKER_WORDS));
}

#[test]
fn rubbish_is_refused_in_words() {
    for (body, words) in [
        (b"".as_slice(), "not the answer of a tracker: the document breaks off at byte 0"),
        (b"<html>", "not the answer of a tracker: no value begins with `<` at byte 0"),
        (b"le", "not the answer of a tracker: a list, not a dictionary"),
        (b"de", "the answer of the tracker has no `peers`"),
    ] {
        assert_eq!(AnnounceReply::parse(body).unwrap_err().to_string(), words);
    }
    let long = vec![b' '; MAX_TRACKER_REPLY + 1];
    assert!(matches!(AnnounceReply::parse(&long), Err(ReplyError::TooLong { .. })));
}

#[test]
fn numbers_that_cannot_be_are_bent() {
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
fn entries_that_are_no_addresses_are_left_out() {
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
fn a_million_peers_are_two_thousand() {
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
fn no_more_than_sixteen_names_of_hosts_are_read() {
    let body = [b"d5:peersl".as_slice(), &b"d2:ip6:a.test4:porti257ee".repeat(1000), b"ee"].concat();
    let reply = AnnounceReply::parse(&body).unwrap().unwrap();
    assert_eq!((reply.peers.len(), reply.named_peers.len()), (0, MAX_NAMED_PEERS));
}

#[test]
fn too_many_torrents_are_not_scraped_at_once() {
    let infohashes = vec![Infohash::from_bytes([b'x'; 20]); MAX_SCRAPED + 1];
    let query = ScrapeRequest { infohashes }.query();
    let error = QueryError::TooManyTorrents { limit: MAX_SCRAPED };
    assert_eq!(ScrapeRequest::from_query(&query), Err(error));
    assert_eq!(ScrapeRequest::from_query(""), Ok(ScrapeRequest { infohashes: Vec::new() }));
}

#[test]
fn a_scrape_is_written_as_in_the_specification() {
    let counts = Scraped { complete: 11, downloaded: 13772, incomplete: 19 };
    let reply = ScrapeReply { torrents: vec![(Infohash::from_bytes([b'x'; 20]), counts)] };
    assert_eq!(
        reply.encode(),
        b"d5:filesd20:xxxxxxxxxxxxxxxxxxxxd8:completei11e10:downloadedi13772e10:incompletei19eeee"
    );
}

proptest! {
    #[test]
    fn reading_a_query_returns_what_was_asked(request in request()) {
        prop_assert_eq!(AnnounceRequest::from_query(&request.query()), Ok(request));
    }

    #[test]
    fn parsing_an_answer_returns_what_was_answered(mut reply in reply(), compact: bool, no_peer_id: bool) {
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
    fn what_a_scrape_tells_is_read_again(
        found in prop::collection::btree_map(any::<[u8; 20]>(), any::<(u32, u32, u32)>(), 0..=MAX_SCRAPED),
    ) {
        let request = ScrapeRequest { infohashes: found.keys().copied().map(Infohash::from_bytes).collect() };
        prop_assert_eq!(ScrapeRequest::from_query(&request.query()), Ok(request));
        let torrents = found.into_iter().map(|(infohash, (complete, downloaded, incomplete))| {
            (Infohash::from_bytes(infohash), Scraped { complete, downloaded, incomplete })
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
    fn no_damage_to_an_answer_panics_a_parser(reply in reply(), compact: bool, at: prop::sample::Index, byte: u8) {
        let mut body = reply.encode(compact, false);
        *at.get_mut(&mut body) = byte;
        let _ = AnnounceReply::parse(&body);
    }
}
