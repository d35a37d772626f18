//! Sizes, rates and spans of time, as people write and read them.
//!
//! Units of size are powers of 1024 throughout, whether written `K`, `KB` or `KiB`.

mod show;
mod size_text;

pub use show::{Rate, Size, Span};
pub use size_text::{SizeError, parse_size};
