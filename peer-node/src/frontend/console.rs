//! Console output for all front ends: text, tables, progress, and what a terminal can show.

pub(crate) mod look;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod progress_bar;
pub(crate) mod table;
pub(crate) mod text_width;
