//! The native dialect: connections between peers of our own kind, over which any number of contents go both ways.
//!
//! [`Links`] owns the connections; a [`PeerLink`] is one of them, and [`PeerLink::open`] begins to fetch a content over it. What
//! the other side asks of us is answered from the library and the
//! [`Partials`](crate::native::partials::Partials) without anybody else being involved. Which blocks are asked for
//! is not decided here.

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
pub mod partials;
mod peer_search;
mod probe_key;
mod reader;
mod send_activity;
mod send_queue;
mod serving;
mod writer;
mod wrong_piece_reports;

pub use dial_error::PeerDialError;
pub use fetching::{QueuePosition, SourceEvent};
pub use greeting::LinkGreetingError;
pub(crate) use link::ContentRequest;
pub use link::{FetchChannel, PeerLink};
pub use links::{Links, LinksConfig};
pub use probe_key::ProbeKey;
pub(crate) use probe_key::ProbeKeyGuard;
