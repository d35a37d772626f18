//! The BitTorrent dialect: connections to any client of the world, each about one torrent (BEP 3, BEP 6),
//! in plaintext or behind a key exchange (MSE).
//!
//! [`Wires`] owns the connections. Whoever has a torrent, or wants it, lets it take part ([`Wires::join`]), says where its
//! bytes lie ([`Offering`]), and hears of every [`Wire`], whoever opened it, by [`WireEvent`]s. What the other side asks of
//! us is answered here without anybody else being involved. Which blocks are asked for is not decided here.

mod channel;
mod ending;
mod event;
mod exchange_limit;
mod gathering;
mod greeting;
mod hearing;
mod inbound;
mod inbox;
mod intake;
mod key_exchange;
mod membership;
mod news;
mod offering;
mod outbound;
mod reader;
mod resolver;
mod running;
mod send_queue;
mod serving;
#[cfg(test)]
mod tests;
mod torrent;
mod wire;
mod wire_error;
mod wires;
mod writer;

pub use event::WireEvent;
pub use greeting::GreetingError;
pub use membership::{AlreadyHere, Membership};
pub use offering::{Offering, PieceBytes, Segment};
pub use outbound::Approach;
pub use resolver::Resolver;
pub use wire::Wire;
pub use wire_error::WireError;
pub use wires::{Wires, WiresConfig};
