//! Lists: their order, their numbers, and what can be typed instead of a number.

use protocol::digest::Digest;
use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::Network;
use tests::peer::peer_node;
use tests::terminal::Terminal;

#[test]
fn equal_hits_are_listed_in_natural_order_with_their_total() {
    let mut network = Network::new();
    let contents: Vec<Content> = (0..25).map(|number| Content::random(710 + number, 100)).collect();
    let names: Vec<String> = (1..=25).map(|number| format!("album/track{number}.flac")).collect();
    let files: Vec<(&str, &Content)> = names.iter().map(String::as_str).zip(&contents).collect();
    let _sharer = network.node(&files);
    let mut node = network.node(&[]);
    let hits = node.peer.say("search track").hits();
    assert_eq!(hits.into_iter().map(|hit| hit.name).collect::<Vec<_>>(), names);
    node.peer.kill();
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.home.path()));
    assert!(terminal.is_ready(), "{}", terminal.text());
    until("the index to be there", SOON, || terminal.enter("status").contains(", connected"));
    let first = terminal.enter("search track");
    assert!(first.contains("1 to 20 of 25 hits") && !first.contains("track21"), "{first}");
    let rest = terminal.enter("more");
    assert!(rest.contains("25 hits") && rest.contains("track21.flac"), "{rest}");
}

#[test]
fn signs_and_asterisks_find_what_people_mean() {
    let mut network = Network::new();
    let (photo, song) = (Content::random(740, 100), Content::random(741, 100));
    let _sharer = network.node(&[("holiday photo-beach.jpg", &photo), ("My_Song.flac", &song)]);
    let mut node = network.node(&[]);
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
        let answer = node.peer.say(&format!("search {query}"));
        let digests: Vec<_> = answer.hits().iter().map(|hit| hit.digest).collect();
        assert_eq!(digests, [found.digest], "{query}: {answer:#?}");
    }
}

#[test]
fn the_beginning_of_a_digest_serves_everywhere() {
    let mut network = Network::new();
    let content = Content::random(742, 1000);
    let sharer = network.node(&[("disk.iso", &content)]);
    let mut node = network.node(&[]);
    let short = content.digest.short();
    let sources = node.peer.say(&format!("sources {short}"));
    assert!(sources.has(&format!("{}\twhole", sharer.peer.address())), "{sources:#?}");
    assert_eq!(node.peer.say(&format!("download {short}")).done()[0].digest, content.digest);
    until("the file to be shared", SOON, || node.peer.say("files").files().len() == 1);
    let torrent = node.home.path().join("disk.torrent");
    let made = node.peer.say(&format!("torrent create {short} as {}", torrent.display()));
    assert!(made.errors().is_empty() && torrent.exists(), "{made:#?}");
    let unknown = node.peer.say("download 00000000dead");
    assert_eq!(unknown.errors(), ["nothing found: 00000000dead"]);
}

#[test]
fn an_ambiguous_digest_is_answered_with_the_candidates() {
    let mut network = Network::new();
    let mut node = network.node(&[]);
    // Nobody has such contents, but who claims them is found.
    let claimed = |last: u8| {
        let mut digest = [0xab; 32];
        digest[31] = last;
        Content { digest: Digest::from_bytes(digest), ..Content::random(745, 100) }
    };
    let (one, two) = (claimed(1), claimed(2));
    let index = network.index.address();
    let _one = HostilePeer::join(index, "one.bin", &one, Lie::NeverAnswers);
    let _two = HostilePeer::join(index, "two.bin", &two, Lie::NeverAnswers);
    let (one, two) = (one.digest, two.digest);
    let answer = node.peer.say("download abababababab");
    let text = answer.text();
    assert!(text.contains("2 contents have a digest that begins with abababababab"), "{text}");
    assert!(text.contains(&format!("{one}  one.bin")) && text.contains(&format!("{two}  two.bin")), "{text}");
}

#[test]
fn transfers_are_named_by_digest_and_cleared_when_they_are_over() {
    let mut network = Network::new();
    let content = Content::random(743, 20 * PIECE);
    let _slow = HostilePeer::join(network.index.address(), "slow.iso", &content, Lie::NeverAnswers);
    let mut node = network.node(&[]);
    node.peer.say(&format!("download {} &", content.digest));
    let early = node.peer.say("transfers clear 1");
    assert!(early.errors()[0].contains("download 1 is not finished"), "{early:#?}");
    let cancelled = node.peer.say(&format!("cancel {}", content.digest.short()));
    assert!(cancelled.errors().is_empty(), "{cancelled:#?}");
    let listed = node.peer.say("transfers");
    assert_eq!(listed.states(), ["cancelled"]);
    assert!(listed.has(&node.home.path().join("slow.iso").display().to_string()), "{listed:#?}");
    assert!(node.peer.say("transfers clear").has("cleared 1 download"));
    assert!(node.peer.say("transfers").has("no transfers"));
}

#[test]
fn a_peer_is_browsed_folder_by_folder() {
    let mut network = Network::new();
    let contents: Vec<Content> = (0..4).map(|number| Content::random(750 + number, 100)).collect();
    let names = ["readme.txt", "music/live/10.flac", "music/live/9.flac", "music/cover.jpg"];
    let files: Vec<(&str, &Content)> = names.into_iter().zip(&contents).collect();
    let sharer = network.node(&files);
    let mut node = network.node(&[]);
    let address = sharer.peer.address();
    let top = node.peer.say(&format!("browse {address} /"));
    assert!(top.has("1\tmusic/\t300\t3 files") && top.has("2\treadme.txt\t100\t"), "{top:#?}");
    let folder = node.peer.say(&format!("browse {address} music"));
    assert!(
        folder.has("1\tmusic/live/\t200\t2 files") && folder.has("2\tmusic/cover.jpg\t100\t"),
        "{folder:#?}"
    );
    let all = node.peer.say(&format!("browse {address} music --all")).hits();
    assert_eq!(all.len(), 3);
    let nowhere = node.peer.say(&format!("browse {address} nowhere"));
    assert!(nowhere.errors()[0].contains("nothing found: nowhere/"), "{nowhere:#?}");
    node.peer.say(&format!("browse {address} music"));
    let refused = node.peer.say("download 1 as elsewhere");
    assert!(refused.errors()[0].contains("music/live/ is a folder"), "{refused:#?}");
    let fetched = node.peer.say("download 1");
    assert_eq!(fetched.done().len(), 2, "{fetched:#?}");
    let place = node.home.path().join("music/live").display().to_string();
    assert!(fetched.has(&format!("group\tmusic/live/\t2/2 files\t200\t{place}")), "{fetched:#?}");
    assert!(node.peer.say("sources 1").errors()[0].contains("music/live/ is a folder"));
}

#[test]
fn a_person_sees_a_folder_as_one_download() {
    let mut network = Network::new();
    let contents: Vec<Content> = (0..30).map(|number| Content::random(760 + number, 1000)).collect();
    let names: Vec<String> = (0..30).map(|number| format!("album/track {number}.flac")).collect();
    let files: Vec<(&str, &Content)> = names.iter().map(String::as_str).zip(&contents).collect();
    let sharer = network.node(&files);
    let node = network.node(&[]);
    drop(node.peer);
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.home.path()));
    assert!(terminal.is_ready(), "{}", terminal.text());
    until("the index to be there", SOON, || terminal.enter("status").contains(", connected"));
    let listed = terminal.enter(&format!("browse {}", sharer.peer.address()));
    assert!(
        listed.contains("album/") && listed.contains("30 files") && !listed.contains("track"),
        "{listed}"
    );
    let shown = terminal.enter("download 1");
    assert!(shown.contains("done  album/  30 files, 29.3 KiB in "), "{shown}");
    assert!(shown.contains(&format!("  {}", node.home.path().join("album").display())), "{shown}");
    assert!(!shown.contains("track"), "{shown}");
    assert_eq!(node.home.files().len(), 30);
    let transfers = terminal.enter("transfers");
    let place = node.home.path().join("album/track 9.flac").display().to_string();
    assert!(transfers.contains(&place), "{transfers}");
}

#[test]
fn a_narrow_terminal_keeps_the_file_name() {
    let mut network = Network::new();
    let content = Content::random(790, 1000);
    let name = "distributions/debian/13/debian-13.1.0-amd64.iso";
    let _sharer = network.node(&[(name, &content)]);
    let node = network.node(&[]);
    drop(node.peer);
    for (columns, shown, hidden) in [
        ("40", "1  …/13/debian-13.1.0-amd64.iso   1000 B", "sources"),
        ("80", "1  distributions/debian/13/debian-13.1.0-amd64.iso  1000 B        1", "digest"),
    ] {
        let mut command = peer_node(0, network.index.address(), node.home.path());
        command.env("COLUMNS", columns);
        let mut terminal = Terminal::start(command);
        assert!(terminal.is_ready(), "{}", terminal.text());
        until("the index to be there", SOON, || terminal.enter("status").contains(", connected"));
        let hits = terminal.enter("search debian");
        assert!(hits.contains(shown) && !hits.contains(hidden), "{hits}");
        terminal.press("quit\r");
        assert_eq!(terminal.process.wait(SOON).code(), Some(0), "{}", terminal.text());
    }
}

#[test]
fn near_words_are_suggested_when_nothing_is_found() {
    let mut network = Network::new();
    let _sharer = network.node(&[("ubuntu-24.04-server.iso", &Content::random(791, 100))]);
    let mut node = network.node(&[]);
    let answer = node.peer.say("search Ubunto ext:iso");
    assert!(answer.has("no hits") && answer.has("did you mean: search ubuntu ext:iso"), "{answer:#?}");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    for query in ["ubunto ext:mp3", "xylophone", "ubuntu ext:mp3"] {
        let answer = node.peer.say(&format!("search {query}"));
        assert!(answer.has("no hits") && !answer.has("did you mean"), "{query}: {answer:#?}");
    }
}

#[test]
fn the_beginning_of_a_node_id_names_a_peer_that_was_never_seen() {
    let mut network = Network::new();
    let mut sharer = network.node(&[("there.txt", &Content::random(792, 100))]);
    let status = sharer.peer.say("status");
    let id = status.0.iter().find_map(|line| line.strip_prefix("node\t")).expect("a node id").to_owned();
    let mut node = network.node(&[]);
    let hits = node.peer.say(&format!("browse {}", &id[..8])).hits();
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].name, "there.txt");
    let unknown = node.peer.say("browse 0000000f");
    assert_eq!(unknown.errors(), ["no node that is there has an id that begins with 0000000f"]);
}
