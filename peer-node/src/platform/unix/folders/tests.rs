use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{RenameFlags, renameat_with};

use super::*;

#[test]
fn no_link_is_followed_and_no_path_leads_out() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("x"), "theirs").unwrap();
    symlink(outside.path(), root.path().join("link")).unwrap();
    symlink(outside.path().join("x"), root.path().join("x")).unwrap();
    let folder = Folder::open(root.path()).unwrap();
    for path in ["link/x", "x", "../x", "/etc/passwd", "link/new/y"] {
        let path = Path::new(path);
        for open in [OpenMode::Read, OpenMode::Write, OpenMode::New] {
            assert!(folder.open_file(path, open).is_err(), "{path:?} {open:?}");
        }
        assert!(folder.create_child(&path.join("below")).is_err(), "{path:?}");
    }
    assert_eq!(folder.kind_of(Path::new("link/x")).unwrap(), PathKind::Other);
    assert_eq!(folder.kind_of(Path::new("link")).unwrap(), PathKind::Other);
    assert_eq!(folder.kind_of(Path::new("no/such")).unwrap(), PathKind::Missing);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(fs::read(outside.path().join("x")).unwrap(), b"theirs");
}

#[test]
fn files_of_other_users_are_refused() {
    if !rustix::process::geteuid().is_root() {
        // Only root can change the owner of a file.
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fs::write(at("x.part"), "theirs").unwrap();
    fs::create_dir(at("hidden")).unwrap();
    let folder = Folder::open(root.path()).unwrap();
    let use_both = || {
        let file = folder.open_file(Path::new("x.part"), OpenMode::Write).map(drop);
        (
            file.map_err(|error| error.kind()),
            folder.create_private_child(Path::new("hidden")).map(drop).is_ok(),
        )
    };
    assert_eq!(use_both(), (Ok(()), true));
    for name in ["x.part", "hidden"] {
        chown(at(name), Some(65534), None).unwrap();
    }
    assert_eq!(use_both(), (Err(io::ErrorKind::PermissionDenied), false));
    assert!(
        folder.open_file(Path::new("x.part"), OpenMode::Read).is_ok(),
        "shared files may belong to any user"
    );
    // The owner of the folder could replace everything in it.
    chown(root.path(), Some(65534), None).unwrap();
    assert_eq!(use_both(), (Ok(()), true));
}

#[test]
fn both_ways_of_opening_agree() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir_all(root.path().join("a/b")).unwrap();
    for file in [root.path().join("a/b/x"), outside.path().join("x")] {
        fs::write(file, "content").unwrap();
    }
    symlink(outside.path(), root.path().join("a/link")).unwrap();
    symlink("x", root.path().join("a/b/inner")).unwrap();
    symlink("b", root.path().join("a/inner")).unwrap();
    let folder = Folder::open(root.path()).unwrap();
    for (path, is_there) in [
        ("a/b/x", true),
        ("a/b", true),
        ("a/b/none", false),
        ("a/b/x/below", false),
        ("a/link/x", false),
        ("a/link", false),
        ("a/b/inner", false),
        ("a/inner/x", false),
        ("a/../a/b/x", false),
        ("/etc/passwd", false),
    ] {
        let (path, flags) = (Path::new(path), OFlags::RDONLY | OFlags::NOFOLLOW);
        let at_once = folder.open_below(path, flags);
        let stepwise = folder.open_stepwise(path, flags);
        assert_eq!((at_once.is_ok(), stepwise.is_ok()), (is_there, is_there), "{path:?}");
    }
}

#[test]
fn folder_that_is_swapped_with_a_link_leads_nowhere() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (folder, link) = (root.path().join("folder"), root.path().join("link"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("x"), "ours").unwrap();
    fs::write(outside.path().join("x"), "theirs").unwrap();
    symlink(outside.path(), &link).unwrap();
    let base = Folder::open(root.path()).unwrap();
    let (stopped, mut read, mut made) = (AtomicBool::new(false), Vec::new(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stopped.load(Ordering::Relaxed) {
                let exchange = RenameFlags::EXCHANGE;
                renameat_with(CWD, &folder, CWD, &link, exchange).unwrap();
            }
        });
        for turn in 0..100_000 {
            if let Ok(Some((file, _))) = base.open_regular(Path::new("folder/x")) {
                read.push(io::read_to_string(file));
            }
            let path = PathBuf::from(format!("folder/below {turn}/y"));
            made += u32::from(base.open_file(&path, OpenMode::New).is_ok());
            if read.len() > 100 && made > 100 {
                break;
            }
        }
        // Results are checked only after the other thread has been stopped, so that it always ends.
        stopped.store(true, Ordering::Relaxed);
    });
    assert!(made > 0 && !read.is_empty());
    assert!(read.into_iter().all(|content| content.unwrap() == "ours"));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn files_are_created_with_their_folders_and_never_twice() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::open(root.path()).unwrap();
    assert!(folder.is_empty().unwrap());
    let path = Path::new("a/b/c");
    assert!(folder.open_file(path, OpenMode::Write).is_err());
    folder.open_file(path, OpenMode::New).unwrap();
    assert!(matches!(folder.kind_of(path).unwrap(), PathKind::File(_)));
    assert_eq!(folder.kind_of(Path::new("a/b")).unwrap(), PathKind::Folder);
    assert_eq!(folder.open_file(path, OpenMode::New).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert!(!folder.is_empty().unwrap());
}

#[test]
fn a_locked_folder_is_locked_for_others_until_it_is_closed() {
    let root = tempfile::tempdir().unwrap();
    let (one, other) = (Folder::open(root.path()).unwrap(), Folder::open(root.path()).unwrap());
    assert!(one.lock().unwrap() && one.lock().unwrap() && !other.lock().unwrap());
    drop(one);
    assert!(other.lock().unwrap());
}
