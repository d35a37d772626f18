//! Torrents as found in the wild: one of each kind that some program creates and others refuse, and random ones.

mod kinds;
mod random;

use std::fs;
use std::path::{Path, PathBuf};

use protocol::bencode::Tree;

pub use kinds::torrents_of_each_kind;
pub use random::{damaged_torrents, random_torrents};

/// Piece length of most torrents, in bytes.
pub const PIECE_LENGTH: u64 = 16 << 10;

/// A torrent and what was written into it.
#[derive(Debug, Clone)]
pub struct CorpusTorrent {
    /// The name of its file, without `.torrent`.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The path of every entry that is not a symbolic link, with `/` between the components. `None` for an entry
    /// without a path, or with a path that is not UTF-8 or has a `/` in a component.
    pub paths: Vec<Option<String>>,
}

impl CorpusTorrent {
    /// Writes the torrent into a folder.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join(format!("{}.torrent", self.name));
        fs::write(&path, &self.bytes).expect("a torrent");
        path
    }
}

/// A torrent under construction.
#[derive(Debug, Clone)]
pub struct TorrentBuilder {
    /// The name of the torrent.
    pub name: Vec<u8>,
    /// The piece length in bytes.
    pub piece_length: u64,
    /// Its files: one file without a path if there is no list.
    pub files: Vec<CorpusFile>,
    /// True if the torrent has a list of files.
    pub has_file_list: bool,
    /// Further entries of the info dictionary.
    pub extra_info: Vec<(&'static str, Tree)>,
    /// Further entries beside the info dictionary.
    pub extra_root: Vec<(&'static str, Tree)>,
    /// The piece hashes; if empty, arbitrary bytes of the right length.
    pub hashes: Option<Vec<u8>>,
}

/// An entry of the list of files.
#[derive(Debug, Clone, Default)]
pub struct CorpusFile {
    /// Its path, if it has one.
    pub path: Option<Vec<Vec<u8>>>,
    /// Its length, if it has one.
    pub length: Option<u64>,
    /// Its attributes (BEP 47).
    pub attr: &'static str,
    /// The entry `path.utf-8`, if it differs from the path.
    pub path_utf8: Option<Vec<String>>,
}

impl CorpusFile {
    /// Creates a file.
    pub fn file(path: &[&str], length: u64) -> Self {
        let path = Some(path.iter().map(|name| name.as_bytes().to_vec()).collect());
        Self { path, length: Some(length), ..Self::default() }
    }

    /// Returns true if the entry is a symbolic link, which has no content.
    pub fn is_symlink(&self) -> bool {
        self.attr.contains('l')
    }

    fn content_length(&self) -> u64 {
        self.length.filter(|_| !self.is_symlink()).unwrap_or(0)
    }

    fn tree(&self) -> Tree {
        let list = |names: &[Vec<u8>]| Tree::list(names.iter().map(|name| name.as_slice().into()));
        let mut entries = Vec::new();
        entries.extend(self.path.as_deref().map(|path| ("path", list(path))));
        entries.extend(self.length.map(|length| ("length", length.into())));
        entries.extend(
            self.path_utf8
                .as_ref()
                .map(|path| ("path.utf-8", Tree::list(path.iter().map(|name| name.as_str().into())))),
        );
        if !self.attr.is_empty() {
            entries.push(("attr", self.attr.into()));
        }
        if self.is_symlink() {
            entries.push(("symlink path", Tree::list(["somewhere".into()])));
        }
        Tree::dictionary(entries)
    }

    /// Returns the intended path if it is safe.
    fn plain_path(&self, torrent: &str) -> Option<String> {
        let names: Vec<String> = match (&self.path_utf8, &self.path) {
            (Some(names), _) => names.clone(),
            (None, path) => path
                .as_ref()?
                .iter()
                .map(|name| String::from_utf8(name.clone()).ok())
                .collect::<Option<_>>()?,
        };
        let is_plain = !names.is_empty() && names.iter().all(|name| !name.contains('/'));
        is_plain.then(|| format!("{torrent}/{}", names.join("/")))
    }
}

impl TorrentBuilder {
    /// Creates a torrent with a list of files.
    pub fn from_files(files: impl IntoIterator<Item = CorpusFile>) -> Self {
        Self {
            name: b"album".to_vec(),
            piece_length: PIECE_LENGTH,
            files: files.into_iter().collect(),
            has_file_list: true,
            extra_info: Vec::new(),
            extra_root: vec![("announce", "http://127.0.0.1:9/announce".into())],
            hashes: None,
        }
    }

    /// Sets an entry beside the info dictionary, replacing an existing one.
    #[must_use]
    pub fn with_root_entry(mut self, key: &'static str, value: impl Into<Tree>) -> Self {
        self.extra_root.retain(|(known, _)| *known != key);
        self.extra_root.push((key, value.into()));
        self
    }

    /// Adds an entry to the info dictionary.
    #[must_use]
    pub fn with_info_entry(mut self, key: &'static str, value: impl Into<Tree>) -> Self {
        self.extra_info.push((key, value.into()));
        self
    }

    /// Removes all entries beside the info dictionary.
    #[must_use]
    pub fn without_root_entries(mut self) -> Self {
        self.extra_root.clear();
        self
    }

    /// Sets the name of the torrent.
    #[must_use]
    pub fn with_name(mut self, name: impl AsRef<[u8]>) -> Self {
        self.name = name.as_ref().to_vec();
        self
    }

    /// Builds the torrent.
    pub fn build(&self, name: impl Into<String>) -> CorpusTorrent {
        let size: u64 = self.files.iter().map(CorpusFile::content_length).sum();
        let pieces = size.div_ceil(self.piece_length.max(1));
        let hashes =
            || (0..pieces * 20).map(|byte| byte.wrapping_mul(37).to_le_bytes()[0]).collect::<Vec<u8>>();
        let mut info = vec![
            ("name", self.name.as_slice().into()),
            ("piece length", self.piece_length.into()),
            ("pieces", self.hashes.clone().unwrap_or_else(hashes).into()),
        ];
        if self.has_file_list {
            info.push(("files", Tree::list(self.files.iter().map(CorpusFile::tree))));
        } else {
            info.push(("length", size.into()));
        }
        info.extend(self.extra_info.iter().cloned());
        let root = self.extra_root.iter().cloned().chain([("info", Tree::dictionary(info))]);
        let torrent = std::str::from_utf8(&self.name).ok().filter(|name| !name.contains('/'));
        let path = |entry: &CorpusFile| match (torrent, self.has_file_list) {
            (Some(torrent), true) => entry.plain_path(torrent),
            (torrent, _) => torrent.filter(|_| !self.has_file_list).map(str::to_owned),
        };
        CorpusTorrent {
            name: name.into(),
            bytes: Tree::dictionary(root).encode(),
            paths: self.files.iter().filter(|entry| !entry.is_symlink()).map(path).collect(),
        }
    }
}
