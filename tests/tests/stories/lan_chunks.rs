//! Chunks on the local network without a server, between our programs and with third-party programs.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::lan::{LanPeer, LanPorts};
use tests::namespaces::NamespaceNetwork;
use tests::third_party::lan_peer::{ChunkResponse, ScriptedLanPeer, request_chunk};

fn cut_into_chunks(content: &TestContent, chunks: usize) -> Vec<Vec<u8>> {
    content.bytes.chunks(content.bytes.len().div_ceil(chunks)).map(<[u8]>::to_vec).collect()
}

/// Runs a program until it exits.
fn run_to_end(
    ports: LanPorts,
    host: &str,
    root: tempfile::TempDir,
    arguments: &[&str],
) -> (Option<i32>, String, tempfile::TempDir) {
    let command = ports.command(host, &root.path().join("lan"), arguments);
    let output = tests::peer::run_with_input(command, "");
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&printed).into_owned(), root)
}

#[test]
fn two_peers_announce_discover_download_and_upload() {
    let (ports, content) = (LanPorts::new(), TestContent::random(400, 100_003));
    let mut ann = LanPeer::start_all(ports, "127.0.0.2", Some(("forest.png", &content)));
    let mut bob = LanPeer::start_all(ports, "127.0.0.3", None);
    bob.wait_for_chunks("forest", 5);
    bob.type_name("forest");
    bob.wait_for("every chunk matches the announced digest");
    assert!(bob.has_file("forest", &content), "{}", bob.output());
    for (number, chunk) in (1..).zip(cut_into_chunks(&content, 5)) {
        assert_eq!(fs::read(bob.path(&format!("forest_{number}"))).expect("a stored chunk"), chunk);
    }
    let log = bob.read_text("download_log.txt");
    assert_eq!(log.lines().count(), 5, "{log}");
    let (time, rest) = log.lines().next().expect("a line").split_at(19);
    assert_eq!(rest, ": forest_1 downloaded from 127.0.0.2");
    assert!(
        time.as_bytes()[4] == b'-' && time.as_bytes()[10] == b' ' && time.as_bytes()[16] == b':',
        "{time}"
    );
    wait_until("the uploads to be logged", DEFAULT_TIMEOUT, || {
        ann.read_text("upload_log.txt").lines().count() == 5
    });
    let log = ann.read_text("upload_log.txt");
    assert!(
        log.starts_with("Chunk: forest_1, Timestamp: ") && log.contains(", Destination: 127.0.0.3\n"),
        "{log}"
    );
    // Downloaded chunks are announced as well.
    wait_until("the second source to be announced", DEFAULT_TIMEOUT, || {
        ann.read_text("content_dictionary.txt").contains("forest_1: 127.0.0.3\n")
    });
    bob.type_name("unheard of");
    bob.wait_for("no peer has announced unheard of");
    assert_eq!((ann.interrupt(), bob.interrupt()), (Some(130), Some(130)));
}

#[test]
fn five_peers_spread_a_file_among_themselves() {
    let (ports, content) = (LanPorts::new(), TestContent::random(401, 50_000));
    let seed = LanPeer::start_all(ports, "127.0.0.2", Some(("song.mp3", &content)));
    let mut others: Vec<LanPeer> = ["127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6"]
        .map(|host| LanPeer::start_all(ports, host, None))
        .into();
    for peer in &mut others {
        peer.wait_for_chunks("song", 5);
        peer.type_name("song");
    }
    for peer in &others {
        peer.wait_for("done\t");
        assert!(peer.has_file("song", &content), "{}", peer.output());
    }
    wait_until("all peers to know each other", DEFAULT_TIMEOUT, || {
        let known = |peer: &LanPeer| {
            peer.read_text("content_dictionary.txt").lines().all(|line| line.matches("127.").count() == 4)
        };
        known(&seed) && !seed.read_text("content_dictionary.txt").is_empty()
    });
}

#[test]
fn each_part_runs_as_a_program_of_its_own() {
    let (ports, content) = (LanPorts::new(), TestContent::random(402, 12_345));
    let root = tempfile::tempdir().expect("a folder");
    let (file, folder) = (root.path().join("notes.txt"), root.path().join("lan"));
    fs::write(&file, &content.bytes).expect("a file");
    let file = file.to_string_lossy().into_owned();
    let upload_root = tempfile::tempdir().expect("a folder");
    let mut uploader = LanPeer::start(upload_root, ports.command("127.0.0.2", &folder, &["upload"]));
    let mut announcer = LanPeer::start(root, ports.command("127.0.0.2", &folder, &["announce", &file]));
    let root = tempfile::tempdir().expect("a folder");
    let command = ports.command("127.0.0.3", &root.path().join("lan"), &["discover"]);
    let mut discoverer = LanPeer::start(root, command);
    discoverer.wait_for_chunks("notes", 5);
    let folder = discoverer.path("");
    let output = tests::peer::run_with_input(ports.command("127.0.0.3", &folder, &["download", "notes"]), "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(discoverer.has_file("notes", &content));
    for program in [&mut uploader, &mut announcer, &mut discoverer] {
        assert_eq!(program.interrupt(), Some(130), "{}", program.output());
    }
}

#[test]
fn file_is_exchanged_with_third_party_programs() {
    let (ports, content) = (LanPorts::new(), TestContent::random(403, 77_777));
    let host: IpAddr = "127.0.0.9".parse().expect("an address");
    let chunks = (1..).zip(cut_into_chunks(&content, 5)).map(|(number, bytes)| {
        let response =
            if number == 3 { ChunkResponse::SendsSlowly(bytes) } else { ChunkResponse::SendsBytes(bytes) };
        (format!("cherry_{number}"), response)
    });
    let scripted = ScriptedLanPeer::start(ports, host, chunks.collect());
    let mut ours = LanPeer::start_all(ports, "127.0.0.3", None);
    ours.wait_for("serving chunks");
    scripted.announce(&["cherry_1", "cherry_2"]);
    scripted.broadcast(br#"{"user": "ann", "chunks": {"cherry": ["cherry_3", "cherry_4", "cherry_5"]}}"#);
    ours.wait_for_chunks("cherry", 5);
    ours.type_name("cherry");
    ours.wait_for("not verified: the peers announced no digests");
    assert!(ours.has_file("cherry", &content), "{}", ours.output());
    assert_eq!(scripted.requests(), ["cherry_1", "cherry_2", "cherry_3", "cherry_4", "cherry_5"]);
    // The other direction: a third-party program requests a chunk.
    let address = SocketAddr::new("127.0.0.3".parse().expect("an address"), ports.chunk_port);
    assert_eq!(
        request_chunk(address, br#"{"requested_content": "cherry_5"}"#),
        cut_into_chunks(&content, 5)[4]
    );
    for nothing in [
        &br#"{"requested_content": "cherry_6"}"#[..],
        br#"{"requested_content": "../../../etc/passwd"}"#,
        br#"{"requested_content": "content_dictionary.txt"}"#,
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\xff",
    ] {
        assert_eq!(request_chunk(address, nothing), b"", "{}", String::from_utf8_lossy(nothing));
    }
    assert!(ours.is_running());
}

#[test]
fn name_with_extension_matches_announcement_without() {
    let (ports, content) = (LanPorts::new(), TestContent::random(408, 5000));
    let chunks = (1..)
        .zip(cut_into_chunks(&content, 5))
        .map(|(number, bytes)| (format!("forest_{number}"), ChunkResponse::SendsBytes(bytes)));
    let scripted = ScriptedLanPeer::start(ports, "127.0.0.9".parse().expect("an address"), chunks.collect());
    let mut ours = LanPeer::start_all(ports, "127.0.0.3", None);
    ours.wait_for("serving chunks");
    scripted.announce(&["forest_1", "forest_2", "forest_3", "forest_4", "forest_5"]);
    ours.wait_for_chunks("forest", 5);
    let folder = ours.path("");
    let run =
        |name| tests::peer::run_with_input(ports.command("127.0.0.3", &folder, &["download", name]), "");
    let output = run("forest.png");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(ours.has_file("forest.png", &content) && !ours.path("forest").exists(), "{output:?}");
    // Again without the extension, from the chunks that are already downloaded.
    assert_eq!(run("forest").status.code(), Some(0));
    assert!(ours.has_file("forest", &content));
    ours.type_name("forest.tar.gz");
    ours.wait_for("/lan/forest.tar.gz\t");
    ours.type_name("../forest.png");
    ours.wait_for("is a relative reference, not a name");
    ours.type_name("oak.png");
    ours.wait_for("no peer has announced oak.png");
    assert_eq!(scripted.requests(), ["forest_1", "forest_2", "forest_3", "forest_4", "forest_5"]);
}

#[test]
fn failed_source_is_skipped_and_missing_chunk_is_reported() {
    let (ports, content) = (LanPorts::new(), TestContent::random(404, 5000));
    let serving = |numbers: &[usize]| -> BTreeMap<String, ChunkResponse> {
        let chunks = cut_into_chunks(&content, 5);
        numbers
            .iter()
            .map(|number| (format!("oak_{number}"), ChunkResponse::SendsBytes(chunks[number - 1].clone())))
            .collect()
    };
    let mut broken = serving(&[1, 2]);
    broken.insert("oak_2".to_owned(), ChunkResponse::Disconnects);
    let first = ScriptedLanPeer::start(ports, "127.0.0.8".parse().expect("an address"), broken);
    let second =
        ScriptedLanPeer::start(ports, "127.0.0.9".parse().expect("an address"), serving(&[2, 3, 4, 5]));
    let mut ours = LanPeer::start_all(ports, "127.0.0.3", None);
    ours.wait_for("serving chunks");
    first.announce(&["oak_1", "oak_2"]);
    ours.wait_for_chunks("oak", 2);
    second.announce(&["oak_2", "oak_3", "oak_4"]);
    ours.wait_for_chunks("oak", 4);
    ours.type_name("oak");
    ours.wait_for("127.0.0.8 did not send oak_2: it does not have the chunk");
    ours.wait_for("CHUNK oak_5 CANNOT BE DOWNLOADED FROM ONLINE PEERS.");
    assert!(
        !second.requests().contains(&"oak_5".to_owned()),
        "a chunk was requested that the source had not announced"
    );
    second.announce(&["oak_5"]);
    ours.wait_for_chunks("oak", 5);
    ours.type_name("oak");
    ours.wait_for("done\t");
    assert!(ours.has_file("oak", &content));
    assert_eq!(first.requests(), ["oak_1", "oak_2"], "existing chunks are not requested again");
}

#[test]
fn inconsistent_chunks_are_not_assembled() {
    let ports = LanPorts::new();
    let chunks = (1..=5).map(|number| {
        (format!("elm_{number}"), ChunkResponse::SendsBytes(vec![7; if number == 2 { 3 } else { 10 }]))
    });
    let scripted = ScriptedLanPeer::start(ports, "127.0.0.9".parse().expect("an address"), chunks.collect());
    let mut ours = LanPeer::start_all(ports, "127.0.0.3", None);
    ours.wait_for("serving chunks");
    scripted.announce(&["elm_1", "elm_2", "elm_3", "elm_4", "elm_5"]);
    ours.wait_for_chunks("elm", 5);
    ours.type_name("elm");
    ours.wait_for("the chunks do not fit together");
    assert!(!ours.path("elm").exists() && !ours.path("elm_1").exists());
}

#[test]
fn a_tiny_file_has_fewer_chunks() {
    let (ports, content) = (LanPorts::new(), TestContent::from_bytes(*b"abc"));
    let _ann = LanPeer::start_all(ports, "127.0.0.2", Some(("tiny.txt", &content)));
    let mut bob = LanPeer::start_all(ports, "127.0.0.3", None);
    bob.wait_for_chunks("tiny", 3);
    bob.type_name("tiny");
    bob.wait_for("done\t");
    assert!(bob.has_file("tiny", &content) && !bob.output().contains("CANNOT"), "{}", bob.output());
}

#[test]
fn malformed_datagrams_do_not_disturb_the_receiver() {
    let (ports, content) = (LanPorts::new(), TestContent::random(405, 5000));
    let mut ours = LanPeer::start_all(ports, "127.0.0.3", None);
    ours.wait_for("serving chunks");
    let hostile = ScriptedLanPeer::start(ports, "127.0.0.9".parse().expect("an address"), BTreeMap::new());
    let deep = format!("{{\"chunks\":{}{}}}", "[".repeat(4000), "]".repeat(4000));
    for datagram in [
        &b""[..],
        b"x",
        b"\xff\xfe",
        deep.as_bytes(),
        br#"{"chunks": ["../../x_1", "/etc/passwd_1", "a\u0000_1", ".ssh_1", 7, null]}"#,
        br#"{"chunks": "a_1"}"#,
        br#"{"chunks": [], "chunks": ["a_1"]}"#,
        br#"{"chunks": ["a_1"], "peerdex": {"version": 1, "cookie": "\ud800"}}"#,
        &[b' '; 9000],
        &vec![b'{'; 65_507],
    ] {
        hostile.broadcast(datagram);
    }
    ours.wait_for("a datagram from 127.0.0.9 was refused");
    for number in 0..20_000 {
        hostile.broadcast(format!(r#"{{"chunks": ["flood{number}_1"]}}"#).as_bytes());
    }
    // Announcements from another address are received once the flood is over.
    let ann = LanPeer::start_all(ports, "127.0.0.2", Some(("calm.txt", &content)));
    ours.wait_for_chunks("calm", 5);
    ours.type_name("calm");
    ours.wait_for("done\t");
    let dictionary = ours.read_text("content_dictionary.txt");
    assert!(dictionary.lines().count() <= 1024 + 5, "{} lines", dictionary.lines().count());
    for bad in ["..", "/", "ssh", "passwd"] {
        assert!(!dictionary.contains(bad), "{bad} in {dictionary}");
    }
    assert!(ours.output().lines().filter(|line| line.contains("refused")).count() < 10);
    drop(ann);
    assert_eq!(ours.interrupt(), Some(130));
}

#[test]
fn invalid_commands_are_refused_with_a_reason() {
    let ports = LanPorts::new();
    let root = tempfile::tempdir().expect("a folder");
    for (arguments, status, reason) in [
        (&["download", "nobody"][..], 1, "no peer has announced nobody"),
        (&["download", "../x"], 1, "is a relative reference, not a name"),
        (&["announce", "/no/such/file"], 1, "cannot use /no/such/file"),
        (&["announce", "--chunks", "0"], 2, "expected a number from 1 to 1000"),
        (&["discover", "--announce-port", "0"], 2, "expected a number from 1 to 65535"),
    ] {
        let folder = tempfile::tempdir_in(root.path()).expect("a folder");
        let (code, printed, _) = run_to_end(ports, "127.0.0.3", folder, arguments);
        assert_eq!(code, Some(status), "{arguments:?}: {printed}");
        assert!(printed.contains(reason), "{arguments:?}: {printed}");
    }
}

#[test]
fn pipe_is_refused_as_a_file() {
    let (ports, root) = (LanPorts::new(), tempfile::tempdir().expect("a folder"));
    let pipe = root.path().join("pipe.txt");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let mut ours = LanPeer::start(
        root,
        ports.command(
            "127.0.0.3",
            pipe.with_file_name("lan").as_path(),
            &["announce", &pipe.to_string_lossy()],
        ),
    );
    assert_eq!(ours.wait(), Some(1), "{}", ours.output());
    assert!(ours.output().contains("is not a file"), "{}", ours.output());
}

#[test]
fn ctrl_c_interrupts_the_cutting_of_a_large_file() {
    let (ports, root) = (LanPorts::new(), tempfile::tempdir().expect("a folder"));
    let file = root.path().join("large.bin");
    fs::File::create(&file).and_then(|file| file.set_len(1 << 30)).expect("a file");
    let folder = file.with_file_name("lan");
    let command = ports.command("127.0.0.3", &folder, &["announce", &file.to_string_lossy()]);
    let mut ours = LanPeer::start(root, command);
    wait_until("the program to start", DEFAULT_TIMEOUT, || {
        fs::read_dir(&folder).is_ok_and(|entries| entries.count() > 0)
    });
    assert_eq!(ours.interrupt(), Some(130));
    assert!(!folder.join("large_5").exists(), "Ctrl-C was ignored until the end");
}

#[test]
fn dictionary_is_written_once_it_can_be() {
    let (ports, root) = (LanPorts::new(), tempfile::tempdir().expect("a folder"));
    let in_the_way = root.path().join("lan/content_dictionary.txt");
    fs::create_dir_all(&in_the_way).expect("a folder");
    let command = ports.command("127.0.0.3", &root.path().join("lan"), &["discover"]);
    let ours = LanPeer::start(root, command);
    ours.wait_for("listening for announcements");
    let scripted = ScriptedLanPeer::start(ports, "127.0.0.9".parse().expect("an address"), BTreeMap::new());
    scripted.announce(&["fir_1"]);
    ours.wait_for("cannot write ");
    fs::remove_dir(&in_the_way).expect("an empty folder");
    ours.wait_for_chunks("fir", 1);
}

#[test]
fn five_hosts_on_a_private_network_share_a_file() {
    let Some(network) = NamespaceNetwork::new(5) else { return };
    let (ports, content) = (LanPorts::new(), TestContent::random(406, 250_000));
    let _seed = LanPeer::start_all_in_namespace(ports, network.namespace(0), Some(("film.mkv", &content)));
    let mut others: Vec<LanPeer> =
        (1..5).map(|host| LanPeer::start_all_in_namespace(ports, network.namespace(host), None)).collect();
    for peer in &mut others {
        peer.wait_for_chunks("film", 5);
        peer.type_name("film");
    }
    for peer in &others {
        peer.wait_for("every chunk matches the announced digest");
        assert!(peer.has_file("film", &content), "{}", peer.output());
        assert!(peer.read_text("download_log.txt").contains("film_1 downloaded from 10.99.0."));
    }
}

#[test]
fn two_hosts_on_a_private_network_share_a_file() {
    let Some(network) = NamespaceNetwork::new(2) else { return };
    let (ports, content) = (LanPorts::new(), TestContent::random(407, 1_000_003));
    let _seed = LanPeer::start_all_in_namespace(ports, network.namespace(0), Some(("film.mkv", &content)));
    let mut other = LanPeer::start_all_in_namespace(ports, network.namespace(1), None);
    other.wait_for_chunks("film", 5);
    assert!(other.read_text("content_dictionary.txt").contains("film_5: 10.99.0.1\n"));
    other.type_name("film");
    other.wait_for("done\t");
    assert!(other.has_file("film", &content), "{}", other.output());
}
