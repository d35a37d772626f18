use std::fs;

use super::*;

#[tokio::test]
async fn hashed_files_are_not_rehashed_after_a_restart() {
    let home = LibraryHome::new();
    home.write("share/a", "a");
    home.write("share/b", vec![1; 300_000]);
    let running = home.open_settled().await;
    let since = running.files()[0].since;
    running.stop().await;
    home.falsify_cache(false_digest());
    let running = home.open_settled().await;
    assert_eq!((running.digest_of("a"), running.digest_of("b")), (false_digest(), false_digest()));
    assert_eq!(running.files()[0].since, since);
}

#[tokio::test]
async fn files_changed_between_runs_are_rehashed() {
    let home = LibraryHome::new();
    for name in ["kept", "rewritten", "deleted"] {
        home.write(&format!("share/{name}"), name);
    }
    home.open_settled().await.stop().await;
    home.falsify_cache(false_digest());
    home.write("share/rewritten", "rewritteN");
    fs::remove_file(home.at("share/deleted")).unwrap();
    home.write("share/new", "new");
    let running = home.open_settled().await;
    assert_eq!(running.names(), ["kept", "new", "rewritten"]);
    assert_eq!(running.digest_of("kept"), false_digest());
    assert_eq!(running.digest_of("rewritten"), sha256(b"rewritteN"));
}

#[tokio::test]
async fn damaged_cache_only_causes_rehashing() {
    let home = LibraryHome::new();
    home.write("share/a", "a");
    home.open_settled().await.stop().await;
    let file = home.at("share/.peerdex/hashes.jsonl");
    let whole = fs::read(&file).unwrap();
    for damaged in [&b""[..], b"\0\0\0\0", &whole[..whole.len() / 2], b"{\"location\":1}\n"] {
        fs::write(&file, damaged).unwrap();
        let running = home.open_settled().await;
        assert_eq!(running.digest_of("a"), sha256(b"a"));
        running.stop().await;
    }
}

#[tokio::test]
async fn damaged_share_list_stops_startup_with_a_hint() {
    let home = LibraryHome::new();
    home.open_settled().await.stop().await;
    fs::write(home.at("share/.peerdex/shares.json"), b"{").unwrap();
    let error = home.try_open().await.err().unwrap();
    assert!(matches!(error, LibraryError::BadShares { .. }));
    assert!(error.to_string().contains("repair it, or remove it"));
}

#[tokio::test]
async fn unneeded_manifests_are_removed() {
    let home = LibraryHome::new();
    for number in 0..100_u8 {
        home.write(&format!("share/{number}"), vec![number; 262_145]);
    }
    home.open_settled().await.stop().await;
    let count = || fs::read_dir(home.at("share/.peerdex/manifests")).unwrap().count();
    assert_eq!(count(), 100);
    for number in 0..60_u8 {
        fs::remove_file(home.at(&format!("share/{number}"))).unwrap();
    }
    home.open_settled().await.stop().await;
    assert_eq!(count(), 40);
    let lines = fs::read_to_string(home.at("share/.peerdex/hashes.jsonl")).unwrap().lines().count();
    assert_eq!(lines, 40);
}
