//! The received announcements as stored in the folder: the holders of each chunk, and the announced digests.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use protocol::digest::Digest;
use protocol::lan::{ChunkName, DictionaryLine};

use super::AnnouncedChunks;
use crate::storage::read_regular_file;
use crate::storage::replace_file;

/// Stores the holders of each chunk.
pub(super) const DICTIONARY_FILE: &str = "content_dictionary.txt";

/// Stores the digests that Peerdex nodes announce, one per line: `cherry_1: 192.168.1.7 9f86…`.
pub(super) const DIGESTS_FILE: &str = "chunk_digests.txt";

/// Maximum size of either file in bytes.
const MAX_FILE_SIZE: u64 = 8 << 20;

/// The chunks that each address has announced.
#[derive(Debug, Default)]
pub(super) struct ContentDictionary {
    holders: BTreeMap<ChunkName, Vec<IpAddr>>,
    digests: HashMap<(ChunkName, IpAddr), Digest>,
}

impl ContentDictionary {
    /// Loads the files of a folder. Skips invalid lines; missing files count as empty.
    pub(super) fn load(folder: &Path) -> io::Result<Self> {
        let mut dictionary = Self::default();
        for line in read_or_empty(&folder.join(DICTIONARY_FILE))?.lines() {
            match line.parse::<DictionaryLine>() {
                Ok(line) => drop(dictionary.holders.insert(line.chunk, line.holders)),
                Err(error) => tracing::warn!(%error, "skipped a line of the dictionary"),
            }
        }
        let digests = read_or_empty(&folder.join(DIGESTS_FILE))?;
        dictionary.digests = digests.lines().filter_map(parse_digest_line).collect();
        Ok(dictionary)
    }

    /// Returns the path of the dictionary.
    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join(DICTIONARY_FILE)
    }

    /// Returns the holders of a chunk, in the order in which to request it.
    pub(super) fn holders(&self, chunk: &ChunkName) -> &[IpAddr] {
        self.holders.get(chunk).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the digest that an address has announced.
    pub(super) fn digest(&self, chunk: &ChunkName, holder: IpAddr) -> Option<Digest> {
        self.digests.get(&(chunk.clone(), holder)).copied()
    }

    /// Returns true if any chunk of the file has been announced.
    pub(super) fn has_file(&self, file: &str) -> bool {
        self.holders.keys().any(|chunk| chunk.file() == file)
    }
}

/// The announced chunks in the form to be stored.
pub(super) struct DictionarySnapshot {
    dictionary: String,
    digests: String,
}

impl DictionarySnapshot {
    pub(super) fn from_announced(announced: &AnnouncedChunks) -> Self {
        let (mut dictionary, mut digests) = (String::new(), String::new());
        for line in announced.lines() {
            // Writing to a string cannot fail.
            let _ = writeln!(dictionary, "{line}");
        }
        for (chunk, address, digest) in announced.digests() {
            let _ = writeln!(digests, "{}: {address} {digest}", chunk.as_str());
        }
        Self { dictionary, digests }
    }

    /// Replaces both files atomically. Blocks on disk I/O.
    pub(super) fn save(&self, folder: &Path) -> io::Result<()> {
        replace_file(&folder.join(DIGESTS_FILE), self.digests.as_bytes())?;
        replace_file(&folder.join(DICTIONARY_FILE), self.dictionary.as_bytes())
    }
}

fn parse_digest_line(line: &str) -> Option<((ChunkName, IpAddr), Digest)> {
    let (chunk, rest) = line.rsplit_once(": ")?;
    let (address, digest) = rest.split_once(' ')?;
    Some(((chunk.parse().ok()?, address.parse().ok()?), digest.parse().ok()?))
}

fn read_or_empty(path: &Path) -> io::Result<String> {
    let bytes = match read_regular_file(path, MAX_FILE_SIZE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use protocol::lan::{Card, Cookie, LanAnnouncement};

    use super::*;

    #[test]
    fn saved_dictionary_is_loaded_and_broken_lines_are_skipped() {
        let home = tempfile::tempdir().unwrap();
        assert!(!ContentDictionary::load(home.path()).unwrap().has_file("a"));
        let chunk: ChunkName = "a_1".parse().unwrap();
        let (address, digest) = ("10.0.0.7".parse().unwrap(), Digest::from_bytes([7; 32]));
        let mut card = Card::of(Cookie::from_bytes([1; 8]));
        card.digests.insert(chunk.clone(), digest);
        let mut announced = AnnouncedChunks::new(Duration::from_secs(9));
        let announcement = LanAnnouncement { chunks: vec![chunk.clone()], card: Some(card), username: None };
        announced.record(address, announcement, Instant::now());
        DictionarySnapshot::from_announced(&announced).save(home.path()).unwrap();
        let text = std::fs::read_to_string(ContentDictionary::path(home.path())).unwrap();
        assert_eq!(text, "a_1: 10.0.0.7\n");
        std::fs::write(ContentDictionary::path(home.path()), format!("broken\n{text}")).unwrap();
        let dictionary = ContentDictionary::load(home.path()).unwrap();
        assert_eq!(dictionary.holders(&chunk), [address]);
        assert_eq!(dictionary.digest(&chunk, address), Some(digest));
        assert!(dictionary.has_file("a") && !dictionary.has_file("b"));
    }
}
