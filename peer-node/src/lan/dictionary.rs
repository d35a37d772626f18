//! What was heard, as it stands in the folder: who has which chunk, and which digests were announced with them.

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

/// Where it stands who has which chunk.
pub(super) const DICTIONARY_FILE: &str = "content_dictionary.txt";

/// Where the digests stand that programs of ours announce: `cherry_1: 192.168.1.7 9f86…`, one a line.
pub(super) const DIGESTS_FILE: &str = "chunk_digests.txt";

/// The most that is read of either, in bytes.
const MAX_FILE_SIZE: u64 = 8 << 20;

/// Who was heard to have which chunks.
#[derive(Debug, Default)]
pub(super) struct ContentDictionary {
    holders: BTreeMap<ChunkName, Vec<IpAddr>>,
    digests: HashMap<(ChunkName, IpAddr), Digest>,
}

impl ContentDictionary {
    /// Reads what the folder says; lines that cannot be read are skipped. Nothing was heard if there is no file.
    pub(super) fn load(folder: &Path) -> io::Result<Self> {
        let mut dictionary = Self::default();
        for line in read_or_empty(&folder.join(DICTIONARY_FILE))?.lines() {
            match line.parse::<DictionaryLine>() {
                Ok(line) => drop(dictionary.holders.insert(line.chunk, line.holders)),
                Err(error) => tracing::warn!(%error, "a line of the dictionary was skipped"),
            }
        }
        let digests = read_or_empty(&folder.join(DIGESTS_FILE))?;
        dictionary.digests = digests.lines().filter_map(parse_digest_line).collect();
        Ok(dictionary)
    }

    /// Returns where the dictionary lies.
    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join(DICTIONARY_FILE)
    }

    /// Returns who has announced a chunk, in the order in which they are to be asked.
    pub(super) fn holders(&self, chunk: &ChunkName) -> &[IpAddr] {
        self.holders.get(chunk).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the digest that an address has announced.
    pub(super) fn digest(&self, chunk: &ChunkName, holder: IpAddr) -> Option<Digest> {
        self.digests.get(&(chunk.clone(), holder)).copied()
    }

    /// Says whether anybody was heard to have a chunk of a file.
    pub(super) fn has_file(&self, file: &str) -> bool {
        self.holders.keys().any(|chunk| chunk.file() == file)
    }
}

/// What was heard, as it is going to stand in the folder.
pub(super) struct DictionarySnapshot {
    dictionary: String,
    digests: String,
}

impl DictionarySnapshot {
    pub(super) fn from_announced(sightings: &AnnouncedChunks) -> Self {
        let (mut dictionary, mut digests) = (String::new(), String::new());
        for line in sightings.lines() {
            // A string takes everything.
            let _ = writeln!(dictionary, "{line}");
        }
        for (chunk, address, digest) in sightings.digests() {
            let _ = writeln!(digests, "{}: {address} {digest}", chunk.as_str());
        }
        Self { dictionary, digests }
    }

    /// Writes each file as a whole. Waits for the disk and belongs on a blocking thread.
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
        let mut sightings = AnnouncedChunks::new(Duration::from_secs(9));
        let announcement = LanAnnouncement { chunks: vec![chunk.clone()], card: Some(card), username: None };
        sightings.record(address, announcement, Instant::now());
        DictionarySnapshot::from_announced(&sightings).save(home.path()).unwrap();
        let text = std::fs::read_to_string(ContentDictionary::path(home.path())).unwrap();
        assert_eq!(text, "a_1: 10.0.0.7\n");
        std::fs::write(ContentDictionary::path(home.path()), format!("broken\n{text}")).unwrap();
        let dictionary = ContentDictionary::load(home.path()).unwrap();
        assert_eq!(dictionary.holders(&chunk), [address]);
        assert_eq!(dictionary.digest(&chunk, address), Some(digest));
        assert!(dictionary.has_file("a") && !dictionary.has_file("b"));
    }
}
