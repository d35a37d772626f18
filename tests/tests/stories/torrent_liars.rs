//! BitTorrent peers that misbehave: the download completes from three honest peers, and misbehaving peers are
//! disconnected.

use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::third_party::{RawPeer, TorrentFixture, TorrentLie};
use tests::torrent_peer::TorrentPeer;

/// The expected reaction to a misbehaving peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExpectedReaction {
    /// It is disconnected before any honest peer appears.
    Disconnected,
    /// It may stay: it wastes only its own time.
    Tolerated,
}

/// Starts with only a misbehaving peer, until it has misbehaved and, if expected, was disconnected. Then three honest
/// peers appear.
fn assert_completes_beside(lie: TorrentLie, verdict: ExpectedReaction) {
    let fixture = TorrentFixture::by_hand(950);
    let liar = RawPeer::join(&fixture, lie);
    let honest: Vec<RawPeer> = (0..3).map(|_| RawPeer::join_paused(&fixture)).collect();
    let mut fetcher = fixture.start_download_unseen(&TorrentPeer::default());
    wait_until("the lie to be sent", DEFAULT_TIMEOUT, || liar.has_lied());
    if verdict == ExpectedReaction::Disconnected {
        wait_until("the liar to be disconnected", DEFAULT_TIMEOUT, || liar.disconnects() > 0);
    }
    for peer in &honest {
        peer.resume();
    }
    fixture.wait_until_complete(&mut fetcher);
    // The peer is not reconnected again and again.
    assert!(liar.disconnects() <= 3, "{lie:?} was disconnected {} times", liar.disconnects());
}

#[test]
fn peer_of_another_protocol_is_disconnected() {
    assert_completes_beside(TorrentLie::OtherProtocol, ExpectedReaction::Disconnected);
}

#[test]
fn peer_of_another_torrent_is_disconnected() {
    assert_completes_beside(TorrentLie::OtherTorrent, ExpectedReaction::Disconnected);
}

#[test]
fn peer_with_our_own_id_is_disconnected() {
    assert_completes_beside(TorrentLie::SameId, ExpectedReaction::Disconnected);
}

#[test]
fn too_long_bitfield_is_rejected() {
    assert_completes_beside(TorrentLie::LongBitfield, ExpectedReaction::Disconnected);
}

#[test]
fn too_short_bitfield_is_rejected() {
    assert_completes_beside(TorrentLie::ShortBitfield, ExpectedReaction::Disconnected);
}

#[test]
fn bitfield_with_spare_bits_is_rejected() {
    assert_completes_beside(TorrentLie::SpareBits, ExpectedReaction::Disconnected);
}

#[test]
fn second_bitfield_is_tolerated() {
    assert_completes_beside(TorrentLie::SecondBitfield, ExpectedReaction::Tolerated);
}

#[test]
fn nonexistent_piece_is_rejected() {
    assert_completes_beside(TorrentLie::ImpossiblePiece, ExpectedReaction::Disconnected);
}

#[test]
fn message_of_4_gib_is_rejected() {
    assert_completes_beside(TorrentLie::HugeMessage, ExpectedReaction::Disconnected);
}

#[test]
fn block_of_2_gib_is_rejected() {
    assert_completes_beside(TorrentLie::HugeBlock, ExpectedReaction::Disconnected);
}

#[test]
fn choke_with_a_payload_is_rejected() {
    assert_completes_beside(TorrentLie::LongChoke, ExpectedReaction::Disconnected);
}

#[test]
fn peer_requesting_2_gib_is_disconnected() {
    assert_completes_beside(TorrentLie::HugeRequest, ExpectedReaction::Disconnected);
}

#[test]
fn unrequested_blocks_are_rejected() {
    assert_completes_beside(TorrentLie::UnrequestedBlocks, ExpectedReaction::Disconnected);
}

#[test]
fn block_of_another_piece_is_rejected() {
    assert_completes_beside(TorrentLie::OtherPiece, ExpectedReaction::Disconnected);
}

#[test]
fn too_short_block_is_rejected() {
    assert_completes_beside(TorrentLie::ShorterBlock, ExpectedReaction::Disconnected);
}

#[test]
fn too_long_block_is_rejected() {
    assert_completes_beside(TorrentLie::LongerBlock, ExpectedReaction::Disconnected);
}

#[test]
fn peer_that_sends_wrong_bytes_again_is_disconnected() {
    assert_completes_beside(TorrentLie::WrongBytes, ExpectedReaction::Disconnected);
}

#[test]
fn disconnect_within_a_block_costs_nothing() {
    assert_completes_beside(TorrentLie::TruncatedBlock, ExpectedReaction::Tolerated);
}

#[test]
fn peer_stalling_in_a_block_is_overtaken() {
    assert_completes_beside(TorrentLie::Stall, ExpectedReaction::Tolerated);
}

#[test]
fn peer_that_never_answers_is_overtaken() {
    assert_completes_beside(TorrentLie::NeverAnswers, ExpectedReaction::Tolerated);
}

#[test]
fn silent_peer_does_not_block_the_download() {
    assert_completes_beside(TorrentLie::Silence, ExpectedReaction::Tolerated);
}

#[test]
fn choking_peer_does_not_block_the_download() {
    assert_completes_beside(TorrentLie::Chokes, ExpectedReaction::Tolerated);
}

#[test]
fn peer_choking_at_every_request_is_bypassed() {
    assert_completes_beside(TorrentLie::TogglesChoke, ExpectedReaction::Tolerated);
}

#[test]
fn unknown_messages_are_tolerated() {
    assert_completes_beside(TorrentLie::UnknownMessages, ExpectedReaction::Tolerated);
}
