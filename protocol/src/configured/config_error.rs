use std::fmt;

use super::ConfiguredPeerId;
use crate::escape::excerpt;
use crate::limits::{MAX_CONFIG, MAX_CONFIGURED_PEERS, MAX_CONFIGURED_PIECES};

/// So many faults are told; of more it is only said how many there are.
const MAX_REPORTED: usize = 20;

/// What is wrong with a file that configures a swarm, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub faults: Vec<ConfigFault>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
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
    /// It says nothing.
    #[error("the file is empty")]
    Empty,
    /// An unknown key stands where a missing one was probably meant.
    #[error("unknown key \"{}\"; did you mean {key}?", excerpt(.found))]
    MisspelledKey {
        /// What is there.
        found: String,
        /// The key that is missing.
        key: &'static str,
    },
    /// A key that must be there is not.
    #[error("{0} is missing")]
    MissingKey(&'static str),
    /// A key stands there twice.
    #[error("{key} stands in line {first} already")]
    DuplicateKey {
        /// Which.
        key: &'static str,
        /// Where it is first.
        first: usize,
    },
    /// A key has no value.
    #[error("{0} has no value")]
    MissingValue(&'static str),
    /// A value should be a number.
    #[error("{key} is not a number: \"{}\"", excerpt(.value))]
    NotANumber {
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
    WrongFieldCount {
        /// How many it has.
        words: usize,
    },
    /// A peer is listed twice.
    #[error("peer {id} stands in line {first} already")]
    DuplicateId {
        /// Who.
        id: ConfiguredPeerId,
        /// Where it is first.
        first: usize,
    },
    /// Two peers cannot listen in one place.
    #[error("{} and port {port} stand in line {first} already", excerpt(.host))]
    DuplicateAddress {
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

/// Something in a file that configures a swarm that is probably not what its author meant, but no reason to refuse it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWarning {
    /// The line, from 1.
    pub line: usize,
    /// What it is.
    pub reason: WarningReason,
}

/// What may be suspicious about a file that configures a swarm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WarningReason {
    /// A key without a meaning here, as other programs add them.
    #[error("unknown key \"{}\" ignored", excerpt(.0))]
    UnknownKey(String),
    /// A file name may contain `#`, but not after a blank here.
    #[error("FileName ends before the comment: \"{}\"", excerpt(.0))]
    CommentAfterFileName(String),
}

impl ConfigError {
    /// Returns a text with a line per fault, each with the name of the file before it.
    pub fn display_for<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        FaultLines { lines: self.faults.iter().map(|fault| (fault.line, &fault.reason)).collect(), file }
    }
}

impl ConfigWarning {
    /// Returns a text with a line per warning, each with the name of the file before it.
    pub fn display_all<'a>(warnings: &'a [Self], file: &'a str) -> impl fmt::Display + 'a {
        FaultLines { lines: warnings.iter().map(|warning| (warning.line, &warning.reason)).collect(), file }
    }
}

/// Remarks about the lines of a file.
struct FaultLines<'a, T> {
    lines: Vec<(usize, T)>,
    file: &'a str,
}

impl<T: fmt::Display> fmt::Display for FaultLines<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lines, file } = self;
        for (number, (line, reason)) in lines.iter().take(MAX_REPORTED).enumerate() {
            let separator = if number > 0 { "\n" } else { "" };
            match line {
                0 => write!(f, "{separator}{file}: {reason}")?,
                line => write!(f, "{separator}{file}:{line}: {reason}")?,
            }
        }
        let more = lines.len().saturating_sub(MAX_REPORTED);
        if more > 0 { write!(f, "\n{file}: and {more} more") } else { Ok(()) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.display_for("line").fmt(f)
    }
}

impl std::error::Error for ConfigError {}

/// Returns the lines of a file that are neither blank nor comments, with their numbers from 1 and without blanks around them.
pub(super) fn lines(bytes: &[u8]) -> Result<impl Iterator<Item = (usize, &str)>, ConfigError> {
    let fault = |reason| ConfigError { faults: vec![ConfigFault { line: 0, reason }] };
    if bytes.len() > MAX_CONFIG {
        return Err(fault(FaultReason::TooLarge));
    }
    let text = str::from_utf8(bytes).map_err(|_| fault(FaultReason::NotText))?;
    // Some editors put a byte order mark before everything they save.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    Ok(lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')))
}

/// Returns a line without the comment at its end: a `#` after a blank, and all that follows.
pub(super) fn without_comment(line: &str) -> &str {
    let is_comment =
        |place: &usize| line.get(..*place).is_some_and(|head| head.ends_with(char::is_whitespace));
    let comment = line.match_indices('#').map(|(place, _)| place).find(is_comment);
    comment.and_then(|place| line.get(..place)).map_or(line, str::trim_end)
}

/// Judges a number.
pub(super) fn number(key: &'static str, value: &str, limit: u64) -> Result<u64, FaultReason> {
    let is_digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits {
        return Err(FaultReason::NotANumber { key, value: value.to_owned() });
    }
    // Digits that fit no number at all are a number that is too large.
    match value.parse().unwrap_or(u64::MAX) {
        0 => Err(FaultReason::Zero(key)),
        number if number > limit => Err(FaultReason::OverLimit { key, limit }),
        number => Ok(number),
    }
}
