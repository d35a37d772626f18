//! Sizes, rates and spans of time, as people write and read them.
//!
//! Units of size are powers of 1024 throughout, whether written `K`, `KB` or `KiB`.

mod display;
mod parse;

pub use display::{DisplayDuration, DisplayRate, DisplaySize};
pub use parse::{SizeError, parse_size};
