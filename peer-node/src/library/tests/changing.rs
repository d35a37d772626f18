use std::fs;
use std::io::Write;

use super::*;

#[tokio::test]
async fn new_and_deleted_files_are_noticed() {
    let home = LibraryHome::new();
    home.write("share/a", "a");
    let running = home.open_settled().await;
    home.write("share/b", "b");
    running.wait_for_names(&["a", "b"]).await;
    home.write("share/new/folder/c", "c");
    running.wait_for_names(&["a", "b", "new/folder/c"]).await;
    fs::remove_file(home.at("share/a")).unwrap();
    running.wait_for_names(&["b", "new/folder/c"]).await;
    fs::remove_dir_all(home.at("share/new")).unwrap();
    running.wait_for_names(&["b"]).await;
}

#[tokio::test]
async fn changed_file_is_rehashed() {
    let home = LibraryHome::new();
    home.write("share/a", "old");
    let running = home.open_settled().await;
    home.write("share/a", "new content");
    running.wait_for_files(|files| files.len() == 1 && files[0].digest == sha256(b"new content")).await;
    // Replace the file under its name.
    home.write("other", "third");
    fs::rename(home.at("other"), home.at("share/a")).unwrap();
    running.wait_for_files(|files| files.len() == 1 && files[0].digest == sha256(b"third")).await;
}

#[tokio::test]
async fn growing_file_is_shared_once_it_settles() {
    let mut home = LibraryHome::new();
    home.timing.settle_time = Duration::from_millis(60);
    let running = home.open_settled().await;
    let mut file = fs::File::create(home.at("share/growing")).unwrap();
    let mut content = Vec::new();
    for byte in 0..200 {
        file.write_all(&[byte]).unwrap();
        content.push(byte);
        tokio::task::yield_now().await;
    }
    running.wait_for_files(|files| files.len() == 1 && files[0].digest == sha256(&content)).await;
}

#[tokio::test]
async fn renamed_folder_is_not_rehashed() {
    let home = LibraryHome::new();
    home.write("share/old/a", "a");
    home.write("share/old/b", "b");
    home.open_settled().await.stop().await;
    home.falsify_cache(false_digest());
    let running = home.open_settled().await;
    fs::rename(home.at("share/old"), home.at("share/new")).unwrap();
    running.wait_for_names(&["new/a", "new/b"]).await;
    assert_eq!(running.digest_of("new/a"), false_digest());
    // The renamed folder is watched.
    home.write("share/new/c", "c");
    running.wait_for_names(&["new/a", "new/b", "new/c"]).await;
}

#[tokio::test]
async fn hidden_or_linked_file_is_no_longer_shared() {
    let home = LibraryHome::new();
    for name in ["a", "b", "c"] {
        home.write(&format!("share/{name}"), name);
    }
    let running = home.open_settled().await;
    fs::rename(home.at("share/a"), home.at("share/.a")).unwrap();
    fs::remove_file(home.at("share/b")).unwrap();
    std::os::unix::fs::symlink(home.at("share/c"), home.at("share/b")).unwrap();
    running.wait_for_names(&["c"]).await;
}

#[tokio::test]
async fn renaming_a_part_file_shares_it() {
    let home = LibraryHome::new();
    home.write("share/x.iso.part", "x");
    let running = home.open_settled().await;
    assert!(running.names().is_empty());
    fs::rename(home.at("share/x.iso.part"), home.at("share/x.iso")).unwrap();
    running.wait_for_names(&["x.iso"]).await;
}

#[tokio::test]
async fn rescan_finds_changes_without_events() {
    let mut home = LibraryHome::new();
    home.timing.rescan_interval = Duration::from_millis(50);
    home.write("share/a", "a");
    let running = home.open_settled().await;
    // The folder is unwatched, so only a rescan finds the changes.
    running
        .library
        .context
        .watcher
        .set_shares(Arc::new(super::super::shares::ShareSet::with_root("/nowhere".into())));
    home.write("share/b", "b");
    fs::remove_file(home.at("share/a")).unwrap();
    running.wait_for_names(&["b"]).await;
}
