use std::fs;

use super::super::caution::{Caution, MANY_FILES};
use super::super::exclusions::PatternError;
use super::super::report::SkipReason;
use super::super::{Registration, ShareReport};
use super::*;

async fn register_with(
    running: &RunningLibrary,
    registration: Registration,
) -> Result<ShareReport, LibraryError> {
    tokio::time::timeout(TIMEOUT, running.library.register_with(registration)).await.unwrap()
}

fn patterns(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
}

/// Returns the names of the left-out files with the labels of the reasons.
fn left_out(running: &RunningLibrary) -> Vec<(String, &'static str)> {
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let overview = running.library.overview();
    overview.left_out.iter().map(|file| (name(&file.location), file.reason.label())).collect()
}

#[tokio::test]
async fn changed_patterns_take_effect_while_the_node_runs() {
    let home = LibraryHome::new();
    home.write("share/a.tmp", "a");
    home.write("share/b/c.tmp", "c");
    home.write("share/d", "d");
    let running = home.open_settled().await;
    assert_eq!(running.names(), ["a.tmp", "b/c.tmp", "d"]);
    home.write("share/.peerdexignore", "*.tmp\n");
    running.wait_for_names(&["d"]).await;
    home.write("share/.peerdexignore", "/*.tmp\n");
    running.wait_for_names(&["b/c.tmp", "d"]).await;
    fs::remove_file(home.at("share/.peerdexignore")).unwrap();
    running.wait_for_names(&["a.tmp", "b/c.tmp", "d"]).await;
}

#[tokio::test]
async fn folder_patterns_persist_and_can_be_replaced() {
    let home = LibraryHome::new();
    for path in ["data/music/a.wav", "data/music/b.flac", "share/x.wav"] {
        home.write(path, path);
    }
    let running = home.open_settled().await;
    let music = |patterns| Registration { paths: vec![home.at("data/music")], patterns, is_confirmed: false };
    let report = register_with(&running, music(Some(patterns(&["*.wav"])))).await.unwrap();
    assert_eq!(report.files.len(), 1);
    assert_eq!(report.skipped.len(), 1);
    assert_eq!(running.names(), ["music/b.flac", "x.wav"]);
    running.stop().await;
    let running = home.open_settled().await;
    assert_eq!(running.names(), ["music/b.flac", "x.wav"]);
    // Without patterns, the current ones stay; new ones replace them; an empty one removes them.
    register_with(&running, music(None)).await.unwrap();
    assert_eq!(running.names(), ["music/b.flac", "x.wav"]);
    register_with(&running, music(Some(patterns(&["*.flac"])))).await.unwrap();
    running.wait_for_names(&["music/a.wav", "x.wav"]).await;
    register_with(&running, music(Some(patterns(&[""])))).await.unwrap();
    running.wait_for_names(&["music/a.wav", "music/b.flac", "x.wav"]).await;
    // Without a path, patterns apply to the share folder.
    register_with(&running, Registration { patterns: Some(patterns(&["x.*"])), ..Registration::default() })
        .await
        .unwrap();
    running.wait_for_names(&["music/a.wav", "music/b.flac"]).await;
}

#[tokio::test]
async fn left_out_files_have_a_reason() {
    let home = LibraryHome::new();
    for path in
        ["share/a", "share/.hidden", "share/x/old.tmp", "share/x/private", "data/m/.git/y", "data/m/z"]
    {
        home.write(path, path);
    }
    std::os::unix::fs::symlink("a", home.at("share/link")).unwrap();
    let running = home.open_settled().await;
    register_with(&running, Registration { paths: vec![home.at("data/m")], ..Registration::default() })
        .await
        .unwrap();
    running.library.unregister(vec![home.at("share/x/private")]).await.unwrap();
    register_with(&running, Registration { patterns: Some(patterns(&["*.tmp"])), ..Registration::default() })
        .await
        .unwrap();
    let expected = [
        (".git", "hidden"),
        (".hidden", "hidden"),
        ("link", "links"),
        ("old.tmp", "excluded by patterns"),
        ("private", "unregistered"),
    ];
    assert_eq!(left_out(&running), expected.map(|(name, label)| (name.to_owned(), label)));
    let overview = running.library.overview();
    let counts = overview.counts(&running.library.files());
    assert_eq!(
        counts.iter().map(|count| (count.files, count.left_out)).collect::<Vec<_>>(),
        [(1, 4), (1, 1)]
    );
    // A deleted file is no longer reported as left out.
    fs::remove_file(home.at("share/link")).unwrap();
    tokio::time::timeout(TIMEOUT, running.library.register(Vec::new())).await.unwrap().unwrap();
    assert_eq!(left_out(&running).len(), 4);
}

#[tokio::test]
async fn invalid_patterns_and_patterns_for_files_are_refused() {
    let home = LibraryHome::new();
    home.write("data/file", "x");
    let running = home.open_settled().await;
    let bad = Registration { patterns: Some(patterns(&["a[b"])), ..Registration::default() };
    let refused = register_with(&running, bad).await.unwrap_err();
    assert!(matches!(refused, LibraryError::BadPattern(PatternError::Invalid { .. })));
    let file = Registration {
        paths: vec![home.at("data/file")],
        patterns: Some(patterns(&["x"])),
        is_confirmed: false,
    };
    assert!(matches!(register_with(&running, file).await.unwrap_err(), LibraryError::PatternsForFile { .. }));
    assert_eq!(running.names(), [""; 0]);
}

#[tokio::test]
async fn many_files_need_confirmation() {
    let home = LibraryHome::new();
    fs::create_dir_all(home.at("data/many")).unwrap();
    for number in 0..=MANY_FILES {
        fs::write(home.at("data/many").join(number.to_string()), b"").unwrap();
    }
    let running = home.open_settled().await;
    let many = |patterns| Registration { paths: vec![home.at("data/many")], patterns, is_confirmed: false };
    let refused = register_with(&running, many(None)).await.unwrap_err();
    assert!(matches!(refused, LibraryError::Unconfirmed { caution: Caution::ManyFiles, .. }));
    assert_eq!(running.library.overview().places.len(), 1);
    // Excluded files do not count.
    let report = register_with(&running, many(Some(patterns(&["?*0"])))).await.unwrap();
    assert!(report.files.len() > 5000);
}

#[tokio::test]
async fn unshareable_place_is_refused_before_confirmation() {
    let home = LibraryHome::new();
    let running = home.open_settled().await;
    let root = Registration { paths: vec!["/".into()], ..Registration::default() };
    let refused = register_with(&running, root).await.unwrap_err();
    assert!(matches!(refused, LibraryError::CannotShare { reason: SkipReason::ContainsNode, .. }));
}
