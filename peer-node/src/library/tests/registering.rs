use std::fs;

use super::super::ShareReport;
use super::super::report::SkipReason;
use super::*;

async fn register(
    home: &LibraryHome,
    running: &RunningLibrary,
    paths: &[&str],
) -> Result<ShareReport, LibraryError> {
    let paths = paths.iter().map(|path| home.at(path)).collect();
    tokio::time::timeout(TIMEOUT, running.library.register(paths)).await.unwrap()
}

async fn unregister(running: &RunningLibrary, paths: &[&str]) -> Result<ShareReport, LibraryError> {
    let paths = paths.iter().map(Into::into).collect();
    tokio::time::timeout(TIMEOUT, running.library.unregister(paths)).await.unwrap()
}

fn names(report: &ShareReport) -> Vec<&str> {
    report.files.iter().map(|file| file.path.as_str()).collect()
}

#[tokio::test]
async fn outside_places_are_shared_in_place_and_persist() {
    let home = LibraryHome::new();
    home.write("share/x.iso", "inside");
    home.write("data/x.iso", "outside");
    home.write("data/movies/old/m", "movie");
    let running = home.open_settled().await;
    let report = register(&home, &running, &["data/x.iso", "data/movies"]).await.unwrap();
    assert_eq!(names(&report), ["movies/old/m", "x (1).iso"]);
    assert!(report.skipped.is_empty());
    assert_eq!(running.names(), ["movies/old/m", "x (1).iso", "x.iso"]);
    assert_eq!(running.digest_of("x (1).iso"), sha256(b"outside"));
    assert_eq!(fs::read_dir(home.at("share")).unwrap().count(), 2);
    // The registered places are watched.
    home.write("data/movies/new", "new");
    fs::remove_file(home.at("data/x.iso")).unwrap();
    running.wait_for_names(&["movies/new", "movies/old/m", "x.iso"]).await;
    running.stop().await;

    let running = home.open_settled().await;
    assert_eq!(running.names(), ["movies/new", "movies/old/m", "x.iso"]);
    // The registration of a missing file is kept.
    home.write("data/x.iso", "back");
    running.wait_for_names(&["movies/new", "movies/old/m", "x (1).iso", "x.iso"]).await;
}

#[tokio::test]
async fn unregistered_place_stays_out_until_registered() {
    let home = LibraryHome::new();
    for name in ["a", "b/c", "b/d"] {
        home.write(&format!("share/{name}"), name);
    }
    home.write("data/m/x", "x");
    let running = home.open_settled().await;
    register(&home, &running, &["data/m"]).await.unwrap();
    let report = unregister(&running, &["b", "m/x"]).await.unwrap();
    assert_eq!(names(&report), ["b/c", "b/d", "m/x"]);
    assert_eq!(running.names(), ["a"]);
    home.write("share/b/new", "new");
    home.write("share/e", "e");
    running.wait_for_names(&["a", "e"]).await;
    running.stop().await;

    let running = home.open_settled().await;
    assert_eq!(running.names(), ["a", "e"]);
    assert_eq!(names(&register(&home, &running, &["share/b/c"]).await.unwrap()), ["b/c"]);
    assert_eq!(running.names(), ["a", "b/c", "e"]);
    register(&home, &running, &["share", "data/m"]).await.unwrap();
    assert_eq!(running.names(), ["a", "b/c", "b/d", "b/new", "e", "m/x"]);
    for path in ["share/b/c", "data/m/x"] {
        assert!(home.at(path).is_file());
    }
}

#[tokio::test]
async fn places_are_unregistered_by_local_path_too() {
    let home = LibraryHome::new();
    home.write("share/a", "a");
    home.write("data/m/x", "x");
    home.write("data/n/y", "y");
    let running = home.open_settled().await;
    register(&home, &running, &["data/m", "data/n"]).await.unwrap();
    let data = home.at("data");
    let report = unregister(&running, &[data.to_str().unwrap(), "a"]).await.unwrap();
    assert_eq!(names(&report), ["a", "m/x", "n/y"]);
    // A deleted place can still be unregistered by its path.
    register(&home, &running, &["data/m"]).await.unwrap();
    fs::remove_dir_all(home.at("data/m")).unwrap();
    running.wait_for_names(&[]).await;
    unregister(&running, &[home.at("data/m").to_str().unwrap()]).await.unwrap();
    home.write("data/m/x", "x");
    register(&home, &running, &[]).await.unwrap();
    assert!(running.names().is_empty());
}

#[tokio::test]
async fn unregistering_an_unknown_path_changes_nothing() {
    let home = LibraryHome::new();
    home.write("share/a", "a");
    home.write("data/x", "x");
    let running = home.open_settled().await;
    let outside = home.at("data/x");
    for unknown in ["none", "../x", outside.to_str().unwrap(), "/", ".peerdex"] {
        let unregistered = unregister(&running, &["a", unknown]).await;
        let error = unregistered.expect_err(unknown);
        assert!(
            matches!(&error, LibraryError::NotShared { path } if path.to_str() == Some(unknown)),
            "{error}"
        );
    }
    assert_eq!(running.names(), ["a"]);
}

#[tokio::test]
async fn unshareable_places_are_refused_with_a_reason() {
    let home = LibraryHome::new();
    home.write("share/a", "a");
    home.write("share/.hidden/x", "x");
    home.write("share/x.part", "x");
    std::os::unix::fs::symlink(home.at("share/a"), home.at("share/link")).unwrap();
    let running = home.open_settled().await;
    for (path, expected) in [
        ("", SkipReason::ContainsNode),
        ("/", SkipReason::ContainsNode),
        ("share/.hidden/x", SkipReason::Hidden),
        ("share/.peerdex", SkipReason::OwnState),
        ("share/.peerdex/hashes.jsonl", SkipReason::OwnState),
        ("share/x.part", SkipReason::Unfinished),
        ("share/link", SkipReason::Link),
        ("/dev/null", SkipReason::Special),
    ] {
        let error = register(&home, &running, &[path, "share/a"]).await.unwrap_err();
        assert!(matches!(&error, LibraryError::CannotShare { reason, .. } if *reason == expected), "{error}");
    }
    let error = register(&home, &running, &["share/none"]).await.unwrap_err();
    assert!(matches!(error, LibraryError::NotFound { .. }));
    assert_eq!(running.names(), ["a"]);
}

#[tokio::test]
async fn report_lists_skipped_files() {
    let home = LibraryHome::new();
    home.write("data/ok", "ok");
    home.write("data/.hidden", "no");
    rustix::fs::mkfifoat(rustix::fs::CWD, home.at("data/pipe"), rustix::fs::Mode::RWXU).unwrap();
    let running = home.open_settled().await;
    let report = register(&home, &running, &["data"]).await.unwrap();
    assert_eq!(names(&report), ["data/ok"]);
    let mut skipped: Vec<_> = report.skipped.iter().map(|skipped| &skipped.reason).collect();
    skipped.sort_by_key(ToString::to_string);
    assert_eq!(skipped, [&SkipReason::Hidden, &SkipReason::Special]);
}

#[tokio::test]
async fn hard_link_to_another_users_file_is_not_shared() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = LibraryHome::new();
    home.write("secret", "secret");
    std::os::unix::fs::chown(home.at("secret"), Some(12345), None).unwrap();
    fs::hard_link(home.at("secret"), home.at("share/link")).unwrap();
    home.write("share/a", "a");
    fs::hard_link(home.at("share/a"), home.at("share/b")).unwrap();
    let running = home.open_settled().await;
    assert_eq!(running.names(), ["a", "b"]);
}

#[tokio::test]
async fn endless_file_is_reported_as_skipped() {
    let home = LibraryHome::new();
    let running = home.open_settled().await;
    let paths = vec!["/proc/version".into()];
    let report = tokio::time::timeout(TIMEOUT, running.library.register(paths)).await.unwrap().unwrap();
    assert!(report.files.is_empty());
    assert_eq!(report.skipped.len(), 1);
    assert_eq!(report.skipped[0].path, "/proc/version");
    // The file is parked, so it does not delay settling.
    running.settled().await;
}

#[tokio::test]
async fn unreadable_files_are_reported_the_rest_is_shared() {
    use std::os::unix::fs::PermissionsExt;
    // Root can read everything.
    if rustix::process::geteuid().is_root() {
        return;
    }
    let home = LibraryHome::new();
    for name in ["ok", "closed file", "closed folder/x"] {
        home.write(&format!("data/{name}"), name);
    }
    let close =
        |name: &str, mode| fs::set_permissions(home.at(name), fs::Permissions::from_mode(mode)).unwrap();
    close("data/closed file", 0o000);
    close("data/closed folder", 0o000);
    let running = home.open_settled().await;
    let report = register(&home, &running, &["data"]).await.unwrap();
    assert_eq!(names(&report), ["data/ok"]);
    let denied = SkipReason::Unreadable(std::io::ErrorKind::PermissionDenied);
    assert_eq!(report.skipped.iter().map(|skipped| &skipped.reason).collect::<Vec<_>>(), [&denied, &denied]);
    // The files are shared as soon as they become readable.
    close("data/closed folder", 0o700);
    close("data/closed file", 0o600);
    running.wait_for_names(&["data/closed file", "data/closed folder/x", "data/ok"]).await;
}
