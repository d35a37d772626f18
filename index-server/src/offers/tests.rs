use super::*;

const ONE: NodeNo = NodeNo(1);
const TWO: NodeNo = NodeNo(2);
const THREE: NodeNo = NodeNo(3);

fn infohash(number: u32) -> Infohash {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Infohash::from_bytes(bytes)
}

fn hint(torrent: u32, content: u8) -> TorrentHint {
    let digest = Digest::from_bytes([content; 32]);
    TorrentHint { infohash: infohash(torrent), digest, name: "x".into(), piece_length: 1 << 18 }
}

fn is_empty(offers: &Offers) -> bool {
    offers.made.is_empty()
        && offers.counts.is_empty()
        && offers.said.is_empty()
        && offers.by_digest.is_empty()
}

#[test]
fn what_most_nodes_say_comes_first_and_goes_with_them() {
    let mut offers = Offers::default();
    assert_eq!(offers.make(ONE, hint(7, 1)), Ok(1));
    assert_eq!(offers.make(TWO, hint(7, 2)), Ok(1));
    assert_eq!(offers.make(THREE, hint(7, 2)), Ok(1));
    assert_eq!(offers.find(&infohash(7)), [hint(7, 2), hint(7, 1)]);
    assert_eq!(offers.of(&hint(7, 1).digest), [hint(7, 1)]);
    offers.forget(TWO);
    offers.forget(THREE);
    assert_eq!(offers.find(&infohash(7)), [hint(7, 1)]);
    offers.forget(ONE);
    assert!(is_empty(&offers));
}

#[test]
fn a_node_says_one_thing_of_a_torrent() {
    let mut offers = Offers::default();
    for content in [1, 2, 2, 3] {
        assert_eq!(offers.make(ONE, hint(7, content)), Ok(1));
    }
    assert_eq!(offers.find(&infohash(7)), [hint(7, 3)]);
    assert_eq!(offers.make(ONE, hint(8, 3)), Ok(2));
    assert_eq!(offers.of(&hint(0, 3).digest), [hint(7, 3), hint(8, 3)]);
    assert_eq!((offers.withdraw(ONE, &infohash(9)), offers.withdraw(TWO, &infohash(7))), (2, 0));
    assert_eq!((offers.withdraw(ONE, &infohash(7)), offers.withdraw(ONE, &infohash(8))), (1, 0));
    assert!(is_empty(&offers));
}

#[test]
fn no_node_offers_more_than_its_share_and_no_answer_is_long() {
    let mut offers = Offers::default();
    for torrent in 0..MAX_TORRENTS_PER_NODE {
        offers.make(ONE, hint(torrent, 1)).unwrap();
    }
    let refused = offers.make(ONE, hint(u32::MAX, 1));
    assert!(matches!(refused, Err(Refusal::TooMany { limit: 10_000, .. })), "{refused:?}");
    // What it offers already it may say again.
    assert_eq!(offers.make(ONE, hint(3, 1)), Ok(MAX_TORRENTS_PER_NODE));
    assert_eq!(offers.make(TWO, hint(u32::MAX, 1)), Ok(1));
    assert_eq!(offers.of(&hint(0, 1).digest).len(), MAX_TORRENT_HINTS);
    offers.forget(ONE);
    assert_eq!(offers.of(&hint(0, 1).digest), [hint(u32::MAX, 1)]);
}
