//! Lists: their order, their numbers, and other ways to name an entry.

use protocol::digest::Digest;
use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::TestNetwork;
use tests::peer::peer_node;
use tests::terminal::Terminal;

#[test]
fn equal_hits_are_listed_in_natural_order() {
    let mut network = TestNetwork::new();
    let contents: Vec<TestContent> = (0..25).map(|number| TestContent::random(710 + number, 100)).collect();
    let names: Vec<String> = (1..=25).map(|number| format!("album/track{number}.flac")).collect();
    let files: Vec<(&str, &TestContent)> = names.iter().map(String::as_str).zip(&contents).collect();
    let _sharer = network.start_node(&files);
    let mut node = network.start_node(&[]);
    let hits = node.peer.run("search track").hits();
    assert_eq!(hits.into_iter().map(|hit| hit.name).collect::<Vec<_>>(), names);
    node.peer.kill();
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.folder.path()));
    assert!(terminal.wait_for_prompt(), "{}", terminal.text());
    wait_until("the index to be connected", DEFAULT_TIMEOUT, || {
        terminal.enter("status").contains(", connected")
    });
    let first = terminal.enter("search track");
    assert!(first.contains("1 to 20 of 25 hits") && !first.contains("track21"), "{first}");
    let rest = terminal.enter("more");
    assert!(rest.contains("25 hits") && rest.contains("track21.flac"), "{rest}");
}

#[test]
fn punctuation_and_wildcards_match_as_expected() {
    let mut network = TestNetwork::new();
    let (photo, song) = (TestContent::random(740, 100), TestContent::random(741, 100));
    let _sharer = network.start_node(&[("holiday photo-beach.jpg", &photo), ("My_Song.flac", &song)]);
    let mut node = network.start_node(&[]);
    for (query, found) in [
        ("holiday_photo", &photo),
        ("holidayPhoto", &photo),
        ("photo.beach", &photo),
        ("*.jpg", &photo),
        ("my-song", &song),
        ("mySong", &song),
        ("*.flac", &song),
        ("my*.flac", &song),
    ] {
        let answer = node.peer.run(&format!("search {query}"));
        let digests: Vec<_> = answer.hits().iter().map(|hit| hit.digest).collect();
        assert_eq!(digests, [found.digest], "{query}: {answer:#?}");
    }
}

#[test]
fn digest_prefix_is_accepted_everywhere() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(742, 1000);
    let sharer = network.start_node(&[("disk.iso", &content)]);
    let mut node = network.start_node(&[]);
    let short = content.digest.short();
    let sources = node.peer.run(&format!("sources {short}"));
    assert!(sources.contains(&format!("{}\twhole", sharer.peer.address())), "{sources:#?}");
    assert_eq!(node.peer.run(&format!("download {short}")).completed_downloads()[0].digest, content.digest);
    wait_until("the file to be shared", DEFAULT_TIMEOUT, || node.peer.run("files").files().len() == 1);
    let torrent = node.folder.path().join("disk.torrent");
    let made = node.peer.run(&format!("torrent create {short} as {}", torrent.display()));
    assert!(made.errors().is_empty() && torrent.exists(), "{made:#?}");
    let unknown = node.peer.run("download 00000000dead");
    assert_eq!(unknown.errors(), ["nothing found: 00000000dead"]);
}

#[test]
fn ambiguous_digest_prefix_lists_the_candidates() {
    let mut network = TestNetwork::new();
    let mut node = network.start_node(&[]);
    // No node has this content, but the index lists any that claims it.
    let claimed = |last: u8| {
        let mut digest = [0xab; 32];
        digest[31] = last;
        TestContent { digest: Digest::from_bytes(digest), ..TestContent::random(745, 100) }
    };
    let (one, two) = (claimed(1), claimed(2));
    let index = network.index.address();
    let _one = HostilePeer::join(index, "one.bin", &one, Lie::NeverAnswers);
    let _two = HostilePeer::join(index, "two.bin", &two, Lie::NeverAnswers);
    let (one, two) = (one.digest, two.digest);
    let answer = node.peer.run("download abababababab");
    let text = answer.text();
    assert!(text.contains("2 contents have a digest that begins with abababababab"), "{text}");
    assert!(text.contains(&format!("{one}  one.bin")) && text.contains(&format!("{two}  two.bin")), "{text}");
}

#[test]
fn transfers_can_be_named_by_digest_and_cleared() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(743, 20 * PIECE_LENGTH);
    let _slow = HostilePeer::join(network.index.address(), "slow.iso", &content, Lie::NeverAnswers);
    let mut node = network.start_node(&[]);
    node.peer.run(&format!("download {} &", content.digest));
    let early = node.peer.run("transfers clear 1");
    assert!(early.errors()[0].contains("download 1 is not finished"), "{early:#?}");
    let cancelled = node.peer.run(&format!("cancel {}", content.digest.short()));
    assert!(cancelled.errors().is_empty(), "{cancelled:#?}");
    let listed = node.peer.run("transfers");
    assert_eq!(listed.download_states(), ["cancelled"]);
    assert!(listed.contains(&node.folder.path().join("slow.iso").display().to_string()), "{listed:#?}");
    assert!(node.peer.run("transfers clear").contains("cleared 1 download"));
    assert!(node.peer.run("transfers").contains("no transfers"));
}

#[test]
fn peer_can_be_browsed_by_folder() {
    let mut network = TestNetwork::new();
    let contents: Vec<TestContent> = (0..4).map(|number| TestContent::random(750 + number, 100)).collect();
    let names = ["readme.txt", "music/live/10.flac", "music/live/9.flac", "music/cover.jpg"];
    let files: Vec<(&str, &TestContent)> = names.into_iter().zip(&contents).collect();
    let sharer = network.start_node(&files);
    let mut node = network.start_node(&[]);
    let address = sharer.peer.address();
    let top = node.peer.run(&format!("browse {address} /"));
    assert!(top.contains("1\tmusic/\t300\t3 files") && top.contains("2\treadme.txt\t100\t"), "{top:#?}");
    let folder = node.peer.run(&format!("browse {address} music"));
    assert!(
        folder.contains("1\tmusic/live/\t200\t2 files") && folder.contains("2\tmusic/cover.jpg\t100\t"),
        "{folder:#?}"
    );
    let all = node.peer.run(&format!("browse {address} music --all")).hits();
    assert_eq!(all.len(), 3);
    let nowhere = node.peer.run(&format!("browse {address} nowhere"));
    assert!(nowhere.errors()[0].contains("nothing found: nowhere/"), "{nowhere:#?}");
    node.peer.run(&format!("browse {address} music"));
    let refused = node.peer.run("download 1 as elsewhere");
    assert!(refused.errors()[0].contains("music/live/ is a folder"), "{refused:#?}");
    let fetched = node.peer.run("download 1");
    assert_eq!(fetched.completed_downloads().len(), 2, "{fetched:#?}");
    let path = node.folder.path().join("music/live").display().to_string();
    assert!(fetched.contains(&format!("group\tmusic/live/\t2/2 files\t200\t{path}")), "{fetched:#?}");
    assert!(node.peer.run("sources 1").errors()[0].contains("music/live/ is a folder"));
}

#[test]
fn folder_is_shown_as_one_download() {
    let mut network = TestNetwork::new();
    let contents: Vec<TestContent> = (0..30).map(|number| TestContent::random(760 + number, 1000)).collect();
    let names: Vec<String> = (0..30).map(|number| format!("album/track {number}.flac")).collect();
    let files: Vec<(&str, &TestContent)> = names.iter().map(String::as_str).zip(&contents).collect();
    let sharer = network.start_node(&files);
    let node = network.start_node(&[]);
    drop(node.peer);
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.folder.path()));
    assert!(terminal.wait_for_prompt(), "{}", terminal.text());
    wait_until("the index to be connected", DEFAULT_TIMEOUT, || {
        terminal.enter("status").contains(", connected")
    });
    let listed = terminal.enter(&format!("browse {}", sharer.peer.address()));
    assert!(
        listed.contains("album/") && listed.contains("30 files") && !listed.contains("track"),
        "{listed}"
    );
    let shown = terminal.enter("download 1");
    assert!(shown.contains("done  album/  30 files, 29.3 KiB in "), "{shown}");
    assert!(shown.contains(&format!("  {}", node.folder.path().join("album").display())), "{shown}");
    assert!(!shown.contains("track"), "{shown}");
    assert_eq!(node.folder.visible_files().len(), 30);
    let transfers = terminal.enter("transfers");
    let path = node.folder.path().join("album/track 9.flac").display().to_string();
    assert!(transfers.contains(&path), "{transfers}");
}

#[test]
fn narrow_terminal_keeps_the_file_name() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(790, 1000);
    let name = "distributions/debian/13/debian-13.1.0-amd64.iso";
    let _sharer = network.start_node(&[(name, &content)]);
    let node = network.start_node(&[]);
    drop(node.peer);
    for (columns, shown, hidden) in [
        ("40", "1  …/13/debian-13.1.0-amd64.iso   1000 B", "sources"),
        ("80", "1  distributions/debian/13/debian-13.1.0-amd64.iso  1000 B        1", "digest"),
    ] {
        let mut command = peer_node(0, network.index.address(), node.folder.path());
        command.env("COLUMNS", columns);
        let mut terminal = Terminal::start(command);
        assert!(terminal.wait_for_prompt(), "{}", terminal.text());
        wait_until("the index to be connected", DEFAULT_TIMEOUT, || {
            terminal.enter("status").contains(", connected")
        });
        let hits = terminal.enter("search debian");
        assert!(hits.contains(shown) && !hits.contains(hidden), "{hits}");
        terminal.type_keys("quit\r");
        assert_eq!(terminal.process.wait(DEFAULT_TIMEOUT).code(), Some(0), "{}", terminal.text());
    }
}

#[test]
fn similar_words_are_suggested_when_nothing_is_found() {
    let mut network = TestNetwork::new();
    let _sharer = network.start_node(&[("ubuntu-24.04-server.iso", &TestContent::random(791, 100))]);
    let mut node = network.start_node(&[]);
    let answer = node.peer.run("search Ubunto ext:iso");
    assert!(
        answer.contains("no hits") && answer.contains("did you mean: search ubuntu ext:iso"),
        "{answer:#?}"
    );
    assert!(answer.errors().is_empty(), "{answer:#?}");
    for query in ["ubunto ext:mp3", "xylophone", "ubuntu ext:mp3"] {
        let answer = node.peer.run(&format!("search {query}"));
        assert!(answer.contains("no hits") && !answer.contains("did you mean"), "{query}: {answer:#?}");
    }
}

#[test]
fn node_id_prefix_selects_an_unseen_peer() {
    let mut network = TestNetwork::new();
    let mut sharer = network.start_node(&[("there.txt", &TestContent::random(792, 100))]);
    let status = sharer.peer.run("status");
    let id = status.0.iter().find_map(|line| line.strip_prefix("node\t")).expect("a node id").to_owned();
    let mut node = network.start_node(&[]);
    let hits = node.peer.run(&format!("browse {}", &id[..8])).hits();
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].name, "there.txt");
    let unknown = node.peer.run("browse 0000000f");
    assert_eq!(unknown.errors(), ["no online node has an id that begins with 0000000f"]);
}
