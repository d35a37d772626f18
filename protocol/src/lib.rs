//! Typed values for every byte that crosses a wire in Peerdex, and for every format that its programs share.
//!
//! A few small parts that both programs use are here too: [`backoff`], [`rate_limiter`], [`hex`] and [`seeded_random`].
//!
//! This crate is pure: it opens no socket and no file, reads no clock and draws no random number. Invalid input is
//! refused with a typed error. Every length, count and depth is checked against [`limits`] before it is used.

pub mod address_group;
pub mod backoff;
pub mod bencode;
pub mod bitfield;
pub mod bittorrent;
pub mod block_hash;
pub mod configured;
pub mod digest;
pub mod escape;
pub mod features;
pub mod fold;
pub mod frame;
pub mod geometry;
#[cfg(test)]
mod golden;
pub mod hex;
pub mod index;
pub mod infohash;
pub mod lan;
pub mod limits;
pub mod manifest;
pub mod metainfo;
pub mod node_id;
pub mod peer;
pub mod preamble;
pub mod probe;
pub mod query;
pub mod rate_limiter;
pub mod seeded_random;
pub mod sha1;
pub mod sha256;
pub mod share_path;
pub mod tracker;
pub mod units;
