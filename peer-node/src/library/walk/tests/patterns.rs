use super::super::super::exclusions::{MAX_IGNORE_FILE, PatternError};
use super::*;

impl Tree {
    fn patterns(&self, folder: &str, patterns: impl AsRef<[u8]>) {
        fs::create_dir_all(self.at(folder)).unwrap();
        fs::write(self.at(folder).join(".peerdexignore"), patterns).unwrap();
    }
}

fn excluded(seen: &Seen, tree: &Tree) -> Vec<String> {
    let is_excluded = |(_, reason): &(&PathBuf, &SkipReason)| matches!(reason, SkipReason::Excluded(_));
    let root = tree.at("");
    let excluded = seen.skipped.iter().filter(is_excluded);
    excluded.map(|(path, _)| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn patterns_hold_below_their_folder_and_nearer_ones_come_first() {
    let tree = Tree::new();
    for path in
        ["share/a.tmp", "share/a", "share/b/a.tmp", "share/b/keep.tmp", "share/build/x", "share/b/c/y.log"]
    {
        tree.write(path);
    }
    tree.patterns("share", "*.tmp\nbuild/\n");
    tree.patterns("share/b", "!keep.tmp\n*.log\n");
    let seen = tree.walk(&tree.shares(), "share");
    assert_eq!(names(&seen), ["a", "b/keep.tmp"]);
    assert_eq!(excluded(&seen, &tree), ["share/a.tmp", "share/b/a.tmp", "share/b/c/y.log", "share/build"]);
    assert!(
        !seen.skipped.contains_key(&tree.at("share/.peerdexignore")),
        "patterns are no file that is left out"
    );
    // What is excluded is not even entered.
    assert!(!seen.entered.contains(&tree.at("share/build")));
}

#[test]
fn a_place_alone_is_judged_by_the_patterns_around_it() {
    let tree = Tree::new();
    for path in ["share/b/c/a.tmp", "share/b/c/a", "share/build/x/y"] {
        tree.write(path);
    }
    tree.patterns("share", "*.tmp\n/build\n");
    let shares = tree.shares();
    assert_eq!(names(&tree.walk(&shares, "share/b/c")), ["b/c/a"]);
    assert_eq!(excluded(&tree.walk(&shares, "share/b/c/a.tmp"), &tree), ["share/b/c/a.tmp"]);
    // Not the file is named, but the folder that is left out.
    assert_eq!(excluded(&tree.walk(&shares, "share/build/x/y"), &tree), ["share/build"]);
}

#[test]
fn given_patterns_hold_in_their_folder_and_others_everywhere() {
    let tree = Tree::new();
    for path in ["share/a.wav", "data/music/a.wav", "data/music/b.flac", "data/music/x/c.wav", "data/a.bak"] {
        tree.write(path);
    }
    tree.patterns("data", "*\n");
    let mut shares = tree.shares().exclude_everywhere(vec!["*.bak".to_owned(), "music".to_owned()]);
    shares.share(&tree.at("data/music"), NameOf::Folder, |_| false).unwrap();
    shares.share(&tree.at("data/a.bak"), NameOf::File, |_| false).unwrap();
    shares.set_patterns(&tree.at("data/music"), vec!["*.wav".to_owned()]);
    assert_eq!(names(&tree.walk(&shares, "share")), ["a.wav"]);
    // A registered folder is shared whatever it is called, and patterns around it do not count.
    assert_eq!(names(&tree.walk(&shares, "data/music")), ["music/b.flac"]);
    assert_eq!(excluded(&tree.walk(&shares, "data/a.bak"), &tree), ["data/a.bak"]);
}

#[test]
fn a_folder_whose_patterns_cannot_be_used_is_left_out() {
    let tree = Tree::new();
    for path in
        ["share/a", "share/bad/x", "share/large/x", "share/binary/x", "share/link/x", "share/folder/x"]
    {
        tree.write(path);
    }
    tree.patterns("share/bad", "ok\na[b\n");
    tree.patterns("share/large", "x".repeat(usize::try_from(MAX_IGNORE_FILE).unwrap() + 1));
    tree.patterns("share/binary", b"\xff\n");
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
