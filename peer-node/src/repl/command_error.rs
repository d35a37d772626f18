use std::io;
use std::path::PathBuf;

use protocol::escape::{display_safe, excerpt};

use super::command::{MIN_DIGITS, ParseError};
use super::output::OutputError;
use super::peers::PeerLookupError;
use super::row_list::RowNumberError;
use crate::download::TorrentError;
use crate::index_client::IndexError;
use crate::library::LibraryError;
use crate::shared_torrents::SharedTorrentError;
use crate::torrent::dot_torrent::DotTorrentError;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// Nobody reads the output any more.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// It is no command.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A number is not in the list.
    #[error(transparent)]
    RowNumber(#[from] RowNumberError),
    /// A peer cannot be made out.
    #[error(transparent)]
    PeerLookup(#[from] PeerLookupError),
    /// The index does not answer, or says no.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The library refuses it.
    #[error(transparent)]
    Library(LibraryError),
    /// It is done only if the person confirms it.
    #[error("{error}; add --yes to share it all the same")]
    Unconfirmed {
        /// Why it is to be confirmed.
        error: LibraryError,
    },
    /// Nothing that is asked for is there.
    #[error("nothing found: {what}")]
    NotFound {
        /// What was looked for, display-safe.
        what: String,
    },
    /// A name stands for several contents.
    #[error("{count} different files are named {name}; take one of these by its number")]
    Ambiguous {
        /// The name, display-safe.
        name: String,
        /// How many contents have it.
        count: usize,
    },
    /// The digits are the beginning of several digests.
    #[error("{} contents have a digest that begins with {digits}; write more of it:{}", candidates.len(), candidate_lines(candidates))]
    AmbiguousDigest {
        /// What was typed.
        digits: String,
        /// Each digest with a name, display-safe.
        candidates: Vec<String>,
    },
    /// A number stands for a folder where a file is needed.
    #[error("{path} is a folder; name one of its files")]
    IsFolder {
        /// The folder with a `/` at its end, display-safe.
        path: String,
    },
    /// It is too much for one command.
    #[error("{what} has more than {limit} files; take its sub-folders one by one")]
    TooManyFiles {
        /// The folder, display-safe.
        what: String,
        /// The limit.
        limit: usize,
    },
    /// One place was given for several files.
    #[error("these are {count} files; only a single one can be given another place with as")]
    DestinationForSeveral {
        /// How many there are.
        count: usize,
    },
    /// One place was given for a folder.
    #[error("{name}/ is a folder; only a single file can be given another place with as")]
    DestinationForFolder {
        /// The folder, display-safe.
        name: String,
    },
    /// There is nothing to stop.
    #[error("there is no download {number} under way or failed; see transfers")]
    NoDownload {
        /// The number that was asked for.
        number: u32,
    },
    /// The download is not over.
    #[error("download {number} is not finished; cancel it first")]
    NotFinished {
        /// The number that was asked for.
        number: u32,
    },
    /// No download has a digest like that.
    #[error("there is no download whose digest begins with {digits}; see transfers")]
    NoDownloadWithDigest {
        /// What was typed.
        digits: String,
    },
    /// A `.torrent` cannot be used.
    #[error(transparent)]
    DotTorrent(#[from] DotTorrentError),
    /// A torrent cannot be begun.
    #[error(transparent)]
    Torrent(#[from] TorrentError),
    /// A file cannot be given as a torrent.
    #[error(transparent)]
    Offer(#[from] SharedTorrentError),
    /// Something of that name is there.
    #[error("{} is there already: choose another name with `as FILE`", display_safe(&path.to_string_lossy()))]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", display_safe(&path.to_string_lossy()))]
    Unwritable {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is nothing more to show.
    #[error("the last list has no more pages")]
    NoMorePages,
    /// Downloads have not come to their end in the time that was given to them; they were told of.
    #[error("unfinished, will resume")]
    Unfinished,
    /// What went wrong was told when it happened.
    #[error("one or more operations failed")]
    AlreadyReported,
}

impl From<LibraryError> for CommandError {
    fn from(error: LibraryError) -> Self {
        match error {
            LibraryError::Unconfirmed { .. } => Self::Unconfirmed { error },
            error => Self::Library(error),
        }
    }
}

/// The most candidates that an error lists.
const MAX_CANDIDATES: usize = 10;

/// Lists candidates, one below the other.
pub(crate) fn candidate_lines(candidates: &[String]) -> String {
    let shown = candidates.iter().take(MAX_CANDIDATES).flat_map(|line| ["\n  ", line]);
    let more = candidates.len().saturating_sub(MAX_CANDIDATES);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    shown.chain([more.as_str()]).collect()
}

impl CommandError {
    /// Makes the failure of a search for something.
    pub(crate) fn not_found(what: &str) -> Self {
        let is_hex = what.len() >= 4 && what.bytes().all(|byte| byte.is_ascii_hexdigit());
        let hint = if is_hex && what.len() < MIN_DIGITS {
            format!(" (of a digest, write at least {MIN_DIGITS} digits)")
        } else {
            String::new()
        };
        Self::NotFound { what: excerpt(what) + &hint }
    }
}
