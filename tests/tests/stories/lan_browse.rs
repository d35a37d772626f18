//! Lists of neighbours on the local network without an index.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;

use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, eventually, wait_until};
use tests::free_port::free_port;
use tests::peer::peer_node_of;
use tests::previous_release::previous_release;
use tests::process::Process;
use tests::test_folder::TestFolder;

use crate::lan_nodes::{node, unused_address};

#[test]
fn neighbour_is_browsed_without_an_index() {
    let (port, index) = (free_port(), unused_address());
    let [song, text] = [426, 427].map(|seed| TestContent::random(seed, 1000));
    let mut sharer = node(port, index, &[("music/live/a.flac", &song), ("readme.txt", &text)]);
    let mut other = node(port, index, &[]);
    let address = sharer.peer.address();
    let listed = eventually("the files of the neighbour", DEFAULT_TIMEOUT, || {
        let hits = other.peer.run(&format!("browse {address}")).hits();
        (!hits.is_empty()).then_some(hits)
    });
    let names: Vec<&str> = listed.iter().map(|hit| hit.name.as_str()).collect();
    assert_eq!(names, ["music/live/a.flac", "readme.txt"]);
    assert_eq!(listed[0].digest, song.digest);
    let status = sharer.peer.run("status");
    let id = status.0.iter().find_map(|line| line.strip_prefix("node\t")).expect("a node id").to_owned();
    assert_eq!(other.peer.run(&format!("browse {}", &id[..8])).hits().len(), 2);
    let top = other.peer.run(&format!("browse {address} /"));
    assert!(top.contains("1\tmusic/\t1000\t1 file") && top.contains("2\treadme.txt\t1000\t"), "{top:#?}");
    let fetched = other.peer.run("download 1");
    assert_eq!(fetched.completed_downloads().len(), 1, "{fetched:#?}");
    assert_eq!(other.path_of(&song), "music/live/a.flac");
    let nowhere = other.peer.run(&format!("browse {address} nowhere"));
    assert!(nowhere.errors()[0].contains("nothing found: nowhere/"), "{nowhere:#?}");
}

#[test]
fn long_list_of_a_neighbour_is_read_page_by_page() {
    let (port, index) = (free_port(), unused_address());
    let contents: Vec<TestContent> =
        (0..2500).map(|number: u32| TestContent::from_bytes(number.to_be_bytes())).collect();
    let names: Vec<String> = (0..2500).map(|number| format!("many/file {number}")).collect();
    let files: Vec<(&str, &TestContent)> = names.iter().map(String::as_str).zip(&contents).collect();
    let sharer = node(port, index, &files);
    let mut other = node(port, index, &[]);
    let address = sharer.peer.address();
    wait_until("all files of the neighbour", DEFAULT_TIMEOUT, || {
        other.peer.run(&format!("browse {address} many --all")).hits().len() == 2500
    });
}

#[test]
fn stranger_without_an_index_is_an_error() {
    let (port, index) = (free_port(), unused_address());
    let mut lonely = node(port, index, &[]);
    let answer = lonely.peer.run(&format!("browse {}", unused_address()));
    assert!(answer.errors()[0].contains("no connection to the index"), "{answer:#?}");
}

#[test]
fn neighbour_of_the_previous_release_does_not_list_its_files() {
    let Some(previous) = previous_release() else { return };
    let (port, index) = (free_port(), unused_address());
    let content = TestContent::random(428, 1000);
    let (folder, peer_port) = (TestFolder::with_file("old.txt", &content), free_port());
    let mut command = peer_node_of(&previous, peer_port, index, folder.path());
    command.args(["--lan", "--lan-port", &port.to_string(), "--lan-period", "0.5"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Process::spawn("a node of the previous release", command);
    let _input = process.take_stdin();
    let mut other = node(port, index, &[]);
    wait_until("a hit at the neighbour", DEFAULT_TIMEOUT, || other.peer.run("search old").hits().len() == 1);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, peer_port));
    let answer = other.peer.run(&format!("browse {address}"));
    let expected = format!("{address} is an older release and lists its files only at an index");
    assert!(answer.errors()[0].contains(&expected), "{answer:#?}");
    // The connection is still usable.
    let answer = other.peer.run("download old.txt");
    assert_eq!(answer.completed_downloads().len(), 1, "{answer:#?}");
}
