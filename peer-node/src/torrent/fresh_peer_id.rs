use protocol::bittorrent::PeerId;

/// Makes the name under which a run of the program is known to BitTorrent peers.
pub(crate) fn fresh_peer_id() -> PeerId {
    let mut random = [0; 12];
    // Without randomness two nodes on one machine may take each other for themselves, and nothing worse.
    let _ = getrandom::fill(&mut random);
    PeerId::ours(random)
}
