//! The requests and replies of BitTorrent trackers over HTTP and UDP, for both client and tracker.
//!
//! Over HTTP (BEP 3) a request is the query of a URL and a reply is bencoded; peers are compact strings (BEP 23, and
//! BEP 7 for IPv6) or dictionaries. Over UDP (BEP 15) both are datagrams; see [`udp`]. Scrapes return the number of
//! peers of torrents (BEP 48).
//!
//! Replies are untrusted: at most [`MAX_TRACKED_PEERS`](crate::limits::MAX_TRACKED_PEERS) peers of a reply are
//! parsed, and its texts are truncated. Callers resolve host names, filter addresses, schedule announces and escape
//! texts for display.

mod announce;
mod announce_reply;
pub mod compact;
mod message_text;
mod named_peer;
mod percent;
mod query;
mod reply_error;
mod scrape;
#[cfg(test)]
mod tests;
pub mod udp;
mod url;

pub use announce::{AnnounceRequest, TrackerEvent};
pub use announce_reply::{AnnounceReply, DEFAULT_INTERVAL, TrackedPeer, TrackerFailure};
pub use named_peer::NamedPeer;
pub use query::TrackerQueryError;
pub use reply_error::TrackerReplyError;
pub use scrape::{ScrapeEntry, ScrapeReply, ScrapeRequest};
pub use url::{scrape_url, with_query};
