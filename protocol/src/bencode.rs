//! Bencode, the notation of BitTorrent (BEP 3, "bencoding"): integers, byte strings, lists and dictionaries.
//!
//! A document is checked whole, once, with a stack of bounded depth and without copying or building anything; a
//! [`Value`] is then a view of the bytes it was written in, and its parts are found by walking them. So a document costs
//! no memory beside its own, however many values it claims to hold, and the original bytes of every value are at hand:
//! an infohash is made of exactly those. What is written is a [`Tree`], whose dictionaries are sorted by construction.
//!
//! How long a document may be is for its reader to say: the limits are in [`crate::limits`].

mod check;
mod error;
mod scanner;
#[cfg(test)]
mod tests;
mod tree;
mod value;

pub use error::{BencodeError, BencodeFault};
pub use tree::Tree;
pub use value::{Entries, Items, Value};

use check::Rules;

/// Reads a document that must be canonical: no leading zeros, no `-0`, keys sorted and each only once, nothing after the
/// value; at most [`MAX_BENCODE_DEPTH`](crate::limits::MAX_BENCODE_DEPTH) levels deep, integers of 64 bits.
pub fn parse(document: &[u8]) -> Result<Value<'_>, BencodeError> {
    check::check(document, Rules::Strict)
}

/// Reads a document as the world's torrents and trackers write it: like [`parse`], but keys may be in any order and stand
/// more than once, of which the first counts, and whatever follows the value is left alone.
pub fn parse_lenient(document: &[u8]) -> Result<Value<'_>, BencodeError> {
    check::check(document, Rules::Lenient)
}
