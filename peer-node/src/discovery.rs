//! Everything that knows addresses: the index, the neighbours on the local network, and the trackers of torrents.
//!
//! Each of them has a protocol and a pace of its own, and all report the same [`PeerEvent`](peer_event::PeerEvent): this peer
//! may have that content. None knows what becomes of its addresses, and no dialect knows this module. Another discovery source
//! is another folder here and another [`PeerOrigin`](peer_event::PeerOrigin).

pub(crate) mod finder;
pub(crate) mod index_client;
pub(crate) mod neighbours;
pub(crate) mod peer_event;
pub(crate) mod trackers;
