use ed25519_dalek::{Signer, SigningKey};
use protocol::digest::Digest;
use protocol::index::NodeAddress;
use protocol::index::Share;
use protocol::index::TorrentHint;
use protocol::index::proof_text;
use protocol::infohash::Infohash;
use protocol::limits::MAX_AGENT;
use protocol::node_id::NodeId;

use super::*;

const NONCE: [u8; 32] = [5; 32];

fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn node() -> NodeId {
    NodeId::from_bytes(key().verifying_key().to_bytes())
}

fn hello(port: u16) -> Request {
    Request::Hello { node: node(), port, agent: "test".into() }
}

fn proof(nonce: &[u8; 32], port: u16) -> Request {
    Request::Proof { signature: key().sign(&proof_text(nonce, &node(), port)).to_bytes() }
}

/// Opens a session with a greeting and a proof.
fn opened(version: Version, greeting: Request) -> OpenSession {
    let mut session = GreetingSession::new(version, NONCE, None);
    assert!(matches!(session.handle(greeting), Ok(GreetingAction::Challenge { nonce: NONCE })));
    match session.handle(proof(&NONCE, 7)) {
        Ok(GreetingAction::Welcome { node: proven, port: 7, session }) if proven == node() => session,
        other => panic!("{other:?}"),
    }
}

fn open() -> OpenSession {
    opened(Version::One, hello(7))
}

/// Returns the refusal of a greeting or a proof.
fn refused(result: Result<GreetingAction, Refusal>) -> Refusal {
    result.expect_err("a refusal")
}

fn file(path: &str) -> FileRecord {
    FileRecord { path: path.into(), size: 1, digest: Digest::from_bytes([1; 32]), share: Share::Complete }
}

#[test]
fn greeting_comes_first_and_only_once() {
    let out_of_order = |refusal| matches!(refusal, Refusal::OutOfOrder { .. }) && is_final(&refusal);
    for request in [Request::Renew, Request::Statistics, Request::EndList, proof(&NONCE, 7)] {
        assert!(out_of_order(refused(GreetingSession::new(Version::One, NONCE, None).handle(request))));
    }
    for request in [Request::Renew, hello(7)] {
        let mut session = GreetingSession::new(Version::One, NONCE, None);
        session.handle(hello(7)).unwrap();
        assert!(out_of_order(refused(session.handle(request))));
    }
    for request in [hello(7), proof(&NONCE, 7), Request::EndList] {
        assert!(out_of_order(open().handle(request).unwrap_err()));
    }
}

#[test]
fn version_2_greeting_announces_features() {
    let features = IndexFeatures::from_bits(6);
    let greet = || Request::Greet { node: node(), port: 7, agent: "test".into(), features };
    assert_eq!(opened(Version::Two, greet()).features(), features);
    for (version, greeting) in [(Version::One, greet()), (Version::Two, hello(7))] {
        let refusal = refused(GreetingSession::new(version, NONCE, None).handle(greeting));
        assert!(matches!(refusal, Refusal::OutOfOrder { .. }), "{refusal:?}");
    }
}

#[test]
fn proof_is_bound_to_key_nonce_and_port() {
    for (nonce, port) in [([6; 32], 7), (NONCE, 8)] {
        let mut session = GreetingSession::new(Version::One, NONCE, None);
        session.handle(hello(7)).unwrap();
        assert_eq!(refused(session.handle(proof(&nonce, port))), Refusal::BadProof);
    }
    // The neutral element of the curve, for which one signature is valid for every message.
    let mut weak = [0; 32];
    weak[0] = 1;
    let mut session = GreetingSession::new(Version::One, NONCE, None);
    let hello = Request::Hello { node: NodeId::from_bytes(weak), port: 7, agent: String::new() };
    session.handle(hello).unwrap();
    let mut signature = [0; 64];
    signature[0] = 1;
    assert_eq!(refused(session.handle(Request::Proof { signature })), Refusal::BadProof);
}

#[test]
fn bad_ports_and_long_agent_names_are_refused() {
    for port in [0, 1313] {
        assert_eq!(
            refused(GreetingSession::new(Version::One, NONCE, Some(1313)).handle(hello(port))),
            Refusal::BadPort { port }
        );
    }
    let hello = Request::Hello { node: node(), port: 7, agent: "x".repeat(MAX_AGENT + 1) };
    assert!(matches!(
        GreetingSession::new(Version::One, NONCE, None).handle(hello),
        Err(Refusal::Malformed { .. })
    ));
}

#[test]
fn refusal_names_the_bad_record() {
    let files = vec![file("good"), file("../\u{1b}[2J")];
    match open().handle(Request::Register { files }) {
        Err(Refusal::BadRecord { path, reason }) => {
            assert_eq!(path, "../\\u{1b}[2J");
            assert!(!reason.is_empty() && !reason.contains('\u{1b}'));
        }
        other => panic!("{other:?}"),
    }
    let long = FileRecord { path: "\u{e9}".repeat(10_000), ..file("") };
    assert!(
        matches!(open().handle(Request::Register { files: vec![long] }), Err(Refusal::BadRecord { path, .. })
        if path.len() <= 1024)
    );
}

#[test]
fn conflicting_sizes_in_registration_are_refused() {
    let with_size = |path, size| FileRecord { size, ..file(path) };
    let register = |files| open().handle(Request::Register { files });
    assert!(register(vec![with_size("a", 5), with_size("b", 5)]).is_ok());
    let refused = register(vec![with_size("a", 5), with_size("b", 6)]);
    assert!(matches!(refused, Err(Refusal::BadRecord { path, .. }) if path == "b"));
}

#[test]
fn batches_and_pages_have_limits() {
    let too_many = |result| matches!(result, Err(refusal @ Refusal::TooMany { .. }) if !is_final(&refusal));
    let files = vec![file("x"); MAX_BATCH + 1];
    assert!(too_many(open().handle(Request::Register { files })));
    let paths = vec![String::new(); MAX_BATCH + 1];
    assert!(too_many(open().handle(Request::Unregister { paths })));
    let address = NodeAddress { node: node(), address: ([127, 0, 0, 1], 7).into() };
    let report = |len| open().handle(Request::ReportUnreachable { nodes: vec![address.clone(); len] });
    assert!(report(MAX_REPORTED).is_ok() && too_many(report(MAX_REPORTED + 1)));
    for (requested, granted) in [(0, 1), (5, 5), (u16::MAX, 200)] {
        let locate = Request::Locate { digest: Digest::EMPTY, limit: requested };
        let action = ImmediateAction::Read(ReadRequest::Locate { digest: Digest::EMPTY, limit: granted });
        assert_eq!(open().handle(locate), Ok(action.into()));
    }
}

#[test]
fn invalid_search_is_refused_not_final() {
    for query in ["", " ", &"x".repeat(70_000), "size:>much"] {
        let search = Request::Search { query: query.into(), after: None, limit: 1 };
        let refused = open().handle(search);
        assert!(
            matches!(&refused, Err(refusal @ Refusal::BadQuery { .. }) if !is_final(refusal)),
            "{refused:?}"
        );
    }
}

#[test]
fn list_ends_once_per_start() {
    let mut session = open();
    assert_eq!(session.handle(Request::BeginList), Ok(ImmediateAction::Change(ListChange::Begin).into()));
    assert_eq!(session.handle(Request::Renew), Ok(ImmediateAction::Renew.into()));
    assert_eq!(session.handle(Request::EndList), Ok(ImmediateAction::Change(ListChange::End).into()));
    assert!(session.handle(Request::EndList).is_err());
}

#[test]
fn impossible_torrent_offer_is_refused() {
    let hint = TorrentHint {
        infohash: Infohash::from_bytes([1; 20]),
        digest: Digest::from_bytes([2; 32]),
        name: "a.iso".into(),
        piece_length: 1 << 18,
    };
    let offer = |hint: &TorrentHint| open().handle(Request::OfferTorrent { hint: hint.clone() });
    assert_eq!(offer(&hint), Ok(SessionAction::Offer(OfferChange::Add(hint.clone()))));
    for bad in [
        TorrentHint { name: "../\u{1b}".into(), ..hint.clone() },
        TorrentHint { piece_length: 0, ..hint.clone() },
        TorrentHint { name: "x".repeat(100_000), ..hint },
    ] {
        let refused = offer(&bad);
        assert!(
            matches!(&refused, Err(refusal @ Refusal::BadRecord { path, .. })
                if !is_final(refusal) && !path.contains('\u{1b}') && path.len() <= 1024),
            "{refused:?}"
        );
    }
}

#[test]
fn names_that_are_not_basic_need_the_feature() {
    let register = || Request::Register { files: vec![file("a"), file("K: Missing Kings.mkv")] };
    let refused = open().handle(register());
    assert!(
        matches!(&refused, Err(refusal @ Refusal::BadRecord { .. }) if !is_final(refusal)),
        "{refused:?}"
    );
    let (node, agent, features) = (node(), "test".to_owned(), IndexFeatures::ANY_NAMES);
    let mut session = opened(Version::Two, Request::Greet { node, port: 7, agent, features });
    assert!(matches!(
        session.handle(register()),
        Ok(SessionAction::Immediate(ImmediateAction::Change(ListChange::Register(_))))
    ));
    let bad = session.handle(Request::Register { files: vec![file("../x")] });
    assert!(matches!(bad, Err(Refusal::BadRecord { .. })), "{bad:?}");
}
