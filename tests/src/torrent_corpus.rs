//! Torrents as the world writes them: one of each kind that some program makes and others refuse, and random ones.

mod kinds;
mod random;

use std::fs;
use std::path::{Path, PathBuf};

use protocol::bencode::Tree;

pub use kinds::kinds;
pub use random::{damaged, random};

/// The length of a piece of most of them, in bytes.
pub const PIECE: u64 = 16 << 10;

/// A torrent, and what was written into it.
#[derive(Debug, Clone)]
pub struct Specimen {
    /// The name of its file, without `.torrent`.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The path of every entry that is no symbolic link, with `/` between the components; none if it has no path, or one that
    /// is not UTF-8 or has a `/` in a component.
    pub paths: Vec<Option<String>>,
}

impl Specimen {
    /// Writes it into a folder.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join(format!("{}.torrent", self.name));
        fs::write(&path, &self.bytes).expect("a torrent");
        path
    }
}

/// A torrent that is put together.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The name of the torrent.
    pub name: Vec<u8>,
    /// The length of a piece.
    pub piece_length: u64,
    /// Its files; a single one without a path if there is no list.
    pub files: Vec<Entry>,
    /// Whether it has a list of files.
    pub has_list: bool,
    /// More entries of `info`.
    pub info: Vec<(&'static str, Tree)>,
    /// More entries beside `info`.
    pub root: Vec<(&'static str, Tree)>,
    /// The hashes of the pieces; any bytes of the right length if there are none.
    pub hashes: Option<Vec<u8>>,
}

/// An entry of the list of files.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Its path, if it has one.
    pub path: Option<Vec<Vec<u8>>>,
    /// Its length, if it has one.
    pub length: Option<u64>,
    /// Its attributes (BEP 47).
    pub attr: &'static str,
    /// The path in UTF-8, if it has another one.
    pub path_utf8: Option<Vec<String>>,
}

impl Entry {
    /// Makes a file.
    pub fn file(path: &[&str], length: u64) -> Self {
        let path = Some(path.iter().map(|name| name.as_bytes().to_vec()).collect());
        Self { path, length: Some(length), ..Self::default() }
    }

    /// Returns true if it is a symbolic link, which is no content.
    pub fn is_link(&self) -> bool {
        self.attr.contains('l')
    }

    fn content(&self) -> u64 {
        self.length.filter(|_| !self.is_link()).unwrap_or(0)
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
        if self.is_link() {
            entries.push(("symlink path", Tree::list(["somewhere".into()])));
        }
        Tree::dictionary(entries)
    }

    /// Returns its path as it is meant, if it is plain.
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

impl Recipe {
    /// Makes one of a list of files.
    pub fn of(files: impl IntoIterator<Item = Entry>) -> Self {
        Self {
            name: b"album".to_vec(),
            piece_length: PIECE,
            files: files.into_iter().collect(),
            has_list: true,
            info: Vec::new(),
            root: vec![("announce", "http://127.0.0.1:9/announce".into())],
            hashes: None,
        }
    }

    /// Adds an entry beside `info`, in place of the one that is there.
    #[must_use]
    pub fn root(mut self, key: &'static str, value: impl Into<Tree>) -> Self {
        self.root.retain(|(known, _)| *known != key);
        self.root.push((key, value.into()));
        self
    }

    /// Adds an entry to `info`.
    #[must_use]
    pub fn info(mut self, key: &'static str, value: impl Into<Tree>) -> Self {
        self.info.push((key, value.into()));
        self
    }

    /// Takes out what stands beside `info`.
    #[must_use]
    pub fn without_root(mut self) -> Self {
        self.root.clear();
        self
    }

    /// Gives the torrent a name.
    #[must_use]
    pub fn named(mut self, name: impl AsRef<[u8]>) -> Self {
        self.name = name.as_ref().to_vec();
        self
    }

    /// Puts it together.
    pub fn cook(&self, name: impl Into<String>) -> Specimen {
        let size: u64 = self.files.iter().map(Entry::content).sum();
        let pieces = size.div_ceil(self.piece_length.max(1));
        let hashes =
            || (0..pieces * 20).map(|byte| byte.wrapping_mul(37).to_le_bytes()[0]).collect::<Vec<u8>>();
        let mut info = vec![
            ("name", self.name.as_slice().into()),
            ("piece length", self.piece_length.into()),
            ("pieces", self.hashes.clone().unwrap_or_else(hashes).into()),
        ];
        if self.has_list {
            info.push(("files", Tree::list(self.files.iter().map(Entry::tree))));
        } else {
            info.push(("length", size.into()));
        }
        info.extend(self.info.iter().cloned());
        let root = self.root.iter().cloned().chain([("info", Tree::dictionary(info))]);
        let torrent = std::str::from_utf8(&self.name).ok().filter(|name| !name.contains('/'));
        let path = |entry: &Entry| match (torrent, self.has_list) {
            (Some(torrent), true) => entry.plain_path(torrent),
            (torrent, _) => torrent.filter(|_| !self.has_list).map(str::to_owned),
        };
        Specimen {
            name: name.into(),
            bytes: Tree::dictionary(root).encode(),
            paths: self.files.iter().filter(|entry| !entry.is_link()).map(path).collect(),
        }
    }
}
