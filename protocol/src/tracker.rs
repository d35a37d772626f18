//! What a BitTorrent tracker is asked and what it answers, for both sides, over HTTP and over UDP.
//!
//! Over HTTP (BEP 3) a question is the query of a URL and an answer is bencoded; peers come as strings of bytes (BEP 23,
//! and BEP 7 for IPv6) or as dictionaries. Over UDP (BEP 15) both are datagrams: see [`udp`]. How many torrents peers
//! have is asked by scraping (BEP 48).
//!
//! What comes from a tracker is a hint from a stranger: at most
//! [`MAX_TRACKED_PEERS`](crate::limits::MAX_TRACKED_PEERS) peers are read of an answer and its words are cut short.
//! Where the name of a host leads, which addresses may be dialled, when to ask again and how words are shown is decided by whoever uses this.

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
