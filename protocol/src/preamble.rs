//! The first eight bytes that each side of a connection sends: the service and the protocol version.
//!
//! Their layout never changes, so any two versions can detect each other. A listener answers a valid preamble with
//! its own and does not answer anything else. It accepts every [`Version`] and answers with the version of the
//! dialing side. It answers an unknown version with [`Version::LATEST`] and closes the connection.
//!
//! From version 2, the dialing side sends its greeting directly after its preamble, and greetings carry
//! [feature bits](crate::features).

/// A supported version of the native protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// The version of release 0.1.0: no features, and an unknown message is a protocol violation.
    One,
    /// Greetings with features; an unknown message is answered as unsupported.
    Two,
}

impl Version {
    /// The newest version.
    pub const LATEST: Self = Self::Two;

    /// Returns the version number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    const fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }
}

/// The length of a preamble in bytes.
pub const PREAMBLE_LEN: usize = 8;

const MAGIC: [u8; 4] = *b"PDEX";

/// The service on a port.
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

/// Why a preamble is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreambleError {
    /// The other side speaks another protocol.
    #[error("the other side does not speak the Peerdex protocol")]
    NotPeerdex,
    /// The other side is a Peerdex program, but expects another service.
    #[error("expected a connection to {}, but the other side expects one to {}", expected.name(), got.name())]
    WrongService {
        /// The service expected by this side.
        expected: Service,
        /// The service expected by the other side.
        got: Service,
    },
    /// The version is not supported.
    #[error(
        "unsupported version: the other side speaks version {theirs}, this program versions 1 to {}",
        Version::LATEST.number()
    )]
    UnsupportedVersion {
        /// The other side's version.
        theirs: u16,
    },
}

/// Encodes the preamble of a connection to or from `service`.
pub const fn encode(service: Service, version: Version) -> [u8; PREAMBLE_LEN] {
    let [p, d, e, x] = MAGIC;
    let [high, low] = version.number().to_be_bytes();
    [p, d, e, x, service.tag(), 0, high, low]
}

/// Checks the other side's preamble and returns its version.
pub const fn check(bytes: [u8; PREAMBLE_LEN], expected: Service) -> Result<Version, PreambleError> {
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
    match Version::from_number(theirs) {
        Some(version) => Ok(version),
        None => Err(PreambleError::UnsupportedVersion { theirs }),
    }
}

/// Returns the version with which a listener answers a checked preamble.
pub const fn reply_version(checked: &Result<Version, PreambleError>) -> Version {
    match checked {
        Ok(version) => *version,
        Err(_) => Version::LATEST,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn preamble_bytes_are_frozen() {
        assert_eq!(&encode(Service::Index, Version::One), b"PDEXI\0\0\x01");
        assert_eq!(&encode(Service::Peer, Version::One), b"PDEXP\0\0\x01");
        assert_eq!(&encode(Service::Index, Version::Two), b"PDEXI\0\0\x02");
        assert_eq!(&encode(Service::Peer, Version::Two), b"PDEXP\0\0\x02");
    }

    #[test]
    fn strangers_services_and_versions_are_distinguished() {
        let check = |bytes: &[u8; 8]| check(*bytes, Service::Index);
        assert_eq!(check(b"PDEXI\0\0\x01"), Ok(Version::One));
        assert_eq!(check(b"PDEXI\0\0\x02"), Ok(Version::Two));
        assert_eq!(check(b"GET / HT"), Err(PreambleError::NotPeerdex));
        assert_eq!(check(b"PDEXI\x01\0\x01"), Err(PreambleError::NotPeerdex));
        assert!(matches!(check(b"PDEXP\0\0\x01"), Err(PreambleError::WrongService { .. })));
        for theirs in [0, 3, 255, u16::MAX] {
            let [high, low] = theirs.to_be_bytes();
            let bytes = [b'P', b'D', b'E', b'X', b'I', 0, high, low];
            assert_eq!(
                super::check(bytes, Service::Index),
                Err(PreambleError::UnsupportedVersion { theirs })
            );
        }
    }

    #[test]
    fn listener_replies_with_the_callers_version() {
        let answer = |bytes: &[u8; 8]| reply_version(&check(*bytes, Service::Index));
        assert_eq!(answer(b"PDEXI\0\0\x01"), Version::One);
        assert_eq!(answer(b"PDEXI\0\0\x02"), Version::Two);
        assert_eq!(answer(b"PDEXI\0\0\x09"), Version::LATEST);
        assert_eq!(answer(b"PDEXP\0\0\x01"), Version::LATEST);
    }

    proptest! {
        #[test]
        fn only_our_own_preambles_are_accepted(bytes: [u8; 8]) {
            let is_ours = [Version::One, Version::Two].map(|version| encode(Service::Peer, version)).contains(&bytes);
            prop_assert_eq!(check(bytes, Service::Peer).is_ok(), is_ours);
        }
    }
}
