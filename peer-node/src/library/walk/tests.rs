use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, Mode, OFlags};

use super::super::free_name::EntryKind;
use super::*;

mod patterns;

/// A change to the tree while a folder is entered.
type EnterHook = Box<dyn Fn(&Path)>;

#[derive(Default)]
struct RecordingSink {
    on_enter: Option<EnterHook>,
    entered: Vec<PathBuf>,
    files: Vec<(String, PathBuf)>,
    skipped: BTreeMap<PathBuf, SkipReason>,
    stop_after: Option<usize>,
}

impl WalkSink for RecordingSink {
    fn enter(&mut self, folder: &Path) -> ControlFlow<()> {
        if let Some(on_enter) = &self.on_enter {
            on_enter(folder);
        }
        self.entered.push(folder.to_owned());
        ControlFlow::Continue(())
    }

    fn file(&mut self, found: ScannedFile) -> ControlFlow<()> {
        self.files.push((found.path.as_str().to_owned(), found.location));
        if self.stop_after == Some(self.files.len()) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn skip(&mut self, skip: SkippedEntry) {
        assert_eq!(self.skipped.insert(skip.location, skip.reason), None);
    }
}

struct WalkTree {
    /// The path has no hidden component.
    home: tempfile::TempDir,
}

impl WalkTree {
    fn new() -> Self {
        let home = tempfile::Builder::new().prefix("walk").tempdir().unwrap();
        fs::create_dir(home.path().join("share")).unwrap();
        Self { home }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.home.path().canonicalize().unwrap().join(path)
    }

    fn write(&self, path: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), path).unwrap();
    }

    fn shares(&self) -> ShareSet {
        ShareSet::with_root(self.at("share"))
    }

    fn walk(&self, shares: &ShareSet, place: &str) -> RecordingSink {
        let mut seen = RecordingSink::default();
        assert!(Walk::new(shares, &mut seen).walk_place(&self.at(place)).is_continue());
        seen.files.sort();
        seen
    }
}

fn names(seen: &RecordingSink) -> Vec<&str> {
    seen.files.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn files_are_found_with_their_relative_paths() {
    let tree = WalkTree::new();
    for path in ["share/a", "share/b/c/d.iso", "share/naïve 👩‍🚀/x", "elsewhere"] {
        tree.write(path);
    }
    let seen = tree.walk(&tree.shares(), "share");
    assert_eq!(names(&seen), ["a", "b/c/d.iso", "naïve 👩‍🚀/x"]);
    assert_eq!(seen.files[1].1, tree.at("share/b/c/d.iso"));
    assert!(seen.skipped.is_empty());
    assert_eq!(seen.entered.len(), 4);
}

#[test]
fn hidden_linked_special_and_unfinished_files_are_skipped() {
    let tree = WalkTree::new();
    for path in
        ["secret/x", "share/.hidden", "share/.git/x", "share/x.part", "share/x.iso.part.json", "share/ok"]
    {
        tree.write(path);
    }
    tree.write("share/.peerdex/identity.key");
    symlink(tree.at("secret/x"), tree.at("share/link")).unwrap();
    symlink(tree.at("secret"), tree.at("share/linked folder")).unwrap();
    symlink("nowhere", tree.at("share/dangling")).unwrap();
    rustix::fs::mkfifoat(CWD, tree.at("share/pipe"), Mode::RWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.at("share/socket")).unwrap();
    let seen = tree.walk(&tree.shares(), "share");
    assert_eq!(names(&seen), ["ok"]);
    assert_eq!(seen.entered, [tree.at("share")]);
    let reasons = [
        (".git", SkipReason::Hidden),
        (".hidden", SkipReason::Hidden),
        ("dangling", SkipReason::Link),
        ("link", SkipReason::Link),
        ("linked folder", SkipReason::Link),
        ("pipe", SkipReason::Special),
        ("socket", SkipReason::Special),
        ("x.iso.part.json", SkipReason::Unfinished),
        ("x.part", SkipReason::Unfinished),
    ];
    let expected = reasons.map(|(name, reason)| (tree.at("share").join(name), reason));
    assert_eq!(seen.skipped, BTreeMap::from(expected));
}

#[test]
fn invalid_names_are_skipped_with_all_below() {
    let tree = WalkTree::new();
    tree.write("share/ok");
    tree.write("share/a\\b/inside");
    tree.write("share/K: Missing Kings.mkv");
    tree.write("share/line\nbreak/inside");
    let non_utf8 = tree.at("share").join(OsStr::from_bytes(b"caf\xe9"));
    fs::write(&non_utf8, b"").unwrap();
    let seen = tree.walk(&tree.shares(), "share");
    assert_eq!(names(&seen), ["K: Missing Kings.mkv", "a\\b/inside", "ok"]);
    assert_eq!(seen.skipped[&non_utf8], SkipReason::NotUtf8);
    assert!(matches!(seen.skipped[&tree.at("share/line\nbreak")], SkipReason::BadName(_)));
    assert_eq!(seen.skipped.len(), 2);
}

#[test]
fn folders_that_vanish_or_become_links_are_harmless() {
    let tree = WalkTree::new();
    for path in ["share/a/in", "share/b/in", "share/c/d/in", "share/ok", "secret/in"] {
        tree.write(path);
    }
    let (share, secret) = (tree.at("share"), tree.at("secret"));
    let change = move |folder: &Path| {
        // Each folder is removed or replaced before its content is read.
        if folder.ends_with("a") || folder.ends_with("d") {
            fs::remove_dir_all(folder).unwrap();
        } else if folder.ends_with("b") {
            fs::rename(folder, share.join(".b")).unwrap();
            symlink(&secret, folder).unwrap();
        }
    };
    let mut seen = RecordingSink { on_enter: Some(Box::new(change)), ..RecordingSink::default() };
    let shares = tree.shares();
    assert!(Walk::new(&shares, &mut seen).walk_place(&tree.at("share")).is_continue());
    // An open folder is read at its new location, and nothing is found through the link.
    assert!(names(&seen).contains(&"ok"), "{:?}", names(&seen));
    assert!(seen.files.iter().all(|(name, _)| name == "ok" || name == "b/in"), "{:?}", names(&seen));
}

#[test]
fn link_loops_are_not_followed() {
    let tree = WalkTree::new();
    tree.write("share/a/in");
    symlink("loop", tree.at("share/loop")).unwrap();
    symlink("..", tree.at("share/a/up")).unwrap();
    symlink(".", tree.at("share/a/here")).unwrap();
    let seen = tree.walk(&tree.shares(), "share");
    assert_eq!((names(&seen), seen.entered.len()), (vec!["a/in"], 2));
    assert!(seen.skipped.values().all(|reason| *reason == SkipReason::Link) && seen.skipped.len() == 3);
}

#[test]
fn too_deep_tree_is_cut_off() {
    let tree = WalkTree::new();
    let open = |at: BorrowedFd<'_>, name: &Path| {
        rustix::fs::openat(at, name, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
    };
    let mut folder = open(CWD, &tree.at("share"));
    for _ in 0..3000 {
        rustix::fs::mkdirat(&folder, "d", Mode::RWXU).unwrap();
        rustix::fs::openat(&folder, "f", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
        folder = open(folder.as_fd(), Path::new("d"));
    }
    let seen = tree.walk(&tree.shares(), "share");
    assert_eq!(seen.files.len(), MAX_PATH_DEPTH);
    assert_eq!(seen.skipped.values().collect::<Vec<_>>(), [&SkipReason::OverLimit]);
    // The recursive removal of the standard library can handle this depth.
    drop(tree);
}

#[test]
fn single_place_is_walked_alone() {
    let tree = WalkTree::new();
    for path in ["share/a/b", "share/a/c/d", "share/e", "share/.git/x"] {
        tree.write(path);
    }
    symlink(tree.at("share/a"), tree.at("share/link")).unwrap();
    let shares = tree.shares();
    assert_eq!(names(&tree.walk(&shares, "share/a")), ["a/b", "a/c/d"]);
    assert_eq!(names(&tree.walk(&shares, "share/a/c/d")), ["a/c/d"]);
    for nothing in ["share/none", "share/e/below", "share/link/b", "share/.git/x", "elsewhere"] {
        assert!(names(&tree.walk(&shares, nothing)).is_empty(), "{nothing}");
    }
}

#[test]
fn registered_places_use_their_network_names() {
    let tree = WalkTree::new();
    for path in ["share/x", "data/movies/old/m", "data/x.iso", "data/other"] {
        tree.write(path);
    }
    let mut shares = tree.shares();
    shares.share(&tree.at("data/movies"), EntryKind::Folder, |_| false).unwrap();
    let taken = SharePath::parse("x.iso").unwrap();
    shares.share(&tree.at("data/x.iso"), EntryKind::File, |path| *path == taken).unwrap();
    assert_eq!(names(&tree.walk(&shares, "data/movies")), ["movies/old/m"]);
    assert_eq!(names(&tree.walk(&shares, "data/movies/old/m")), ["movies/old/m"]);
    assert_eq!(names(&tree.walk(&shares, "data/x.iso")), ["x (1).iso"]);
    assert!(names(&tree.walk(&shares, "data/other")).is_empty());
    for (path, name) in [("data/movies/old/m", "movies/old/m"), ("data/x.iso", "x (1).iso"), ("share/x", "x")]
    {
        assert_eq!(shares.path_of(&tree.at(path)).unwrap().as_str(), name);
    }
}

#[test]
fn unregistered_places_are_skipped_silently() {
    let tree = WalkTree::new();
    for path in ["share/a/b", "share/a/c/d", "share/e"] {
        tree.write(path);
    }
    let mut shares = tree.shares();
    shares.unshare(&tree.at("share/a"));
    let seen = tree.walk(&shares, "share");
    assert_eq!((names(&seen), seen.skipped.len(), seen.entered.len()), (vec!["e"], 0, 1));
    shares.share(&tree.at("share/a/c"), EntryKind::Folder, |_| false).unwrap();
    assert_eq!(names(&tree.walk(&shares, "share")), ["a/c/d", "e"]);
}

#[test]
fn walk_stops_when_the_sink_breaks() {
    let tree = WalkTree::new();
    for path in ["share/a", "share/b", "share/c"] {
        tree.write(path);
    }
    let mut seen = RecordingSink { stop_after: Some(2), ..RecordingSink::default() };
    let shares = tree.shares();
    assert!(Walk::new(&shares, &mut seen).walk_place(&tree.at("share")).is_break());
    assert_eq!(seen.files.len(), 2);
}
