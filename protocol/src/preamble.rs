//! The first eight bytes each side of a connection sends: what it is, and which version it speaks.
//!
//! They never change, so that any two versions understand at least why they do not understand each other. Whoever
//! accepts a connection answers a good preamble with its own, and anything else with nothing at all.

/// The version of the native protocols that this crate speaks.
pub const VERSION: u16 = 1;

/// The length of a preamble in bytes.
pub const PREAMBLE_LEN: usize = 8;

const MAGIC: [u8; 4] = *b"PDEX";

/// What listens on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// An index server.
    Index,
    /// A peer.
    Peer,
}

impl Service {
    const fn tag(self) -> u8 {
        match self {
            Self::Index => b'I',
            Self::Peer => b'P',
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Index => "an index server",
            Self::Peer => "a peer",
        }
    }
}

/// First bytes that are not what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreambleError {
    /// Somebody who speaks something else altogether.
    #[error("the other side does not speak the Peerdex protocol")]
    NotPeerdex,
    /// One of ours, but the wrong program.
    #[error("expected {}, but the other side takes this for {}", expected.name(), got.name())]
    WrongService {
        /// What was expected.
        expected: Service,
        /// What the other side said.
        got: Service,
    },
    /// Another version.
    #[error("unsupported version: the other side speaks version {theirs}, we speak version {VERSION}")]
    UnsupportedVersion {
        /// The other side's version.
        theirs: u16,
    },
}

/// Makes the preamble of a connection to, or from, a `service`.
pub const fn encode(service: Service) -> [u8; PREAMBLE_LEN] {
    let [p, d, e, x] = MAGIC;
    let [high, low] = VERSION.to_be_bytes();
    [p, d, e, x, service.tag(), 0, high, low]
}

/// Checks the other side's preamble.
pub const fn check(bytes: [u8; PREAMBLE_LEN], expected: Service) -> Result<(), PreambleError> {
    let [b'P', b'D', b'E', b'X', tag, 0, high, low] = bytes else { return Err(PreambleError::NotPeerdex) };
    let got = match tag {
        b'I' => Service::Index,
        b'P' => Service::Peer,
        _ => return Err(PreambleError::NotPeerdex),
    };
    if got.tag() != expected.tag() {
        return Err(PreambleError::WrongService { expected, got });
    }
    let theirs = u16::from_be_bytes([high, low]);
    if theirs != VERSION {
        return Err(PreambleError::UnsupportedVersion { theirs });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_are_frozen() {
        assert_eq!(&encode(Service::Index), b"PDEXI\0\0\x01");
        assert_eq!(&encode(Service::Peer), b"PDEXP\0\0\x01");
    }

    #[test]
    fn strangers_wrong_programs_and_other_versions_are_told_apart() {
        let check = |bytes: &[u8; 8]| check(*bytes, Service::Index);
        assert_eq!(check(b"PDEXI\0\0\x01"), Ok(()));
        assert_eq!(check(b"GET / HT"), Err(PreambleError::NotPeerdex));
        assert_eq!(check(b"PDEXI\x01\0\x01"), Err(PreambleError::NotPeerdex));
        assert!(matches!(check(b"PDEXP\0\0\x01"), Err(PreambleError::WrongService { .. })));
        for theirs in [0, 2, 255, u16::MAX] {
            let [high, low] = theirs.to_be_bytes();
            let bytes = [b'P', b'D', b'E', b'X', b'I', 0, high, low];
            assert_eq!(
                super::check(bytes, Service::Index),
                Err(PreambleError::UnsupportedVersion { theirs })
            );
        }
    }

    proptest! {
        #[test]
        fn only_our_own_preamble_is_accepted(bytes: [u8; 8]) {
            prop_assert_eq!(check(bytes, Service::Peer).is_ok(), bytes == encode(Service::Peer));
        }
    }
}
