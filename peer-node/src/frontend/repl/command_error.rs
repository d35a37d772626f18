use std::io;
use std::path::PathBuf;

use protocol::escape::{display_safe, excerpt};

use super::command::{MIN_DIGITS, ParseError};
use super::peers::PeerLookupError;
use super::row_list::RowNumberError;
use crate::download::TorrentError;
use crate::frontend::console::output::OutputError;
use crate::index_client::IndexError;
use crate::operations::shares::ShareProblem;
use crate::shared_torrents::SharedTorrentError;
use crate::torrent::dot_torrent::DotTorrentError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The line is not a command.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A number is not in the list.
    #[error(transparent)]
    RowNumber(#[from] RowNumberError),
    /// A text names no peer.
    #[error(transparent)]
    PeerLookup(#[from] PeerLookupError),
    /// The index does not answer, or refuses the request.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The shares cannot be changed in this way.
    #[error(transparent)]
    Share(ShareProblem),
    /// The command needs a confirmation.
    #[error("{error}; add --yes to share it anyway")]
    Unconfirmed {
        /// The reason to confirm.
        error: ShareProblem,
    },
    /// The requested content, folder or path does not exist.
    #[error("nothing found: {what}")]
    NotFound {
        /// The requested name, display-safe.
        what: String,
    },
    /// Several contents have the name.
    #[error("{count} different files are named {name}; choose one by its number")]
    Ambiguous {
        /// The name, display-safe.
        name: String,
        /// How many contents have it.
        count: usize,
    },
    /// Several digests begin with the digits.
    #[error("{} contents have a digest that begins with {digits}; type more digits:{}", candidates.len(), candidate_lines(candidates))]
    AmbiguousDigest {
        /// The typed digits.
        digits: String,
        /// Each digest with a name, display-safe.
        candidates: Vec<String>,
    },
    /// A number selects a folder where a file is needed.
    #[error("{path} is a folder; name one of its files")]
    IsFolder {
        /// The folder with a trailing `/`, display-safe.
        path: String,
    },
    /// A folder has too many files for one command.
    #[error("{what} has more than {limit} files; download its subfolders separately")]
    TooManyFiles {
        /// The folder, display-safe.
        what: String,
        /// The limit.
        limit: usize,
    },
    /// One destination was given for several files.
    #[error("{count} files selected; only a single file can have a destination (as PATH)")]
    DestinationForSeveral {
        /// The number of files.
        count: usize,
    },
    /// A destination was given for a folder.
    #[error("{name}/ is a folder; only a single file can have a destination (as PATH)")]
    DestinationForFolder {
        /// The folder, display-safe.
        name: String,
    },
    /// The download does not exist, or has finished.
    #[error("download {number} is neither under way nor failed; see transfers")]
    NoDownload {
        /// The requested number.
        number: u32,
    },
    /// The download has not finished.
    #[error("download {number} is not finished; cancel it first")]
    NotFinished {
        /// The requested number.
        number: u32,
    },
    /// No digest of a download begins with the digits.
    #[error("no download has a digest that begins with {digits}; see transfers")]
    NoDownloadWithDigest {
        /// The typed digits.
        digits: String,
    },
    /// A `.torrent` cannot be used.
    #[error(transparent)]
    DotTorrent(#[from] DotTorrentError),
    /// A torrent cannot be started.
    #[error(transparent)]
    Torrent(#[from] TorrentError),
    /// A file cannot be offered as a torrent.
    #[error(transparent)]
    Offer(#[from] SharedTorrentError),
    /// The path exists.
    #[error("{} already exists; choose another name with `as FILE`", display_safe(&path.to_string_lossy()))]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", display_safe(&path.to_string_lossy()))]
    Unwritable {
        /// The path.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The last list has been shown completely.
    #[error("the last list has no more pages")]
    NoMorePages,
    /// Downloads are unfinished after the timeout; each was already reported.
    #[error("unfinished, will resume")]
    Unfinished,
    /// The failures were already reported.
    #[error("one or more operations failed")]
    AlreadyReported,
}

impl From<ShareProblem> for CommandError {
    fn from(error: ShareProblem) -> Self {
        match error {
            ShareProblem::Unconfirmed(_) => Self::Unconfirmed { error },
            error => Self::Share(error),
        }
    }
}

/// The maximum number of candidates that an error lists.
const MAX_CANDIDATES: usize = 10;

/// Lists candidates, one per line.
pub(crate) fn candidate_lines(candidates: &[String]) -> String {
    let shown = candidates.iter().take(MAX_CANDIDATES).flat_map(|line| ["\n  ", line]);
    let more = candidates.len().saturating_sub(MAX_CANDIDATES);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    shown.chain([more.as_str()]).collect()
}

impl CommandError {
    /// Returns the error for something that was not found, with a hint for digests that are too short.
    pub(crate) fn not_found(what: &str) -> Self {
        let is_hex = what.len() >= 4 && what.bytes().all(|byte| byte.is_ascii_hexdigit());
        let hint = if is_hex && what.len() < MIN_DIGITS {
            format!(" (a digest needs at least {MIN_DIGITS} digits)")
        } else {
            String::new()
        };
        Self::NotFound { what: excerpt(what) + &hint }
    }
}
