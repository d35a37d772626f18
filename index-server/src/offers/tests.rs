use protocol::limits::MAX_COMPONENT;

use super::*;

const ONE: NodeId = NodeId::from_bytes([1; 32]);
const TWO: NodeId = NodeId::from_bytes([2; 32]);
const THREE: NodeId = NodeId::from_bytes([3; 32]);

fn infohash(number: u32) -> Infohash {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Infohash::from_bytes(bytes)
}

fn hint(torrent: u32, content: u8) -> TorrentHint {
    let digest = Digest::from_bytes([content; 32]);
    TorrentHint { infohash: infohash(torrent), digest, name: "x".into(), piece_length: 1 << 18 }
}

/// Returns a distinct address group per node.
fn at(node: NodeId) -> AddressGroup {
    AddressGroup::Address([192, 0, 2, node.as_bytes()[0]].into())
}

fn is_empty(offers: &TorrentOffers) -> bool {
    offers.offers.is_empty()
        && offers.by_node.is_empty()
        && offers.votes.is_empty()
        && offers.by_digest.is_empty()
        && offers.by_torrent_key.is_empty()
        && offers.bytes == 0
}

#[test]
fn most_frequent_hint_comes_first() {
    let mut offers = TorrentOffers::default();
    for (node, content) in [(ONE, 1), (TWO, 2), (THREE, 2)] {
        assert!(offers.add(node, Some(at(node)), hint(7, content)).unwrap().is_some());
    }
    offers.add(ONE, Some(at(ONE)), hint(8, 9)).unwrap();
    assert_eq!(offers.hints_for_torrent(&infohash(7)), [&hint(7, 2), &hint(7, 1)]);
    assert_eq!(offers.hints_for_content(&hint(7, 1).digest), [&hint(7, 1)]);
    for node in [TWO, THREE] {
        let written = offers.withdraw(&(node, infohash(7))).unwrap();
        assert_eq!(written, OfferWrite { key: (node, infohash(7)), hint: None });
    }
    assert_eq!(offers.hints_for_torrent(&infohash(7)), [&hint(7, 1)]);
    assert_eq!(offers.hints_for_torrent(&infohash(6)), Vec::<&TorrentHint>::new());
    offers.withdraw(&(ONE, infohash(7))).unwrap();
    offers.withdraw(&(ONE, infohash(8))).unwrap();
    assert!(is_empty(&offers));
}

#[test]
fn hints_are_ranked_by_addresses_and_not_by_keys() {
    let crowd = |number: u8| NodeId::from_bytes([100 + number; 32]);
    let mut offers = TorrentOffers::default();
    for number in 0..50 {
        offers.add(crowd(number), Some(at(ONE)), hint(7, 1)).unwrap();
        offers.add(crowd(100 + number), None, hint(7, 3)).unwrap();
    }
    offers.add(TWO, Some(at(TWO)), hint(7, 2)).unwrap();
    // THREE first offers from TWO's address; once it moves, this hint has more address groups than the others.
    offers.add(THREE, Some(at(TWO)), hint(7, 2)).unwrap();
    assert_eq!(offers.hints_for_torrent(&infohash(7)).len(), 3);
    assert_eq!(offers.add(THREE, Some(at(THREE)), hint(7, 2)), Ok(None));
    assert_eq!(offers.hints_for_torrent(&infohash(7))[0], &hint(7, 2));
    assert_eq!(offers.hints_for_content(&hint(7, 1).digest), [&hint(7, 1)]);
    for number in 0..50 {
        offers.withdraw(&(crowd(number), infohash(7))).unwrap();
        offers.withdraw(&(crowd(100 + number), infohash(7))).unwrap();
    }
    assert_eq!(offers.hints_for_torrent(&infohash(7)), [&hint(7, 2)]);
    offers.withdraw(&(TWO, infohash(7))).unwrap();
    offers.withdraw(&(THREE, infohash(7))).unwrap();
    assert!(is_empty(&offers));
}

#[test]
fn only_changed_hints_are_written() {
    let mut offers = TorrentOffers::default();
    for (content, is_new) in [(1, true), (2, true), (2, false), (3, true)] {
        let written = offers.add(ONE, Some(at(ONE)), hint(7, content)).unwrap();
        assert_eq!(written.is_some(), is_new, "{content}");
        assert_eq!(offers.count(&ONE), 1);
    }
    assert_eq!(offers.hints_for_torrent(&infohash(7)), [&hint(7, 3)]);
    offers.add(ONE, Some(at(ONE)), hint(8, 3)).unwrap();
    assert_eq!(offers.hints_for_content(&hint(0, 3).digest), [&hint(7, 3), &hint(8, 3)]);
    assert_eq!((offers.withdraw(&(ONE, infohash(9))), offers.withdraw(&(TWO, infohash(7)))), (None, None));
    assert!(!offers.is_all_written());
    offers.confirm_writes(4);
    assert!(offers.is_all_written());
    let mut restored = TorrentOffers::restore([(ONE, 7), (ONE, 8)].map(|(node, torrent)| {
        let hint = hint(torrent, 3);
        StoredOffer { node, hint }
    }));
    // The address is not stored; a repeated offer brings it back.
    assert_ne!(restored.offers, offers.offers);
    for torrent in [7, 8] {
        assert_eq!(restored.add(ONE, Some(at(ONE)), hint(torrent, 3)), Ok(None));
    }
    assert_eq!((restored.offers, restored.bytes), (offers.offers, offers.bytes));
}

#[test]
fn torrent_is_found_by_key_while_offered() {
    let mut offers = TorrentOffers::default();
    let key = |torrent| TorrentKey::of(infohash(torrent));
    for (node, torrent, content) in [(ONE, 7, 1), (TWO, 7, 2), (TWO, 8, 2), (THREE, 7, 2)] {
        offers.add(node, Some(at(node)), hint(torrent, content)).unwrap();
    }
    // A node's new hint about a torrent replaces its previous one.
    offers.add(ONE, Some(at(ONE)), hint(7, 3)).unwrap();
    assert_eq!(offers.torrent_with_key(&key(7)), Some(infohash(7)));
    assert_eq!(offers.torrent_with_key(&key(8)), Some(infohash(8)));
    assert_eq!(offers.torrent_with_key(&key(9)), None);
    for node in [ONE, TWO] {
        offers.withdraw(&(node, infohash(7))).unwrap();
        assert_eq!(offers.torrent_with_key(&key(7)), Some(infohash(7)));
    }
    offers.withdraw(&(THREE, infohash(7))).unwrap();
    assert_eq!(offers.torrent_with_key(&key(7)), None);
    assert_eq!(offers.by_torrent_key.len(), 1);
    let restored = TorrentOffers::restore([StoredOffer { node: TWO, hint: hint(8, 2) }]);
    assert_eq!(restored.by_torrent_key, offers.by_torrent_key);
}

#[test]
fn node_offers_are_limited() {
    let mut offers = TorrentOffers::default();
    for torrent in 0..MAX_TORRENTS_PER_NODE {
        offers.add(ONE, Some(at(ONE)), hint(torrent, 1)).unwrap();
    }
    let refused = offers.add(ONE, Some(at(ONE)), hint(u32::MAX, 1));
    assert!(matches!(refused, Err(Refusal::TooMany { limit: 10_000, .. })), "{refused:?}");
    // A node at its limit can still change an offer.
    assert!(offers.add(ONE, Some(at(ONE)), hint(3, 2)).unwrap().is_some());
    assert_eq!(offers.count(&ONE), MAX_TORRENTS_PER_NODE);
    offers.add(TWO, Some(at(TWO)), hint(u32::MAX, 1)).unwrap();
    assert_eq!(offers.hints_for_content(&hint(0, 1).digest).len(), MAX_HINTS_COMPARED);
    let mut walked = 0;
    let mut after = None;
    while let [.., last] = *offers.page(after, 1000) {
        walked += offers.page(after, 1000).len();
        after = Some(last);
    }
    assert_eq!(walked, MAX_TORRENTS_PER_NODE as usize + 1);
}

#[test]
fn long_names_reduce_a_nodes_offer_count() {
    let mut offers = TorrentOffers::default();
    let long = |torrent| TorrentHint { name: "n".repeat(MAX_COMPONENT), ..hint(torrent, 1) };
    let made = (0..MAX_TORRENTS_PER_NODE)
        .take_while(|torrent| offers.add(ONE, Some(at(ONE)), long(*torrent)).is_ok())
        .count();
    assert_eq!(made, MAX_TORRENT_BYTES_PER_NODE as usize / long(0).weight());
    let refused = offers.add(ONE, Some(at(ONE)), long(u32::MAX));
    assert!(matches!(refused, Err(Refusal::TooMany { limit: 2_097_152, .. })), "{refused:?}");
    assert!(offers.add(TWO, Some(at(TWO)), long(u32::MAX)).is_ok());
    // A shorter name fits in place of a long one.
    assert!(offers.add(ONE, Some(at(ONE)), hint(0, 1)).is_ok());
}
