//! Fuzz targets for every decoder of the protocol: none may panic on any input, and canonical formats must encode to
//! the decoded bytes. They are driven by the fuzzer, and by an ordinary test over the files in `corpus`.

use protocol::bencode;
use protocol::bitfield::Bitfield;
use protocol::bittorrent::mse::{ExchangeSecret, Initiator, Responder, ResponderNext, SECRET_LEN};
use protocol::bittorrent::{
    BitTorrentDecoder, BitTorrentHandshake, BitTorrentItem, BitTorrentMessage, ExtendedHandshake,
    HANDSHAKE_HEAD_LEN,
};
use protocol::configured;
use protocol::frame::{FrameBuffer, decode_body, encode_body};
use protocol::geometry::Geometry;
use protocol::index::{DecodedRequest, IndexMessage, RequestEnvelope};
use protocol::lan::{ChunkName, DictionaryLine, LanAnnouncement, ReplyScanner, RequestReader};
use protocol::limits::MAX_EXTENDED;
use protocol::manifest::Manifest;
use protocol::metainfo::Metainfo;
use protocol::peer::PeerMessage;
use protocol::preamble::{self, Service};
use protocol::query::Query;
use protocol::share_path::{SharePath, local_file_name, safe_file_name};
use protocol::tracker::udp::{AddressFamily, UdpRequest, UdpResponse};
use protocol::tracker::{AnnounceReply, AnnounceRequest, ScrapeReply, ScrapeRequest};
use protocol::units::parse_size;

/// A function that is fed with arbitrary bytes.
pub type FuzzTarget = fn(&[u8]);

/// All targets with their names, which are those of their files and of their folders in the corpus.
pub const TARGETS: [(&str, FuzzTarget); 18] = [
    ("frames", frames),
    ("index_requests", index_requests),
    ("index_replies", index_replies),
    ("peer_messages", peer_messages),
    ("manifests", manifests),
    ("bencode", bencoded),
    ("metainfo", metainfo),
    ("peer_wire", peer_wire),
    ("key_exchanges", key_exchanges),
    ("configured_wire", configured_wire),
    ("configured_files", configured_files),
    ("tracker_queries", tracker_queries),
    ("tracker_replies", tracker_replies),
    ("scrape_replies", scrape_replies),
    ("udp_tracker", udp_tracker),
    ("queries", queries),
    ("share_paths", share_paths),
    ("lan_chunks", lan_chunks),
];

/// A preamble and a stream of frames, in fragments whose length is the first byte.
pub fn frames(bytes: &[u8]) {
    let Some((step, stream)) = bytes.split_first() else { return };
    if let Some(head) = stream.first_chunk() {
        let _ = preamble::check(*head, Service::Index);
    }
    let (mut cut, mut whole) = (FrameBuffer::with_limit(1 << 10), FrameBuffer::with_limit(1 << 10));
    let mut bodies = Vec::new();
    'stream: for part in stream.chunks(usize::from(*step).max(1)) {
        cut.extend(part);
        loop {
            match cut.next_body() {
                Ok(Some(body)) => bodies.push(body.to_vec()),
                Ok(None) => break,
                Err(_) => break 'stream,
            }
        }
    }
    whole.extend(stream);
    for body in bodies {
        assert_eq!(whole.next_body(), Ok(Some(&body[..])));
    }
}

/// Messages from a node to an index.
pub fn index_requests(bytes: &[u8]) {
    let known = decode_body::<RequestEnvelope>(bytes);
    let decoded = RequestEnvelope::decode(bytes).ok().and_then(|decoded| match decoded {
        DecodedRequest::Known(message) => Some(message),
        DecodedRequest::Unknown { .. } => None,
    });
    assert_eq!(known.as_ref().ok(), decoded.as_ref());
    if let Ok(message) = known {
        assert_eq!(encode_body(&message).as_deref(), Ok(bytes));
        if let protocol::index::Request::Register { files } = message.request {
            for file in files {
                let _ = file.check();
            }
        }
    }
}

/// Messages from an index to a node.
pub fn index_replies(bytes: &[u8]) {
    if let Ok(message) = decode_body::<IndexMessage>(bytes) {
        assert_eq!(encode_body(&message).as_deref(), Ok(bytes));
    }
}

/// Messages between nodes.
pub fn peer_messages(bytes: &[u8]) {
    let is_unknown = PeerMessage::unknown_kind(bytes).is_some();
    if let Ok(message) = decode_body::<PeerMessage>(bytes) {
        assert!(!is_unknown, "{message:?} is of an unknown kind");
        assert_eq!(encode_body(&message).as_deref(), Ok(bytes));
    }
}

/// A manifest and a bitfield of the same content.
pub fn manifests(bytes: &[u8]) {
    let Some((size, rest)) = bytes.split_first_chunk() else { return };
    let Ok(geometry) = Geometry::for_native(u64::from_be_bytes(*size)) else { return };
    if let Some((digest, states)) = rest.split_first_chunk() {
        let digest = protocol::digest::Digest::from_bytes(*digest);
        if let Ok(manifest) = Manifest::from_state_bytes(digest, geometry, states) {
            assert_eq!(manifest.state_bytes(), states);
        }
    }
    if let Ok(bitfield) = Bitfield::from_bytes(&geometry, rest.to_vec()) {
        assert_eq!(bitfield.as_bytes(), rest);
    }
}

/// A BitTorrent key exchange on either side, in fragments whose length is the first byte. Arbitrary bytes cannot
/// complete an exchange with a random secret, so every requested torrent is identified.
pub fn key_exchanges(bytes: &[u8]) {
    let Some((step, stream)) = bytes.split_first() else { return };
    let (portion, infohash) = (usize::from(*step).max(1), protocol::infohash::Infohash::from_bytes([7; 20]));
    let secret = || ExchangeSecret::new(&[*step; SECRET_LEN]);
    let mut responder = Responder::new(secret());
    for part in stream.chunks(portion) {
        match responder.receive(part).map(|output| output.next) {
            Ok(ResponderNext::Identify(_)) if responder.identify(infohash).is_err() => break,
            Ok(ResponderNext::Done(_)) | Err(_) => break,
            Ok(_) => {}
        }
    }
    let (mut initiator, _) = Initiator::begin(secret(), infohash, b"payload");
    for part in stream.chunks(portion) {
        if initiator.receive(part).is_ok_and(|progress| progress.done.is_none()) {
            continue;
        }
        break;
    }
}

/// A bencoded document.
pub fn bencoded(bytes: &[u8]) {
    let strict = bencode::parse(bytes);
    let lenient = bencode::parse_lenient(bytes);
    assert!(strict.is_err() || lenient.is_ok());
    for value in [strict, lenient].into_iter().flatten() {
        walk(&value);
    }
}

fn walk(value: &bencode::Value<'_>) {
    let _ = (value.as_integer(), value.as_unsigned(), value.as_bytes(), value.as_text(), value.get("info"));
    value.as_list().into_iter().flatten().for_each(|item| walk(&item));
    value.as_dictionary().into_iter().flatten().for_each(|(_, item)| walk(&item));
}

/// A `.torrent`.
pub fn metainfo(bytes: &[u8]) {
    let Ok(metainfo) = Metainfo::parse(bytes) else { return };
    assert!(!metainfo.name().is_empty());
    let _ = (metainfo.tiers(), metainfo.comment(), metainfo.created_by(), metainfo.encoding());
    let mut stored = std::collections::BTreeSet::new();
    for file in metainfo.files().iter().filter(|file| !file.is_padding) {
        let names: Vec<String> = file.path.stored_components().collect();
        assert!(
            names.iter().all(|name| !["", ".", ".."].contains(&name.as_str()) && !name.contains(['/', '\0']))
        );
        assert!(stored.insert(names), "two files have the storage path of {}", file.path);
    }
    assert!(metainfo.with_legacy_names().is_none_or(|legacy| legacy.infohash() == metainfo.infohash()));
}

/// A handshake and messages of a BitTorrent client, in fragments whose length is the first byte.
pub fn peer_wire(bytes: &[u8]) {
    let Some((step, stream)) = bytes.split_first() else { return };
    if let Some(head) = stream.first_chunk::<HANDSHAKE_HEAD_LEN>() {
        let _ = BitTorrentHandshake::decode_head(head);
    }
    let Ok(geometry) = Geometry::new(100_000, 16_384) else { return };
    let (mut decoder, mut kept) = (BitTorrentDecoder::new(&geometry), Vec::new());
    for part in stream.chunks(usize::from(*step).max(1)) {
        kept.extend_from_slice(part);
        let mut input = &kept[..];
        loop {
            match decoder.next(&mut input) {
                Ok(Some(BitTorrentItem::Message(BitTorrentMessage::Extended { body, .. }))) => {
                    let _ = ExtendedHandshake::decode(body);
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        let unread = input.len();
        kept.drain(..kept.len() - unread);
        assert!(unread < 64 + MAX_EXTENDED as usize, "{unread} bytes of an incomplete message are kept");
    }
}

/// A handshake and messages of a peer of a configured swarm in either framing, in fragments whose length is the first
/// byte.
pub fn configured_wire(bytes: &[u8]) {
    let Some((step, stream)) = bytes.split_first() else { return };
    if let Some(head) = stream.first_chunk::<{ configured::HANDSHAKE_LEN }>()
        && let Ok(handshake) = configured::ConfiguredHandshake::decode(head)
    {
        assert_eq!(handshake.encode(), *head);
    }
    let Ok(geometry) = Geometry::new(100_000, 16_384) else { return };
    let detected =
        stream.first_chunk().and_then(|head| configured::Framing::of_first_message(*head, &geometry));
    for framing in [configured::Framing::Inclusive, configured::Framing::Exclusive] {
        let (mut decoder, mut kept) = (configured::ConfiguredDecoder::new(geometry, framing), Vec::new());
        let mut is_first = true;
        'stream: for part in stream.chunks(usize::from(*step).max(1)) {
            kept.extend_from_slice(part);
            let mut input = &kept[..];
            loop {
                match decoder.next(&mut input) {
                    Ok(Some(configured::ConfiguredItem::Message(message))) => {
                        assert!(!std::mem::take(&mut is_first) || detected == Some(framing), "{message:?}");
                    }
                    Ok(Some(_)) => is_first = false,
                    Ok(None) => break,
                    Err(_) => break 'stream,
                }
            }
            let unread = input.len();
            kept.drain(..kept.len() - unread);
            assert!(unread < decoder.max_header_len(), "{unread} bytes of an incomplete message are kept");
        }
    }
}

/// The configuration files of a swarm.
pub fn configured_files(bytes: &[u8]) {
    match configured::CommonConfig::parse(bytes) {
        Ok((common, _)) => assert!(common.geometry.piece_count() > 0 && !common.file_name().contains('/')),
        Err(error) => assert!(!error.faults.is_empty() && !error.to_string().is_empty()),
    }
    match configured::PeerList::parse(bytes) {
        Ok(list) => assert!(list.peers().iter().all(|peer| list.find(peer.id) == Some(peer))),
        Err(error) => assert!(!error.faults.is_empty() && !error.to_string().is_empty()),
    }
}

/// Requests of clients to trackers over HTTP.
pub fn tracker_queries(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(request) = AnnounceRequest::from_query(text) {
        assert!(AnnounceRequest::from_query(&request.query()).is_ok());
    }
    if let Ok(request) = ScrapeRequest::from_query(text) {
        assert!(ScrapeRequest::from_query(&request.query()).is_ok());
    }
}

/// Replies of trackers to announces over HTTP.
pub fn tracker_replies(bytes: &[u8]) {
    if let Ok(Ok(reply)) = AnnounceReply::parse(bytes) {
        for (compact, short) in [(true, true), (false, true), (false, false)] {
            assert!(AnnounceReply::parse(&reply.encode(compact, short)).is_ok());
        }
    }
}

/// Replies of trackers to scrapes over HTTP.
pub fn scrape_replies(bytes: &[u8]) {
    if let Ok(Ok(reply)) = ScrapeReply::parse(bytes) {
        assert!(ScrapeReply::parse(&reply.encode()).is_ok());
    }
}

/// Datagrams of clients and trackers.
pub fn udp_tracker(bytes: &[u8]) {
    if let Ok(request) = UdpRequest::decode(bytes) {
        assert_eq!(UdpRequest::decode(&request.encode()), Ok(request));
    }
    for family in [AddressFamily::V4, AddressFamily::V6] {
        if let Ok(response) = UdpResponse::decode(bytes, family) {
            let _ = UdpResponse::decode(&response.encode(family), family);
        }
    }
}

/// Search texts and sizes.
pub fn queries(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let _ = parse_size(text);
    let _ =
        (text.parse::<protocol::digest::Digest>().is_ok(), text.parse::<protocol::node_id::NodeId>().is_ok());
    if let Ok(query) = Query::parse(text) {
        let digest = protocol::digest::Digest::from_bytes([7; 32]);
        let _ = (query.matches(text, 1000, &digest), query.words(), query.digest_prefix());
        assert!(query.hash_words().count() <= protocol::limits::MAX_QUERY_TERMS);
    }
}

/// Share paths, and the mapping of names to safe ones.
pub fn share_paths(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    for safe in [safe_file_name(text), local_file_name(text)] {
        assert!(!safe.is_empty() && safe != "." && safe != ".." && !safe.contains(['/', '\0']), "{safe:?}");
    }
    let Ok(path) = SharePath::parse(text) else { return };
    assert!(
        !text.starts_with('/')
            && path.components().all(|part| !part.is_empty() && part != ".." && part != ".")
    );
    assert!(SharePath::parse(path.as_str()).is_ok() && !path.file_name().is_empty());
}

/// Announcements, requests and dictionaries of the LAN dialect.
pub fn lan_chunks(bytes: &[u8]) {
    if let Ok(announcement) = LanAnnouncement::decode(bytes) {
        for datagram in announcement.datagrams() {
            assert!(datagram.len() <= protocol::limits::MAX_ANNOUNCEMENT_SENT);
            assert!(LanAnnouncement::decode(&datagram).is_ok());
        }
    }
    let mut reader = RequestReader::default();
    for byte in bytes {
        if !matches!(reader.push(&[*byte]), Ok(None)) {
            break;
        }
    }
    let mut scanner = ReplyScanner::default();
    scanner.push(bytes);
    if let (Some(reply), Ok(chunk)) = (scanner.finish(), "a_1".parse::<ChunkName>()) {
        let _ = reply.content(&chunk);
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    for line in text.lines() {
        if let Ok(line) = line.parse::<DictionaryLine>() {
            assert_eq!(line.to_string().parse(), Ok(line));
        }
    }
}
