use std::fs;
use std::path::{Path, PathBuf};

use protocol::infohash::Infohash;

use super::running::Running;
use super::{Client, Mktorrent, Place, SwarmTracker, infohash_of, write_torrent};
use crate::content::{Content, PIECE};
use crate::home::Home;

/// Which files a torrent has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A single file.
    File,
    /// A folder with pieces that span files, an empty file, a folder in a folder and letters beyond ASCII.
    Folder,
}

/// A torrent, its tracker and its original files.
#[derive(Debug)]
pub struct Scene {
    /// The tracker.
    pub tracker: SwarmTracker,
    /// The `.torrent`.
    pub torrent: PathBuf,
    /// The infohash.
    pub infohash: Infohash,
    files: Vec<(String, Content)>,
    _folder: Home,
}

/// A client in a swarm, and its folder.
#[derive(Debug)]
pub struct Member {
    /// The client; it ends before its folder goes.
    pub running: Running,
    /// The folder.
    pub home: Home,
}

/// The name of the torrent of a folder.
pub const FOLDER: &str = "Grüße & more";

/// The name of the torrent of a file.
pub const FILE: &str = "single file.bin";

impl Layout {
    fn files(self, seed: u64) -> Vec<(String, Content)> {
        let sizes: &[(&str, usize)] = match self {
            Self::File => return vec![(FILE.into(), Content::random(seed, (12 << 20) + 4711))],
            Self::Folder => &[
                ("a first.bin", (5 << 20) + 1),
                ("empty.txt", 0),
                ("sub/deeper/one byte", 1),
                ("sub/mitte äöü.dat", (256 << 10) - 1),
                ("sub/zwei.bin", 4 << 20),
                ("z/last.bin", (3 << 20) + 333),
            ],
        };
        let content = |(at, size): (usize, &usize)| Content::random(seed + at as u64, *size);
        let contents = sizes.iter().map(|(_, size)| size).enumerate().map(content);
        sizes.iter().map(|(name, _)| format!("{FOLDER}/{name}")).zip(contents).collect()
    }

    /// Gives the name of the torrent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => FILE,
            Self::Folder => FOLDER,
        }
    }
}

impl Scene {
    /// Makes files and a torrent of them by mktorrent; every seed gives other files.
    pub fn by_mktorrent(mktorrent: &Mktorrent, layout: Layout, seed: u64, tracker: SwarmTracker) -> Self {
        Self::made(layout, seed, tracker, |content, url, torrent| {
            mktorrent.make(content, url, 18, torrent, &[]);
        })
    }

    /// Makes a file and its torrent with no program at all, and a tracker that is told of seeders.
    pub fn by_hand(seed: u64) -> Self {
        Self::by_hand_at(seed, &Place::default())
    }

    /// The same, for clients in another place than on the loopback.
    pub fn by_hand_at(seed: u64, place: &Place) -> Self {
        Self::made(Layout::File, seed, SwarmTracker::within_at(place), |content, url, torrent| {
            let made = write_torrent(content, url, PIECE as u64).expect("a file that was just written");
            fs::rename(made, torrent).expect("a folder of ours");
        })
    }

    /// Makes files, and a torrent of them by whatever makes one of a path, an announce URL and its own path.
    pub fn made(
        layout: Layout,
        seed: u64,
        tracker: SwarmTracker,
        make: impl FnOnce(&Path, &str, &Path),
    ) -> Self {
        let (files, folder) = (layout.files(seed), Home::new());
        for (path, content) in &files {
            folder.put(path, content);
        }
        let torrent = folder.path().join("the.torrent");
        make(&folder.path().join(layout.name()), tracker.url(), &torrent);
        let infohash = infohash_of(&torrent);
        tracker.allow(infohash);
        Self { tracker, torrent, infohash, files, _folder: folder }
    }

    /// Makes a folder that has all files.
    pub fn whole(&self) -> Home {
        let home = Home::new();
        for (path, content) in &self.files {
            home.put(path, content);
        }
        home
    }

    /// Starts a client that has everything, and waits until the tracker knows so many that do.
    pub fn seed(&self, client: &dyn Client, seeders: u64) -> Member {
        let home = self.whole();
        let running = client.seed(&self.torrent, home.path());
        self.tracker.wait_for(self.infohash, |known| known.complete == seeders);
        Member { running, home }
    }

    /// Starts a client that has everything, and waits until a tracker of this process knows it.
    pub fn seed_alone(&self, client: &dyn Client) -> Member {
        let home = self.whole();
        let running = client.seed(&self.torrent, home.path());
        self.tracker.wait_for_seeders(1);
        Member { running, home }
    }

    /// Starts a client that has nothing, and waits until the tracker knows so many in all.
    pub fn fetch(&self, client: &dyn Client, peers: u64) -> Member {
        let member = self.fetch_unseen(client);
        self.tracker.wait_for(self.infohash, |known| known.complete + known.incomplete == peers);
        member
    }

    /// Starts a client that has nothing, and does not wait for anything.
    pub fn fetch_unseen(&self, client: &dyn Client) -> Member {
        self.go_on(client, Home::new())
    }

    /// Starts a client that has what lies in a folder.
    pub fn go_on(&self, client: &dyn Client, home: Home) -> Member {
        Member { running: client.join(&self.torrent, home.path()), home }
    }

    /// Waits until a client has everything, and holds its folder against the original.
    pub fn completes(&self, member: &mut Member) {
        member.running.wait_complete();
        self.is_in(&member.home);
    }

    /// Holds what a folder has against the original; files with nothing in them need not be there, as not every client
    /// makes them.
    pub fn is_in(&self, home: &Home) {
        let found = home.files();
        for (path, content) in self.files.iter().filter(|(_, content)| content.size() > 0) {
            let here = found.get(path).map(|content| content.digest);
            assert_eq!(here, Some(content.digest), "{path} among {:?}", found.keys());
        }
    }

    /// Says that a folder of ours has the files, those with nothing in them too, and nothing else.
    pub fn is_tidy(&self, home: &Home) {
        let expected: Vec<&String> = self.files.iter().map(|(path, _)| path).collect();
        let found = home.files();
        assert_eq!(found.keys().collect::<Vec<_>>(), expected);
    }

    /// Gives the files with their paths.
    pub fn files(&self) -> &[(String, Content)] {
        &self.files
    }
}
