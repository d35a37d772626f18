//! BitTorrent peers that lie: the file comes whole from three honest ones, and who has lied is left.

use tests::eventually::{SOON, until};
use tests::foreign::{RawPeer, Scene, WireLie};
use tests::torrent_peer::TorrentPeer;

/// What is to become of a liar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is left before anybody honest comes.
    Left,
    /// It may stay: it takes nothing but its own time.
    Tolerated,
}

/// A liar is the only one there until it was heard, and left if it must be; then three honest ones come.
fn completes_beside(lie: WireLie, verdict: Verdict) {
    let scene = Scene::by_hand(950);
    let liar = RawPeer::join(&scene, lie);
    let honest: Vec<RawPeer> = (0..3).map(|_| RawPeer::hesitate(&scene)).collect();
    let mut fetcher = scene.fetch_unseen(&TorrentPeer::default());
    until("the lie to be heard", SOON, || liar.was_heard());
    if verdict == Verdict::Left {
        until("the liar to be left", SOON, || liar.left() > 0);
    }
    for peer in &honest {
        peer.begin();
    }
    scene.completes(&mut fetcher);
    // It has not been taken back again and again.
    assert!(liar.left() <= 3, "{lie:?} was left {} times", liar.left());
}

#[test]
fn a_peer_of_another_protocol_is_left() {
    completes_beside(WireLie::OtherProtocol, Verdict::Left);
}

#[test]
fn a_peer_of_another_torrent_is_left() {
    completes_beside(WireLie::OtherTorrent, Verdict::Left);
}

#[test]
fn a_peer_with_our_own_id_is_left() {
    completes_beside(WireLie::SameId, Verdict::Left);
}

#[test]
fn a_bitfield_that_is_too_long_is_not_taken() {
    completes_beside(WireLie::LongBitfield, Verdict::Left);
}

#[test]
fn a_bitfield_that_is_too_short_is_not_taken() {
    completes_beside(WireLie::ShortBitfield, Verdict::Left);
}

#[test]
fn a_bitfield_with_pieces_behind_the_last_is_not_taken() {
    completes_beside(WireLie::SpareBits, Verdict::Left);
}

#[test]
fn a_second_bitfield_is_no_lie() {
    completes_beside(WireLie::SecondBitfield, Verdict::Tolerated);
}

#[test]
fn a_piece_that_does_not_exist_is_not_believed() {
    completes_beside(WireLie::ImpossiblePiece, Verdict::Left);
}

#[test]
fn a_message_of_4_gib_is_not_waited_for() {
    completes_beside(WireLie::HugeMessage, Verdict::Left);
}

#[test]
fn a_block_of_2_gib_is_not_waited_for() {
    completes_beside(WireLie::HugeBlock, Verdict::Left);
}

#[test]
fn a_choke_that_carries_something_is_not_taken() {
    completes_beside(WireLie::LongChoke, Verdict::Left);
}

#[test]
fn who_asks_for_2_gib_is_left() {
    completes_beside(WireLie::HugeRequest, Verdict::Left);
}

#[test]
fn blocks_that_nobody_asked_for_are_not_taken() {
    completes_beside(WireLie::UnaskedBlocks, Verdict::Left);
}

#[test]
fn a_block_of_another_piece_is_not_taken() {
    completes_beside(WireLie::OtherPiece, Verdict::Left);
}

#[test]
fn a_block_that_is_too_short_is_not_taken() {
    completes_beside(WireLie::ShorterBlock, Verdict::Left);
}

#[test]
fn a_block_that_is_too_long_is_not_taken() {
    completes_beside(WireLie::LongerBlock, Verdict::Left);
}

#[test]
fn who_sends_wrong_bytes_again_is_left() {
    completes_beside(WireLie::WrongBytes, Verdict::Left);
}

#[test]
fn who_hangs_up_in_a_block_costs_nothing() {
    completes_beside(WireLie::HalfABlock, Verdict::Tolerated);
}

#[test]
fn who_stalls_in_a_block_is_overtaken() {
    completes_beside(WireLie::Stall, Verdict::Tolerated);
}

#[test]
fn who_never_answers_is_overtaken() {
    completes_beside(WireLie::NeverAnswers, Verdict::Tolerated);
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    completes_beside(WireLie::Silence, Verdict::Tolerated);
}

#[test]
fn who_never_serves_is_not_waited_for() {
    completes_beside(WireLie::Chokes, Verdict::Tolerated);
}

#[test]
fn who_chokes_at_every_request_is_not_waited_for() {
    completes_beside(WireLie::Wavers, Verdict::Tolerated);
}

#[test]
fn messages_that_nobody_knows_are_no_lie() {
    completes_beside(WireLie::UnknownMessages, Verdict::Tolerated);
}
