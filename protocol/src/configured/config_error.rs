use std::fmt;

use super::PeerId;
use crate::escape::excerpt;
use crate::limits::{MAX_CONFIG, MAX_CONFIGURED_PEERS, MAX_CONFIGURED_PIECES};

/// So many faults are told; of more it is only said how many there are.
const MOST_TOLD: usize = 20;

/// All that is wrong with a file that configures a swarm, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1; 0 for what is wrong with the whole.
    pub line: usize,
    /// What.
    pub reason: FaultReason,
}

/// What can be wrong with a file that configures a swarm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultReason {
    /// Nobody writes so much.
    #[error("the file is larger than {MAX_CONFIG} bytes")]
    TooLarge,
    /// It is not text.
    #[error("the file is not text in UTF-8")]
    NotText,
    /// A key that means nothing.
    #[error("unknown key \"{}\"", excerpt(.0))]
    UnknownKey(String),
    /// A key that must be there is not.
    #[error("{0} is missing")]
    MissingKey(&'static str),
    /// A key stands there twice.
    #[error("{key} stands in line {first} already")]
    DoubledKey {
        /// Which.
        key: &'static str,
        /// Where it is first.
        first: usize,
    },
    /// A key has no value.
    #[error("{0} has no value")]
    NoValue(&'static str),
    /// A value should be a number.
    #[error("{key} is not a number: \"{}\"", excerpt(.value))]
    NotNumber {
        /// Which.
        key: &'static str,
        /// What is there instead.
        value: String,
    },
    /// A number is 0.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// A number is too large.
    #[error("{key} is over the limit of {limit}")]
    OverLimit {
        /// Which.
        key: &'static str,
        /// The largest that it may be.
        limit: u64,
    },
    /// The file would have too many pieces.
    #[error(
        "PieceSize is absurd: the file would have {pieces} pieces, and the limit is {MAX_CONFIGURED_PIECES}"
    )]
    TooManyPieces {
        /// How many.
        pieces: u64,
    },
    /// The file's name leads elsewhere.
    #[error("FileName is not the plain name of a file: \"{}\"", excerpt(.0))]
    BadFileName(String),
    /// A line has too few or too many words.
    #[error("a peer's line is `id host port has_file`, and this one has {words} words")]
    Words {
        /// How many it has.
        words: usize,
    },
    /// A peer is listed twice.
    #[error("peer {id} stands in line {first} already")]
    DoubledId {
        /// Who.
        id: PeerId,
        /// Where it is first.
        first: usize,
    },
    /// Two peers cannot listen in one place.
    #[error("{} and port {port} stand in line {first} already", excerpt(.host))]
    DoubledPlace {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// Where they are first.
        first: usize,
    },
    /// Nobody can be reached there.
    #[error("the host is neither a name nor an address that can be reached: \"{}\"", excerpt(.0))]
    BadHost(String),
    /// Neither 0 nor 1.
    #[error("has_file is 0 or 1, not \"{}\"", excerpt(.0))]
    BadFlag(String),
    /// There is nobody.
    #[error("no peer is listed")]
    NoPeers,
    /// There are too many.
    #[error("more than {MAX_CONFIGURED_PEERS} peers are listed")]
    TooManyPeers,
    /// Nobody could give anything.
    #[error("no peer has the file: at least one line must end in 1")]
    NoSeed,
}

impl ConfigError {
    /// Tells the faults a line each, behind the name of the file.
    pub fn told_of<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        Told { error: self, file }
    }
}

struct Told<'a> {
    error: &'a ConfigError,
    file: &'a str,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = &self.error.faults;
        for (number, Fault { line, reason }) in faults.iter().take(MOST_TOLD).enumerate() {
            let separator = if number > 0 { "\n" } else { "" };
            match line {
                0 => write!(f, "{separator}{}: {reason}", self.file)?,
                line => write!(f, "{separator}{}:{line}: {reason}", self.file)?,
            }
        }
        let more = faults.len().saturating_sub(MOST_TOLD);
        if more > 0 { write!(f, "\n{}: and {more} more", self.file) } else { Ok(()) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told_of("line").fmt(f)
    }
}

impl std::error::Error for ConfigError {}

/// Returns the lines of a file that are not blank, with their numbers from 1 and without blanks around them.
pub(super) fn lines(bytes: &[u8]) -> Result<impl Iterator<Item = (usize, &str)>, ConfigError> {
    let fault = |reason| ConfigError { faults: vec![Fault { line: 0, reason }] };
    if bytes.len() > MAX_CONFIG {
        return Err(fault(FaultReason::TooLarge));
    }
    let text = str::from_utf8(bytes).map_err(|_| fault(FaultReason::NotText))?;
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    Ok(lines.filter(|(_, line)| !line.is_empty()))
}

/// Judges a number.
pub(super) fn number(key: &'static str, value: &str, limit: u64) -> Result<u64, FaultReason> {
    let is_digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits {
        return Err(FaultReason::NotNumber { key, value: value.to_owned() });
    }
    // Digits that fit no number at all are a number that is too large.
    match value.parse().unwrap_or(u64::MAX) {
        0 => Err(FaultReason::Zero(key)),
        number if number > limit => Err(FaultReason::OverLimit { key, limit }),
        number => Ok(number),
    }
}
