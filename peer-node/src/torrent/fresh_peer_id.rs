use protocol::bittorrent::PeerId;

/// Creates the random peer id of one run.
pub(crate) fn fresh_peer_id() -> PeerId {
    let mut random = [0; 12];
    // Without randomness two nodes may mistake each other for themselves; nothing worse happens.
    let _ = getrandom::fill(&mut random);
    PeerId::ours(random)
}
