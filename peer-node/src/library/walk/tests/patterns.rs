use super::super::super::exclusions::{MAX_IGNORE_FILE_SIZE, PatternError};
use super::*;

impl WalkTree {
    fn write_patterns(&self, folder: &str, patterns: impl AsRef<[u8]>) {
        fs::create_dir_all(self.at(folder)).unwrap();
        fs::write(self.at(folder).join(".peerdexignore"), patterns).unwrap();
    }
}

fn excluded(seen: &RecordingSink, tree: &WalkTree) -> Vec<String> {
    let is_excluded = |(_, reason): &(&PathBuf, &SkipReason)| matches!(reason, SkipReason::Excluded(_));
    let root = tree.at("");
    let excluded = seen.skipped.iter().filter(is_excluded);
    excluded.map(|(path, _)| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn nearer_patterns_take_precedence() {
    let tree = WalkTree::new();
    for path in
        ["share/a.tmp", "share/a", "share/b/a.tmp", "share/b/keep.tmp", "share/build/x", "share/b/c/y.log"]
    {
        tree.write(path);
    }
    tree.write_patterns("share", "*.tmp\nbuild/\n");
    tree.write_patterns("share/b", "!keep.tmp\n*.log\n");
    let seen = tree.walk(&tree.shares(), "share");
    assert_eq!(names(&seen), ["a", "b/keep.tmp"]);
    assert_eq!(excluded(&seen, &tree), ["share/a.tmp", "share/b/a.tmp", "share/b/c/y.log", "share/build"]);
    assert!(
        !seen.skipped.contains_key(&tree.at("share/.peerdexignore")),
        "the pattern file itself is not reported"
    );
    // An excluded folder is not even entered.
    assert!(!seen.entered.contains(&tree.at("share/build")));
}

#[test]
fn single_place_obeys_outer_patterns() {
    let tree = WalkTree::new();
    for path in ["share/b/c/a.tmp", "share/b/c/a", "share/build/x/y"] {
        tree.write(path);
    }
    tree.write_patterns("share", "*.tmp\n/build\n");
    let shares = tree.shares();
    assert_eq!(names(&tree.walk(&shares, "share/b/c")), ["b/c/a"]);
    assert_eq!(excluded(&tree.walk(&shares, "share/b/c/a.tmp"), &tree), ["share/b/c/a.tmp"]);
    // The excluded folder is reported, not the file in it.
    assert_eq!(excluded(&tree.walk(&shares, "share/build/x/y"), &tree), ["share/build"]);
}

#[test]
fn folder_patterns_and_global_patterns_apply() {
    let tree = WalkTree::new();
    for path in ["share/a.wav", "data/music/a.wav", "data/music/b.flac", "data/music/x/c.wav", "data/a.bak"] {
        tree.write(path);
    }
    tree.write_patterns("data", "*\n");
    let mut shares = tree.shares().with_global_patterns(vec!["*.bak".to_owned(), "music".to_owned()]);
    shares.share(&tree.at("data/music"), EntryKind::Folder, |_| false).unwrap();
    shares.share(&tree.at("data/a.bak"), EntryKind::File, |_| false).unwrap();
    shares.set_patterns(&tree.at("data/music"), vec!["*.wav".to_owned()]);
    assert_eq!(names(&tree.walk(&shares, "share")), ["a.wav"]);
    // A registered folder is shared whatever its name is, and patterns above it do not apply.
    assert_eq!(names(&tree.walk(&shares, "data/music")), ["music/b.flac"]);
    assert_eq!(excluded(&tree.walk(&shares, "data/a.bak"), &tree), ["data/a.bak"]);
}

#[test]
fn folder_with_unusable_patterns_is_left_out() {
    let tree = WalkTree::new();
    for path in
        ["share/a", "share/bad/x", "share/large/x", "share/binary/x", "share/link/x", "share/folder/x"]
    {
        tree.write(path);
    }
    tree.write_patterns("share/bad", "ok\na[b\n");
    tree.write_patterns("share/large", "x".repeat(usize::try_from(MAX_IGNORE_FILE_SIZE).unwrap() + 1));
    tree.write_patterns("share/binary", b"\xff\n");
    symlink("/dev/null", tree.at("share/link/.peerdexignore")).unwrap();
    fs::create_dir(tree.at("share/folder/.peerdexignore")).unwrap();
    let seen = tree.walk(&tree.shares(), "share");
    assert_eq!(names(&seen), ["a"]);
    let bad = seen.skipped.iter().filter(|(_, reason)| matches!(reason, SkipReason::BadPatterns(_))).count();
    assert_eq!(bad, 5, "{:?}", seen.skipped);
    let invalid = &seen.skipped[&tree.at("share/bad")];
    assert!(
        matches!(invalid, SkipReason::BadPatterns(PatternError::Invalid { pattern, .. }) if pattern == "a[b")
    );
}
