//! Limits of the system: descriptors and inotify watches.

pub(crate) use super::system::limits::{descriptor_limit, raise_descriptor_limit, watch_limit};
