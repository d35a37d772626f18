//! Somebody who swaps a folder with a link to a folder outside as fast as can be, and somebody who watches what is done out there.

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

/// The one who swaps, until it is stopped.
#[derive(Debug)]
pub struct Swapper {
    folder: PathBuf,
    link: PathBuf,
    stopped: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Swapper {
    /// Makes a hidden link beside a folder that leads to `outside`, and begins to swap the two.
    pub fn start(folder: &Path, outside: &Path) -> Self {
        let link = folder.with_file_name(".swapped");
        symlink(outside, &link).expect("a link");
        let (is_over, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (one, other, over, count) = (folder.to_owned(), link.clone(), is_over.clone(), swaps.clone());
        let thread = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).expect("an exchange");
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { folder: folder.to_owned(), link, stopped: is_over, swaps, thread: Some(thread) }
    }

    /// Returns how often they were swapped.
    pub fn swaps(&self) -> u64 {
        self.swaps.load(Ordering::Relaxed)
    }

    /// Stops, and leaves the folder under its name.
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
            // That it has failed is seen by the story.
            let _ = thread.join();
        }
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.stop_thread();
    }
}

/// The one who watches.
#[derive(Debug)]
pub struct FileWatch(OwnedFd);

impl FileWatch {
    /// Begins to watch the files in a folder.
    pub fn watch(folder: &Path) -> Self {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).expect("inotify");
        let made = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE | WatchFlags::MOVED_FROM;
        let used = WatchFlags::OPEN | WatchFlags::MODIFY | WatchFlags::ATTRIB;
        inotify::add_watch(&inotify, folder, made | used).expect("a watch");
        Self(inotify)
    }

    /// Returns what was done to files since the last look, with their names.
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
