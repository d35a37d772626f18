//! The native dialect: connections between peers of our own kind, over which any number of contents go both ways.
//!
//! [`Links`] owns the connections; a [`Link`] is one of them, and [`Link::open`] begins to fetch a content over it. What
//! the other side asks of us is answered from the library and the
//! [`Partials`](crate::partials::Partials) without anybody else being involved. Which blocks are asked for
//! is not decided here.

mod accusations;
mod block_reader;
mod content;
mod dial_error;
mod fetching;
mod following;
mod further_readers;
mod further_writers;
mod greeting;
mod link;
mod links;
mod older_peers;
mod outflow;
mod reader;
mod searching;
mod send_queue;
mod serving;
mod width;
mod writer;

pub use dial_error::DialError;
pub use fetching::{QueuePosition, SourceEvent};
pub use greeting::GreetingError;
pub(crate) use link::Asking;
pub use link::{FetchChannel, Link};
pub use links::{Links, LinksConfig};
