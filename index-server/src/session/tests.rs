use ed25519_dalek::{Signer, SigningKey};
use protocol::index::Share;

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

fn open() -> Session {
    let mut session = Session::new(Version::One, NONCE, None);
    assert_eq!(session.hear(hello(7)), Ok(Step::Challenge { nonce: NONCE }));
    assert_eq!(session.hear(proof(&NONCE, 7)), Ok(Step::Welcome { node: node(), port: 7 }));
    session
}

fn file(path: &str) -> FileRecord {
    FileRecord { path: path.into(), size: 1, digest: Digest::from_bytes([1; 32]), share: Share::Whole }
}

#[test]
fn nothing_goes_before_the_greeting_and_no_greeting_after_it() {
    let out_of_order =
        |result| matches!(result, Err(refusal @ Refusal::OutOfOrder { .. }) if is_final(&refusal));
    for request in [Request::Renew, Request::Statistics, Request::EndList, proof(&NONCE, 7)] {
        assert!(out_of_order(Session::new(Version::One, NONCE, None).hear(request)));
    }
    for request in [Request::Renew, hello(7)] {
        let mut session = Session::new(Version::One, NONCE, None);
        session.hear(hello(7)).unwrap();
        assert!(out_of_order(session.hear(request)));
    }
    for request in [hello(7), proof(&NONCE, 7), Request::EndList] {
        assert!(out_of_order(open().hear(request)));
    }
}

#[test]
fn a_greeting_of_version_2_announces_features() {
    let features = IndexFeatures::from_bits(6);
    let greet = || Request::Greet { node: node(), port: 7, agent: "test".into(), features };
    let mut session = Session::new(Version::Two, NONCE, None);
    assert_eq!(session.hear(greet()), Ok(Step::Challenge { nonce: NONCE }));
    assert_eq!(session.features(), features);
    for (version, greeting) in [(Version::One, greet()), (Version::Two, hello(7))] {
        let refused = Session::new(version, NONCE, None).hear(greeting);
        assert!(matches!(refused, Err(Refusal::OutOfOrder { .. })), "{refused:?}");
    }
}

#[test]
fn a_proof_holds_for_its_key_its_nonce_and_its_port() {
    for (nonce, port) in [([6; 32], 7), (NONCE, 8)] {
        let mut session = Session::new(Version::One, NONCE, None);
        session.hear(hello(7)).unwrap();
        assert_eq!(session.hear(proof(&nonce, port)), Err(Refusal::BadProof));
    }
    // The neutral element, under which a signature can be made that fits any text.
    let mut weak = [0; 32];
    weak[0] = 1;
    let mut session = Session::new(Version::One, NONCE, None);
    let hello = Request::Hello { node: NodeId::from_bytes(weak), port: 7, agent: String::new() };
    session.hear(hello).unwrap();
    let mut signature = [0; 64];
    signature[0] = 1;
    assert_eq!(session.hear(Request::Proof { signature }), Err(Refusal::BadProof));
}

#[test]
fn port_zero_and_the_port_of_the_index_are_refused_and_long_names_too() {
    for port in [0, 1313] {
        assert_eq!(
            Session::new(Version::One, NONCE, Some(1313)).hear(hello(port)),
            Err(Refusal::BadPort { port })
        );
    }
    let hello = Request::Hello { node: node(), port: 7, agent: "x".repeat(MAX_AGENT + 1) };
    assert!(matches!(Session::new(Version::One, NONCE, None).hear(hello), Err(Refusal::Malformed { .. })));
}

#[test]
fn a_registration_with_one_bad_record_is_refused_and_the_record_is_named() {
    let files = vec![file("good"), file("../\u{1b}[2J")];
    match open().hear(Request::Register { files }) {
        Err(Refusal::BadRecord { path, reason }) => {
            assert_eq!(path, "../\\u{1b}[2J");
            assert!(!reason.is_empty() && !reason.contains('\u{1b}'));
        }
        other => panic!("{other:?}"),
    }
    let long = FileRecord { path: "\u{e9}".repeat(10_000), ..file("") };
    assert!(
        matches!(open().hear(Request::Register { files: vec![long] }), Err(Refusal::BadRecord { path, .. })
        if path.len() <= 1024)
    );
}

#[test]
fn a_registration_that_gives_one_content_two_sizes_is_refused() {
    let with_size = |path, size| FileRecord { size, ..file(path) };
    let register = |files| open().hear(Request::Register { files });
    assert!(register(vec![with_size("a", 5), with_size("b", 5)]).is_ok());
    let refused = register(vec![with_size("a", 5), with_size("b", 6)]);
    assert!(matches!(refused, Err(Refusal::BadRecord { path, .. }) if path == "b"));
}

#[test]
fn batches_and_pages_have_limits() {
    let too_many = |result| matches!(result, Err(refusal @ Refusal::TooMany { .. }) if !is_final(&refusal));
    let files = vec![file("x"); MAX_BATCH + 1];
    assert!(too_many(open().hear(Request::Register { files })));
    let paths = vec![String::new(); MAX_BATCH + 1];
    assert!(too_many(open().hear(Request::Unregister { paths })));
    let place = NodePlace { node: node(), address: ([127, 0, 0, 1], 7).into() };
    let report = |len| open().hear(Request::ReportUnreachable { places: vec![place.clone(); len] });
    assert!(report(MAX_REPORTED).is_ok() && too_many(report(MAX_REPORTED + 1)));
    for (asked, given) in [(0, 1), (5, 5), (u16::MAX, 200)] {
        let locate = Request::Locate { digest: Digest::OF_NOTHING, limit: asked };
        let step = Step::Answer(Question::Locate { digest: Digest::OF_NOTHING, limit: given });
        assert_eq!(open().hear(locate), Ok(step));
    }
}

#[test]
fn a_search_that_is_none_is_refused_but_not_for_good() {
    for query in ["", " ", &"x".repeat(70_000), "size:>much"] {
        let search = Request::Search { query: query.into(), after: None, limit: 1 };
        let refused = open().hear(search);
        assert!(
            matches!(&refused, Err(refusal @ Refusal::BadQuery { .. }) if !is_final(refusal)),
            "{refused:?}"
        );
    }
}

#[test]
fn a_list_is_ended_once_for_each_beginning() {
    let mut session = open();
    assert_eq!(session.hear(Request::BeginList), Ok(Step::Change(Change::Begin)));
    assert_eq!(session.hear(Request::Renew), Ok(Step::Renew));
    assert_eq!(session.hear(Request::EndList), Ok(Step::Change(Change::End)));
    assert!(session.hear(Request::EndList).is_err());
}

#[test]
fn an_offer_of_a_torrent_that_cannot_be_is_refused_by_its_name() {
    let hint = TorrentHint {
        infohash: Infohash::from_bytes([1; 20]),
        digest: Digest::from_bytes([2; 32]),
        name: "a.iso".into(),
        piece_length: 1 << 18,
    };
    let offer = |hint: &TorrentHint| open().hear(Request::OfferTorrent { hint: hint.clone() });
    assert_eq!(offer(&hint), Ok(Step::Offer(Offer::Make(hint.clone()))));
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
fn names_beyond_those_of_release_0_1_0_need_the_feature() {
    let register = || Request::Register { files: vec![file("a"), file("K: Missing Kings.mkv")] };
    let refused = open().hear(register());
    assert!(
        matches!(&refused, Err(refusal @ Refusal::BadRecord { .. }) if !is_final(refusal)),
        "{refused:?}"
    );
    let mut session = Session::new(Version::Two, NONCE, None);
    let (node, agent, features) = (node(), "test".to_owned(), IndexFeatures::ANY_NAMES);
    assert!(session.hear(Request::Greet { node, port: 7, agent, features }).is_ok());
    assert!(session.hear(proof(&NONCE, 7)).is_ok());
    assert!(matches!(session.hear(register()), Ok(Step::Change(Change::Register(_)))));
    let bad = session.hear(Request::Register { files: vec![file("../x")] });
    assert!(matches!(bad, Err(Refusal::BadRecord { .. })), "{bad:?}");
}
