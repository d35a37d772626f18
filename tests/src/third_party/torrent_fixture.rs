use std::fs;
use std::path::{Path, PathBuf};

use protocol::infohash::Infohash;

use super::client_process::ClientProcess;
use super::{Mktorrent, NetworkLocation, SwarmTracker, TorrentClient, read_infohash, write_torrent};
use crate::content::{PIECE_LENGTH, TestContent};
use crate::test_folder::TestFolder;

/// The files of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TorrentLayout {
    /// A single file.
    File,
    /// A folder with pieces that span files, an empty file, a nested folder and non-ASCII names.
    Folder,
}

/// A torrent, its tracker and its original files.
#[derive(Debug)]
pub struct TorrentFixture {
    /// The tracker.
    pub tracker: SwarmTracker,
    /// The `.torrent`.
    pub torrent: PathBuf,
    /// The infohash.
    pub infohash: Infohash,
    files: Vec<(String, TestContent)>,
    _folder: TestFolder,
}

/// A client in a swarm, and its folder.
#[derive(Debug)]
pub struct SwarmMember {
    /// The client; dropped before its folder.
    pub client: ClientProcess,
    /// The folder.
    pub folder: TestFolder,
}

/// Name of the folder torrent.
pub const FOLDER_NAME: &str = "Grüße & more";

/// Name of the single-file torrent.
pub const FILE_NAME: &str = "single file.bin";

impl TorrentLayout {
    fn files(self, seed: u64) -> Vec<(String, TestContent)> {
        let sizes: &[(&str, usize)] = match self {
            Self::File => return vec![(FILE_NAME.into(), TestContent::random(seed, (12 << 20) + 4711))],
            Self::Folder => &[
                ("a first.bin", (5 << 20) + 1),
                ("empty.txt", 0),
                ("sub/deeper/one byte", 1),
                ("sub/mitte äöü.dat", (256 << 10) - 1),
                ("sub/zwei.bin", 4 << 20),
                ("z/last.bin", (3 << 20) + 333),
            ],
        };
        let content = |(at, size): (usize, &usize)| TestContent::random(seed + at as u64, *size);
        let contents = sizes.iter().map(|(_, size)| size).enumerate().map(content);
        sizes.iter().map(|(name, _)| format!("{FOLDER_NAME}/{name}")).zip(contents).collect()
    }

    /// Returns the name of the torrent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => FILE_NAME,
            Self::Folder => FOLDER_NAME,
        }
    }
}

impl TorrentFixture {
    /// Creates files and their torrent with mktorrent. Different seeds give different files.
    pub fn by_mktorrent(
        mktorrent: &Mktorrent,
        layout: TorrentLayout,
        seed: u64,
        tracker: SwarmTracker,
    ) -> Self {
        Self::create_with(layout, seed, tracker, |content, url, torrent| {
            mktorrent.make(content, url, 18, torrent, &[]);
        })
    }

    /// Creates a file and its torrent without external programs, and a tracker to which seeders are added.
    pub fn by_hand(seed: u64) -> Self {
        Self::by_hand_at(seed, &NetworkLocation::default())
    }

    /// Creates the same for clients at another location than the loopback.
    pub fn by_hand_at(seed: u64, location: &NetworkLocation) -> Self {
        Self::create_with(
            TorrentLayout::File,
            seed,
            SwarmTracker::in_process_at(location),
            |content, url, torrent| {
                let made =
                    write_torrent(content, url, PIECE_LENGTH as u64).expect("the file was just written");
                fs::rename(made, torrent).expect("a folder that this process owns");
            },
        )
    }

    /// Creates files, and their torrent with `make`, which gets their path, the announce URL and the torrent's path.
    pub fn create_with(
        layout: TorrentLayout,
        seed: u64,
        tracker: SwarmTracker,
        make: impl FnOnce(&Path, &str, &Path),
    ) -> Self {
        let (files, folder) = (layout.files(seed), TestFolder::new());
        for (path, content) in &files {
            folder.put(path, content);
        }
        let torrent = folder.path().join("the.torrent");
        make(&folder.path().join(layout.name()), tracker.url(), &torrent);
        let infohash = read_infohash(&torrent);
        tracker.allow(infohash);
        Self { tracker, torrent, infohash, files, _folder: folder }
    }

    /// Creates a folder with all files.
    pub fn complete_folder(&self) -> TestFolder {
        let folder = TestFolder::new();
        for (path, content) in &self.files {
            folder.put(path, content);
        }
        folder
    }

    /// Starts a complete client and waits until the tracker counts `seeders` complete peers.
    pub fn start_seed(&self, client: &dyn TorrentClient, seeders: u64) -> SwarmMember {
        let folder = self.complete_folder();
        let running = client.seed(&self.torrent, folder.path());
        self.tracker.wait_for(self.infohash, |known| known.complete == seeders);
        SwarmMember { client: running, folder }
    }

    /// Starts a complete client and waits until a tracker in this process knows it.
    pub fn start_only_seed(&self, client: &dyn TorrentClient) -> SwarmMember {
        let folder = self.complete_folder();
        let running = client.seed(&self.torrent, folder.path());
        self.tracker.wait_for_seeders(1);
        SwarmMember { client: running, folder }
    }

    /// Starts an empty client and waits until the tracker counts `peers` peers.
    pub fn start_download(&self, client: &dyn TorrentClient, peers: u64) -> SwarmMember {
        let member = self.start_download_unseen(client);
        self.tracker.wait_for(self.infohash, |known| known.complete + known.incomplete == peers);
        member
    }

    /// Starts an empty client without waiting.
    pub fn start_download_unseen(&self, client: &dyn TorrentClient) -> SwarmMember {
        self.start_in_folder(client, TestFolder::new())
    }

    /// Starts a client with the files in a folder.
    pub fn start_in_folder(&self, client: &dyn TorrentClient, folder: TestFolder) -> SwarmMember {
        SwarmMember { client: client.join(&self.torrent, folder.path()), folder }
    }

    /// Waits until a client is complete, and compares its folder with the original.
    pub fn wait_until_complete(&self, member: &mut SwarmMember) {
        member.client.wait_until_complete();
        self.assert_files_in(&member.folder);
    }

    /// Compares a folder with the original. Empty files may be missing, since not every client creates them.
    pub fn assert_files_in(&self, folder: &TestFolder) {
        let found = folder.visible_files();
        for (path, content) in self.files.iter().filter(|(_, content)| content.size() > 0) {
            let actual = found.get(path).map(|content| content.digest);
            assert_eq!(actual, Some(content.digest), "{path} among {:?}", found.keys());
        }
    }

    /// Panics unless a folder has all files, including empty ones, and nothing else.
    pub fn assert_only_files_in(&self, folder: &TestFolder) {
        let expected: Vec<&String> = self.files.iter().map(|(path, _)| path).collect();
        let found = folder.visible_files();
        assert_eq!(found.keys().collect::<Vec<_>>(), expected);
    }

    /// Returns the files with their paths.
    pub fn files(&self) -> &[(String, TestContent)] {
        &self.files
    }
}
