//! The implementation for systems other than Unix, in practice Windows: what the standard library offers.

pub(super) mod files;
pub(super) mod folders;
pub(super) mod machine;
pub(super) mod signals;
pub(super) mod threads;

use std::io;

/// Returns the error of a call that has no equivalent here.
fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "not supported on this system")
}
