//! Tests of a complete library in a temporary folder. They wait for conditions instead of sleeping.

mod changing;
mod damage;
mod excluding;
mod persistence;
mod registering;
mod serving;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use protocol::digest::Digest;
use protocol::sha256::sha256;
use protocol::share_path::SharePath;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Library, LibraryError, LibraryTiming, SharedFile};
use crate::state_dir::StateDir;
use crate::storage::{FileIdentity, open_regular};

/// Far longer than any test takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A temporary folder that contains the share folder `share`.
struct LibraryHome {
    folder: tempfile::TempDir,
    timing: LibraryTiming,
}

/// A running library.
struct RunningLibrary {
    library: Library,
    state: Arc<StateDir>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl LibraryHome {
    fn new() -> Self {
        let timing = LibraryTiming {
            debounce_time: Duration::from_millis(5),
            settle_time: Duration::ZERO,
            settle_time_requested: Duration::ZERO,
            publish_interval: Duration::from_millis(5),
            rescan_interval: Duration::from_hours(1),
            max_inline_hash: 0,
        };
        // The default prefix would make the folder hidden.
        let folder = tempfile::Builder::new().prefix("library").tempdir().unwrap();
        fs::create_dir(folder.path().join("share")).unwrap();
        Self { folder, timing }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(path)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), content).unwrap();
    }

    async fn try_open(&self) -> Result<RunningLibrary, LibraryError> {
        let state = Arc::new(StateDir::open(&self.at("share")).unwrap());
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let library = Library::open_at(
            self.timing,
            Arc::clone(&state),
            self.at("share"),
            Vec::new(),
            &tracker,
            cancel.clone(),
        )
        .await?;
        Ok(RunningLibrary { library, state, tracker, cancel })
    }

    async fn open(&self) -> RunningLibrary {
        self.try_open().await.unwrap()
    }

    async fn open_settled(&self) -> RunningLibrary {
        let running = self.open().await;
        running.settled().await;
        running
    }

    /// Replaces every digest in the hash cache by `digest` and removes the checksums, so that a test notices if a file is
    /// hashed.
    fn falsify_cache(&self, digest: Digest) {
        let file = self.at("share/.peerdex/hashes.jsonl");
        let lines = fs::read_to_string(&file).unwrap();
        let falsified = lines.lines().map(|line| {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["digest"] = digest.to_string().into();
            line.as_object_mut().unwrap().remove("check");
            format!("{line}\n")
        });
        fs::write(&file, falsified.collect::<String>()).unwrap();
    }
}

impl RunningLibrary {
    async fn settled(&self) {
        tokio::time::timeout(TIMEOUT, self.library.settled()).await.expect("the library did not settle");
    }

    /// Waits until the shared files have exactly these names.
    async fn wait_for_names(&self, names: &[&str]) {
        self.wait_for_files(|files| files.iter().map(|file| file.path.as_str()).eq(names.iter().copied()))
            .await;
    }

    async fn wait_for_files(&self, is_expected: impl Fn(&[SharedFile]) -> bool) {
        let mut changes = self.library.generation();
        let waiting = async {
            while !is_expected(&self.files()) {
                changes.changed().await.unwrap();
            }
        };
        let is_in_time = tokio::time::timeout(TIMEOUT, waiting).await.is_ok();
        assert!(is_in_time, "timed out with {:?}", self.names());
    }

    fn files(&self) -> Vec<SharedFile> {
        self.library.files().iter().cloned().collect()
    }

    fn names(&self) -> Vec<String> {
        self.files().iter().map(|file| file.path.as_str().to_owned()).collect()
    }

    fn digest_of(&self, path: &str) -> Digest {
        self.library.files().get(&SharePath::parse(path).unwrap()).unwrap().digest
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.tracker.close();
        tokio::time::timeout(TIMEOUT, self.tracker.wait()).await.expect("the library did not stop");
    }
}

/// A digest that no file in these tests has.
fn false_digest() -> Digest {
    Digest::from_bytes([0xaa; 32])
}

#[tokio::test]
async fn folder_is_shared_with_its_files() {
    let home = LibraryHome::new();
    home.write("share/a.txt", "one");
    home.write("share/b/c d/é 🎈.iso", vec![7; 600_000]);
    home.write("share/empty", "");
    home.write("share/.hidden", "no");
    home.write("share/x.iso.part", "no");
    std::os::unix::fs::symlink("/etc/passwd", home.at("share/link")).unwrap();
    let running = home.open_settled().await;
    assert_eq!(running.names(), ["a.txt", "b/c d/é 🎈.iso", "empty"]);
    assert_eq!(running.digest_of("a.txt"), sha256(b"one"));
    assert_eq!(running.digest_of("b/c d/é 🎈.iso"), sha256(&vec![7; 600_000]));
    assert_eq!(running.digest_of("empty"), Digest::EMPTY);
    let hashing = running.library.hashing().borrow().clone();
    assert_eq!((hashing.files_left, hashing.is_settled), (0, true));
    running.stop().await;
}

#[tokio::test]
async fn publishing_is_batched() {
    let mut home = LibraryHome::new();
    home.timing.publish_interval = Duration::from_millis(250);
    for number in 0..1000 {
        home.write(&format!("share/{}/{number}", number % 7), number.to_string());
    }
    let running = home.open_settled().await;
    assert_eq!(running.library.files().len(), 1000);
    let generations = *running.library.generation().borrow();
    assert!(generations < 100, "{generations}");
}

#[tokio::test]
async fn cancelled_library_stops_and_refuses() {
    let home = LibraryHome::new();
    home.write("share/large", vec![0; 40 << 20]);
    let running = home.open().await;
    let library = running.library.clone();
    running.stop().await;
    assert!(matches!(library.register(Vec::new()).await, Err(LibraryError::Stopped)));
    library.settled().await;
}

#[tokio::test]
async fn library_stops_when_all_handles_drop() {
    let home = LibraryHome::new();
    let RunningLibrary { library, state, tracker, cancel: _ } = home.open_settled().await;
    drop((library, state));
    tracker.close();
    tokio::time::timeout(TIMEOUT, tracker.wait()).await.unwrap();
    home.open_settled().await;
}
