//! Damaged, lost or unwritable state while the library runs or between two runs.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::library::OpenError;

const SIZE: usize = 700_000;

fn manifest_file(home: &LibraryHome, digest: &Digest) -> PathBuf {
    home.at("share/.peerdex/manifests").join(digest.to_string())
}

/// Polls for a condition that no event announces.
async fn eventually(what: &str, is_true: impl Fn() -> bool) {
    let waiting = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(TIMEOUT, waiting).await.is_ok(), "{what}");
}

#[tokio::test]
async fn damaged_manifest_triggers_a_rehash() {
    let home = LibraryHome::new();
    home.write("share/a", vec![1; SIZE]);
    let running = home.open_settled().await;
    let digest = running.digest_of("a");
    running.stop().await;
    let file = manifest_file(&home, &digest);
    let mut bytes = fs::read(&file).unwrap();
    bytes[33] ^= 4;
    fs::write(&file, bytes).unwrap();
    let running = home.open_settled().await;
    assert_eq!(running.library.manifest(&digest).unwrap(), None);
    eventually("the manifest is rebuilt", || running.library.manifest(&digest).unwrap().is_some()).await;
    assert_eq!(fs::metadata(file).unwrap().len(), 64 + 40);
}

#[tokio::test]
async fn lost_manifest_of_small_file_is_rebuilt_inline() {
    let mut home = LibraryHome::new();
    home.timing.max_inline_hash = SIZE as u64;
    for (name, size) in [("a", SIZE), ("b", SIZE + 1)] {
        home.write(&format!("share/{name}"), vec![1; size]);
    }
    let running = home.open_settled().await;
    let (small, large) = (running.digest_of("a"), running.digest_of("b"));
    running.stop().await;
    for digest in [small, large] {
        fs::remove_file(manifest_file(&home, &digest)).unwrap();
    }
    let running = home.open_settled().await;
    assert!(running.library.manifest(&small).unwrap().is_some());
    assert!(manifest_file(&home, &small).is_file());
    assert_eq!(running.library.manifest(&large).unwrap(), None);
}

#[tokio::test]
async fn damaged_cached_digest_triggers_a_rehash() {
    let home = LibraryHome::new();
    home.write("share/a", "a");
    home.open_settled().await.stop().await;
    let cache = home.at("share/.peerdex/hashes.jsonl");
    let text = fs::read_to_string(&cache).unwrap();
    fs::write(&cache, text.replace(&sha256(b"a").to_string(), &false_digest().to_string())).unwrap();
    let running = home.open_settled().await;
    assert_eq!(running.digest_of("a"), sha256(b"a"));
}

#[tokio::test]
async fn unchecked_digest_is_verified_on_first_request() {
    let home = LibraryHome::new();
    home.write("share/a", "a");
    home.open_settled().await.stop().await;
    home.falsify_cache(false_digest());
    let running = home.open_settled().await;
    assert_eq!(running.digest_of("a"), false_digest());
    running.library.open_file(&false_digest()).unwrap();
    running.wait_for_files(|files| files.iter().any(|file| file.digest == sha256(b"a"))).await;
}

#[tokio::test]
async fn manifest_from_0_1_0_is_used_and_verified() {
    let home = LibraryHome::new();
    home.write("share/a", vec![1; SIZE]);
    let running = home.open_settled().await;
    let digest = running.digest_of("a");
    running.stop().await;
    let file = manifest_file(&home, &digest);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..64]).unwrap();
    let running = home.open_settled().await;
    assert!(running.library.manifest(&digest).unwrap().is_some());
    eventually("the manifest gets its checksum", || fs::read(&file).unwrap() == bytes).await;
    assert_eq!(running.names(), ["a"], "the file stays shared");
}

#[tokio::test]
async fn reverified_file_is_rehashed() {
    let home = LibraryHome::new();
    home.write("share/a", "a");
    home.open_settled().await.stop().await;
    home.falsify_cache(false_digest());
    let running = home.open_settled().await;
    running.library.verify(&false_digest());
    running.wait_for_files(|files| files.iter().any(|file| file.digest == sha256(b"a"))).await;
}

#[tokio::test]
async fn removed_state_folder_is_restored() {
    let home = LibraryHome::new();
    home.write("share/a", vec![1; SIZE]);
    home.write("elsewhere/b", "b");
    let running = home.open_settled().await;
    running.library.register(vec![home.at("elsewhere/b")]).await.unwrap();
    let digest = running.digest_of("a");
    fs::remove_dir_all(home.at("share/.peerdex")).unwrap();
    running.state.restore().unwrap();
    running.state.update_health(|health| health.restored += 1);
    for file in ["hashes.jsonl", "shares.json"] {
        eventually(file, || home.at("share/.peerdex").join(file).is_file()).await;
    }
    eventually("the manifest is there", || manifest_file(&home, &digest).is_file()).await;
    running.settled().await;
    assert_eq!(running.names(), ["a", "b"]);
    running.stop().await;
    let again = home.open_settled().await;
    assert_eq!(again.names(), ["a", "b"]);
    assert_eq!(again.library.manifest(&digest).unwrap().map(|manifest| manifest.digest()), Some(digest));
}

#[tokio::test]
async fn replaced_share_folder_is_rescanned() {
    let home = LibraryHome::new();
    home.write("share/a", "a");
    let running = home.open_settled().await;
    fs::rename(home.at("share"), home.at("old")).unwrap();
    home.write("share/b", "b");
    running.state.restore().unwrap();
    running.state.update_health(|health| health.restored += 1);
    running.wait_for_names(&["b"]).await;
    // The new folder is watched, and the old one is no longer shared.
    home.write("share/c", "c");
    running.wait_for_names(&["b", "c"]).await;
}

#[tokio::test]
async fn files_are_shared_when_state_is_unwritable() {
    let home = LibraryHome::new();
    let running = home.open_settled().await;
    let manifests = home.at("share/.peerdex/manifests");
    fs::remove_dir_all(&manifests).unwrap();
    fs::write(&manifests, "in the way").unwrap();
    home.write("share/a", vec![1; SIZE]);
    running.wait_for_names(&["a"]).await;
    let digest = running.digest_of("a");
    assert!(running.library.manifest(&digest).unwrap().is_some());
    let health = running.state.health();
    assert!(health.borrow().store_error.is_some());
    fs::remove_file(&manifests).unwrap();
    fs::create_dir(&manifests).unwrap();
    eventually("the manifest is written", || manifest_file(&home, &digest).is_file()).await;
    eventually("the error is cleared", || health.borrow().store_error.is_none()).await;
}

#[tokio::test]
async fn unreadable_file_is_withdrawn_until_readable() {
    let home = LibraryHome::new();
    home.write("share/a", "a");
    home.write("share/b", "b");
    let running = home.open_settled().await;
    let set_mode = |mode| {
        fs::set_permissions(home.at("share/a"), fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(0o000);
    if fs::File::open(home.at("share/a")).is_ok() {
        // Root can read everything.
        return;
    }
    running.wait_for_names(&["b"]).await;
    assert!(matches!(running.library.open_file(&sha256(b"a")), Err(OpenError::NotShared)));
    set_mode(0o600);
    running.wait_for_names(&["a", "b"]).await;
}
