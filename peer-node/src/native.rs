//! The native dialect: connections between Peerdex nodes, which transfer any number of contents in both directions.
//!
//! [`Links`] owns the connections. A [`PeerLink`] is one of them, and [`PeerLink::open`] starts fetching a content over it.
//! Requests of the peer are served from the library and the [`Partials`](crate::native::partials::Partials) without involving other
//! modules. The swarm, not this module, decides which blocks to request.

mod block_reader;
mod content;
mod dial_error;
mod fetching;
mod followed_content;
mod further_readers;
mod further_writers;
mod greeting;
mod link;
mod link_width;
mod links;
mod older_peers;
pub(crate) mod partials;
mod peer_listing;
mod peer_search;
mod probe_key;
mod reader;
mod send_activity;
mod send_queue;
mod serving;
mod writer;
mod wrong_piece_reports;

pub(crate) use dial_error::PeerDialError;
pub(crate) use fetching::{QueuePosition, SourceEvent};
pub(crate) use link::ContentRequest;
pub(crate) use link::{FetchChannel, PeerLink};
pub(crate) use links::{Links, LinksConfig};
pub(crate) use peer_listing::{ListingPage, PeerListingError};
pub use probe_key::ProbeKey;
pub(crate) use probe_key::ProbeKeyGuard;
