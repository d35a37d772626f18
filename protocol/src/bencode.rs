//! Bencode, the encoding of BitTorrent (BEP 3, "bencoding"): integers, byte strings, lists and dictionaries.
//!
//! A document is checked once as a whole, with a stack of bounded depth and without copying. A [`Value`] is then a
//! view of the original bytes, and its parts are found by walking them. So a document needs no memory besides its
//! own, however many values it claims to contain, and the original bytes of every value are available, as the
//! infohash requires. Documents to be written are built as a [`Tree`], whose dictionaries are sorted by construction.
//!
//! The caller limits the length of a document; see [`crate::limits`].

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

/// Parses a canonical document: no leading zeros, no `-0`, keys sorted and unique, nothing after the value. At most
/// [`MAX_BENCODE_DEPTH`](crate::limits::MAX_BENCODE_DEPTH) levels deep, integers of 64 bits.
pub fn parse(document: &[u8]) -> Result<Value<'_>, BencodeError> {
    check::check(document, Rules::Strict)
}

/// Parses a document as real torrents and trackers write it: like [`parse`], but keys may be unsorted or repeated, in
/// which case the first one counts, and bytes after the value are ignored.
pub fn parse_lenient(document: &[u8]) -> Result<Value<'_>, BencodeError> {
    check::check(document, Rules::Lenient)
}
