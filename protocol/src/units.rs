//! Human-readable sizes, rates and durations.
//!
//! Units of size are always powers of 1024, whether written `K`, `KB` or `KiB`.

mod display;
mod parse;

pub use display::{DisplayDuration, DisplayRate, DisplaySize};
pub use parse::{SizeError, parse_size};
