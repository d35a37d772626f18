use thiserror::Error;

use crate::bencode::BencodeError;
use crate::limits::{MAX_FILE_SIZE, MAX_TORRENT, MAX_TORRENT_FILES, MAX_TORRENT_PIECE};
use crate::share_path::SharePathError;

/// Why a `.torrent` is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MetainfoError {
    /// The `.torrent` is over the size limit.
    #[error("the torrent has {bytes} bytes; the limit is {MAX_TORRENT}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The `.torrent` is not bencode.
    #[error("not a torrent: {0}")]
    Bencode(#[from] BencodeError),
    /// A required key is missing.
    #[error("the torrent has no `{key}`")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value has the wrong type.
    #[error("`{key}` at byte {at} is {found}, expected {expected}")]
    WrongType {
        /// The key of the value.
        key: &'static str,
        /// The expected type.
        expected: &'static str,
        /// The actual type.
        found: &'static str,
        /// The offset of the value.
        at: usize,
    },
    /// A key occurs twice, which programs would interpret differently.
    #[error("duplicate `{key}` at byte {at}")]
    DuplicateKey {
        /// The key.
        key: &'static str,
        /// The offset of its second value.
        at: usize,
    },
    /// The torrent is of version 2 only (BEP 52).
    #[error("torrents of version 2 only (BEP 52) are not supported; use a hybrid or version 1 torrent")]
    VersionTwo,
    /// The pieces are invalid.
    #[error("invalid pieces: {0}")]
    Pieces(#[from] PiecesFault),
    /// The files are invalid.
    #[error("invalid files: {0}")]
    Files(#[from] FilesFault),
    /// The name of a torrent to be encoded is not a valid file name.
    #[error("invalid name: {0}")]
    Name(PathFault),
    /// The path of a file is invalid.
    #[error("invalid path of file {file}: {fault}")]
    Path {
        /// The file's number, from 1.
        file: usize,
        /// What is wrong with its path.
        fault: PathFault,
    },
}

/// What is wrong with the pieces of a torrent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PiecesFault {
    /// The piece length is out of range.
    #[error("piece length {length} is not between 1 and {MAX_TORRENT_PIECE} bytes")]
    Length {
        /// The piece length.
        length: i64,
    },
    /// The last hash is incomplete.
    #[error("{bytes} bytes of hashes, which is not a multiple of 20")]
    PartialHash {
        /// The length of all hashes in bytes.
        bytes: usize,
    },
    /// The number of hashes does not match the size.
    #[error("{found} hashes, expected {expected} for {size} bytes in pieces of {piece_length}")]
    Count {
        /// The number of hashes.
        found: usize,
        /// The expected number.
        expected: u64,
        /// The size of the content.
        size: u64,
        /// The piece length.
        piece_length: u32,
    },
}

/// What is wrong with the list of a torrent's files, or with their sizes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilesFault {
    /// The torrent has the keys of both single-file and multi-file torrents.
    #[error("it has both `length` and `files`")]
    LengthAndFiles,
    /// The list is empty.
    #[error("the list of files is empty")]
    Empty,
    /// The list is over the length limit.
    #[error("more than {MAX_TORRENT_FILES} files")]
    TooManyFiles,
    /// A file has a negative length.
    #[error("file {file} has a length of {length}")]
    NegativeLength {
        /// The file's number, from 1.
        file: usize,
        /// Its length.
        length: i64,
    },
    /// The total size is over the limit.
    #[error("more than {MAX_FILE_SIZE} bytes in total, exceeded by file {file}")]
    TooLarge {
        /// The number, from 1, of the file that exceeds the limit.
        file: usize,
    },
    /// The total size is 0.
    #[error("all files are empty")]
    NoContent,
}

/// What is wrong with the path of a file in a torrent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathFault {
    /// The path has no components.
    #[error("the path is empty")]
    Missing,
    /// The path has too many components.
    #[error("the path is more than {limit} folders deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A component of a torrent to be encoded contains a separator.
    #[error("the name `{component}` contains a `/`")]
    Separator {
        /// The beginning of the component, display-safe.
        component: String,
    },
    /// A component of a torrent to be encoded is not a valid file name.
    #[error(transparent)]
    Unsafe(#[from] SharePathError),
}
