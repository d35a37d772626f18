use thiserror::Error;

use crate::bencode::BencodeError;
use crate::limits::{MAX_FILE_SIZE, MAX_TORRENT, MAX_TORRENT_FILES, MAX_TORRENT_PIECE};
use crate::share_path::SharePathError;

/// Tells why a `.torrent` is not used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MetainfoError {
    /// It is longer than any that is read.
    #[error("the torrent has {bytes} bytes; at most {MAX_TORRENT} are read")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// It is not bencode.
    #[error("not a torrent: {0}")]
    Bencode(#[from] BencodeError),
    /// Something is not there without which there is no torrent.
    #[error("the torrent has no `{key}`")]
    Missing {
        /// Its key.
        key: &'static str,
    },
    /// Something is not of the kind that it must be.
    #[error("`{key}` at byte {at} is {found} where {expected} belongs")]
    WrongType {
        /// Its key.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
        /// Where it stands.
        at: usize,
    },
    /// A key stands twice, and programs would differ in which one counts.
    #[error("`{key}` stands there twice, the second time at byte {at}")]
    DuplicateKey {
        /// The key.
        key: &'static str,
        /// Where its second value stands.
        at: usize,
    },
    /// It is a torrent of version 2 (BEP 52) alone.
    #[error("a torrent of version 2 alone (BEP 52), which is not supported; hybrid ones and version 1 are")]
    VersionTwo,
    /// Its pieces are described wrongly.
    #[error("its pieces cannot be: {0}")]
    Pieces(#[from] PiecesFault),
    /// Its files are described wrongly.
    #[error("its files cannot be: {0}")]
    Files(#[from] FilesFault),
    /// The name of a torrent that is to be written is no name for a file or folder.
    #[error("its name cannot be: {0}")]
    Name(PathFault),
    /// The path of a file cannot be.
    #[error("file {file} cannot be: {fault}")]
    Path {
        /// The file's number, from 1.
        file: usize,
        /// What is wrong with its path.
        fault: PathFault,
    },
}

/// Tells what is wrong with the pieces of a torrent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PiecesFault {
    /// There are no pieces of that length.
    #[error("a piece length of {length} bytes; 1 to {MAX_TORRENT_PIECE} are accepted")]
    Length {
        /// The length of a piece.
        length: i64,
    },
    /// The hashes break off.
    #[error("{bytes} bytes of hashes, which is no multiple of 20")]
    PartialHash {
        /// How many bytes of hashes there are.
        bytes: usize,
    },
    /// The number of hashes does not fit the size.
    #[error("{found} hashes, where {size} bytes in pieces of {piece_length} have {expected}")]
    Count {
        /// How many hashes there are.
        found: usize,
        /// How many there should be.
        expected: u64,
        /// The size of the content.
        size: u64,
        /// The length of a piece.
        piece_length: u32,
    },
}

/// Tells what is wrong with the list of a torrent's files, or with their sizes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilesFault {
    /// It says in two ways what its content is.
    #[error("it has both `length` and `files`")]
    LengthAndFiles,
    /// The list is empty.
    #[error("the list of files is empty")]
    Empty,
    /// The list is longer than any that is read.
    #[error("more than {MAX_TORRENT_FILES} files")]
    TooManyFiles,
    /// A file has less than no bytes.
    #[error("file {file} has a length of {length}")]
    NegativeLength {
        /// The file's number, from 1.
        file: usize,
        /// Its length.
        length: i64,
    },
    /// All files together are larger than the network carries.
    #[error("up to file {file} they have more than {MAX_FILE_SIZE} bytes together")]
    TooLarge {
        /// The number, from 1, of the file that was too much.
        file: usize,
    },
    /// There is nothing to transfer.
    #[error("they have no bytes at all")]
    NoContent,
}

/// Tells what is wrong with the path of a file in a torrent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathFault {
    /// The path has no components.
    #[error("it has no path")]
    Missing,
    /// The path has more components than are accepted.
    #[error("it lies more than {limit} folders deep")]
    TooDeep {
        /// The most that is accepted.
        limit: usize,
    },
    /// One component of a torrent that is to be written holds what separates components.
    #[error("the name `{component}` holds a `/`")]
    Separator {
        /// The beginning of the component, display-safe.
        component: String,
    },
    /// One component of a torrent that is to be written is none that can be stored.
    #[error(transparent)]
    Unsafe(#[from] SharePathError),
}
