//! An attacker that continually swaps a folder with a link to a folder outside, and a watch on that outside folder.

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// The attacker; it runs until it is stopped.
#[derive(Debug)]
pub struct Swapper {
    folder: PathBuf,
    link: PathBuf,
    stopped: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Swapper {
    /// Creates a hidden link to `outside` beside a folder and starts swapping the two.
    pub fn start(folder: &Path, outside: &Path) -> Self {
        let link = folder.with_file_name(".swapped");
        symlink(outside, &link).expect("a link");
        let (stop_flag, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (one, other, stopped, count) =
            (folder.to_owned(), link.clone(), stop_flag.clone(), swaps.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).expect("an exchange");
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { folder: folder.to_owned(), link, stopped: stop_flag, swaps, thread: Some(thread) }
    }

    /// Returns the number of swaps so far.
    pub fn swaps(&self) -> u64 {
        self.swaps.load(Ordering::Relaxed)
    }

    /// Stops, and restores the folder under its name.
    pub fn stop(mut self) {
        self.stop_thread();
        if self.folder.is_symlink() {
            fs::remove_file(&self.folder).expect("the link");
            fs::rename(&self.link, &self.folder).expect("the folder");
        } else {
            fs::remove_file(&self.link).expect("the link");
        }
    }

    fn stop_thread(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The story sees the failure.
            let _ = thread.join();
        }
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.stop_thread();
    }
}

/// A watch on a folder.
#[derive(Debug)]
pub struct FileWatch(OwnedFd);

impl FileWatch {
    /// Starts watching the files in a folder.
    pub fn watch(folder: &Path) -> Self {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).expect("inotify");
        let made = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE | WatchFlags::MOVED_FROM;
        let used = WatchFlags::OPEN | WatchFlags::MODIFY | WatchFlags::ATTRIB;
        inotify::add_watch(&inotify, folder, made | used).expect("a watch");
        Self(inotify)
    }

    /// Returns the events since the last call, with the names of the files.
    pub fn take_events(&self) -> Vec<String> {
        let (mut buffer, mut seen) = ([MaybeUninit::uninit(); 4096], Vec::new());
        let mut reader = Reader::new(&self.0, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) if event.events().contains(ReadFlags::ISDIR) => {}
                Ok(event) => seen.push(format!("{:?} {:?}", event.events(), event.file_name())),
                Err(Errno::WOULDBLOCK) => return seen,
                Err(error) => panic!("cannot watch: {error}"),
            }
        }
    }
}
