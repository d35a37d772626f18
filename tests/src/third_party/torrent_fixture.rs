use std::fs;
use std::path::{Path, PathBuf};

use protocol::infohash::Infohash;

use super::client_process::ClientProcess;
use super::{Mktorrent, NetworkLocation, SwarmTracker, TorrentClient, read_infohash, write_torrent};
use crate::content::{PIECE_LENGTH, TestContent};
use crate::test_folder::TestFolder;

/// Which files a torrent has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TorrentLayout {
    /// A single file.
    File,
    /// A folder with pieces that span files, an empty file, a folder in a folder and letters beyond ASCII.
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
    /// The client; it ends before its folder goes.
    pub client: ClientProcess,
    /// The folder.
    pub folder: TestFolder,
}

/// The name of the torrent of a folder.
pub const FOLDER_NAME: &str = "Grüße & more";

/// The name of the torrent of a file.
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

    /// Gives the name of the torrent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => FILE_NAME,
            Self::Folder => FOLDER_NAME,
        }
    }
}

impl TorrentFixture {
    /// Makes files and a torrent of them by mktorrent; every seed gives other files.
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

    /// Makes a file and its torrent with no program at all, and a tracker that is told of seeders.
    pub fn by_hand(seed: u64) -> Self {
        Self::by_hand_at(seed, &NetworkLocation::default())
    }

    /// The same, for clients in another place than on the loopback.
    pub fn by_hand_at(seed: u64, place: &NetworkLocation) -> Self {
        Self::create_with(
            TorrentLayout::File,
            seed,
            SwarmTracker::in_process_at(place),
            |content, url, torrent| {
                let made =
                    write_torrent(content, url, PIECE_LENGTH as u64).expect("a file that was just written");
                fs::rename(made, torrent).expect("a folder of ours");
            },
        )
    }

    /// Makes files, and a torrent of them by whatever makes one of a path, an announce URL and its own path.
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

    /// Makes a folder that has all files.
    pub fn complete_folder(&self) -> TestFolder {
        let home = TestFolder::new();
        for (path, content) in &self.files {
            home.put(path, content);
        }
        home
    }

    /// Starts a client that has everything, and waits until the tracker knows so many that do.
    pub fn start_seed(&self, client: &dyn TorrentClient, seeders: u64) -> SwarmMember {
        let home = self.complete_folder();
        let running = client.seed(&self.torrent, home.path());
        self.tracker.wait_for(self.infohash, |known| known.complete == seeders);
        SwarmMember { client: running, folder: home }
    }

    /// Starts a client that has everything, and waits until a tracker of this process knows it.
    pub fn start_only_seed(&self, client: &dyn TorrentClient) -> SwarmMember {
        let home = self.complete_folder();
        let running = client.seed(&self.torrent, home.path());
        self.tracker.wait_for_seeders(1);
        SwarmMember { client: running, folder: home }
    }

    /// Starts a client that has nothing, and waits until the tracker knows so many in all.
    pub fn start_download(&self, client: &dyn TorrentClient, peers: u64) -> SwarmMember {
        let member = self.start_download_unseen(client);
        self.tracker.wait_for(self.infohash, |known| known.complete + known.incomplete == peers);
        member
    }

    /// Starts a client that has nothing, and does not wait for anything.
    pub fn start_download_unseen(&self, client: &dyn TorrentClient) -> SwarmMember {
        self.start_in_folder(client, TestFolder::new())
    }

    /// Starts a client that has what lies in a folder.
    pub fn start_in_folder(&self, client: &dyn TorrentClient, home: TestFolder) -> SwarmMember {
        SwarmMember { client: client.join(&self.torrent, home.path()), folder: home }
    }

    /// Waits until a client has everything, and holds its folder against the original.
    pub fn wait_until_complete(&self, member: &mut SwarmMember) {
        member.client.wait_until_complete();
        self.assert_files_in(&member.folder);
    }

    /// Holds what a folder has against the original; files with nothing in them need not be there, as not every client
    /// makes them.
    pub fn assert_files_in(&self, home: &TestFolder) {
        let found = home.visible_files();
        for (path, content) in self.files.iter().filter(|(_, content)| content.size() > 0) {
            let here = found.get(path).map(|content| content.digest);
            assert_eq!(here, Some(content.digest), "{path} among {:?}", found.keys());
        }
    }

    /// Says that a folder of ours has the files, those with nothing in them too, and nothing else.
    pub fn assert_only_files_in(&self, home: &TestFolder) {
        let expected: Vec<&String> = self.files.iter().map(|(path, _)| path).collect();
        let found = home.visible_files();
        assert_eq!(found.keys().collect::<Vec<_>>(), expected);
    }

    /// Gives the files with their paths.
    pub fn files(&self) -> &[(String, TestContent)] {
        &self.files
    }
}
