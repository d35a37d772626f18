//! JSON replies as sent by the programs of 2025 and 2026, and chunks that are JSON themselves.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use socket2::{Domain, Socket, Type};
use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::lan::{BROADCAST_ADDRESS, LanPeer, LanPorts};
use tests::third_party::lan_peer::{ChunkResponse, ScriptedLanPeer, json_reply, request_chunk};

const NOT_FOUND: &[u8] = br#"{"error": "File not found"}"#;

fn host(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

fn cut_into_chunks(content: &TestContent, chunks: usize) -> Vec<Vec<u8>> {
    content.bytes.chunks(content.bytes.len().div_ceil(chunks)).map(<[u8]>::to_vec).collect()
}

/// Starts one of our programs with further options.
fn start_lan_peer(ports: LanPorts, options: &[&str]) -> LanPeer {
    let root = tempfile::tempdir().expect("a folder");
    let command = ports.command("127.0.0.3", &root.path().join("lan"), options);
    let ours = LanPeer::start(root, command);
    ours.wait_for("serving chunks");
    ours
}

#[test]
fn base64_chunks_are_decoded() {
    let (ports, content) = (LanPorts::new(), TestContent::random(410, 3_000_001));
    let chunks = cut_into_chunks(&content, 3);
    let reply = |number: usize, key: &str| json_reply(key, &format!("view_{number}"), &chunks[number - 1]);
    let scripted = ScriptedLanPeer::start(
        ports,
        host(9),
        BTreeMap::from([
            ("view_1".to_owned(), ChunkResponse::SendsBytes(reply(1, "chunk name"))),
            // Some keep the connection open for the next request.
            ("view_2".to_owned(), ChunkResponse::KeepsOpen(reply(2, "chunk_name"))),
            ("view_3".to_owned(), ChunkResponse::SendsSlowly(reply(3, "chunk name"))),
        ]),
    );
    let mut ours = start_lan_peer(ports, &["--json"]);
    scripted.broadcast(br#"{"username": "mimi", "chunks": ["view_1", "view_2", "view_3"]}"#);
    ours.wait_for_chunks("view", 3);
    ours.type_name("view.bin");
    ours.wait_for("not verified: the peers announced no digests");
    assert!(ours.has_file("view.bin", &content), "{}", ours.output());
    for (number, chunk) in (1..).zip(chunks) {
        assert!(
            ours.has_file(&format!("view_{number}"), &TestContent::from_bytes(chunk)),
            "chunk {number} differs from the decoded bytes"
        );
    }
    assert_eq!(scripted.requests(), ["view_1", "view_2", "view_3"]);
}

#[test]
fn json_error_is_reported_and_the_next_source_is_tried() {
    let (ports, content) = (LanPorts::new(), TestContent::random(411, 5000));
    let chunks = cut_into_chunks(&content, 5);
    let serving = |numbers: [usize; 3]| {
        numbers.map(|number| (format!("oak_{number}"), ChunkResponse::SendsBytes(chunks[number - 1].clone())))
    };
    let mut first = BTreeMap::from(serving([3, 4, 5]));
    first.insert("oak_1".to_owned(), ChunkResponse::SendsBytes(NOT_FOUND.to_vec()));
    first.insert(
        "oak_2".to_owned(),
        ChunkResponse::KeepsOpen(br#"{"chunk name": "oak_2", "data": "no base64"}"#.to_vec()),
    );
    first.insert("oak_3".to_owned(), ChunkResponse::SendsBytes(json_reply("chunk name", "oak_4", b"other")));
    first.insert(
        "oak_4".to_owned(),
        ChunkResponse::SendsBytes(br#"{"chunk name": "oak_4", "data": "iVBOR"#.to_vec()),
    );
    let first = ScriptedLanPeer::start(ports, host(8), first);
    let second = ScriptedLanPeer::start(
        ports,
        host(9),
        serving([1, 2, 3]).into_iter().chain(serving([3, 4, 5])).collect(),
    );
    let mut ours = start_lan_peer(ports, &[]);
    let names = ["oak_1", "oak_2", "oak_3", "oak_4", "oak_5"];
    first.announce(&names);
    ours.wait_for_chunks("oak", 5);
    second.announce(&names[..4]);
    wait_until("both sources to be known", DEFAULT_TIMEOUT, || {
        ours.read_text("content_dictionary.txt").contains("oak_4: 127.0.0.8, 127.0.0.9\n")
    });
    ours.type_name("oak");
    ours.wait_for("done\t");
    assert!(ours.has_file("oak", &content), "{}", ours.output());
    for line in [
        "127.0.0.8 did not send oak_1: it answered in JSON with an error: File not found",
        "127.0.0.8 did not send oak_2: it answered in JSON, and \"data\" is not valid base64",
        "127.0.0.8 did not send oak_3: it answered in JSON with another chunk: oak_4",
        "127.0.0.8 did not send oak_4: it answered in JSON, and the connection ended before the object did",
    ] {
        assert!(ours.output().contains(line), "{line:?} is not in {}", ours.output());
    }
    assert_eq!(first.requests(), names, "no source is asked twice for the same chunk");
    assert_eq!(second.requests(), names[..4]);
}

#[test]
fn json_errors_are_never_stored() {
    let ports = LanPorts::new();
    let names = ["elm_1", "elm_2", "elm_3", "elm_4", "elm_5"];
    // All have the same length, like the chunks of a file.
    let chunks = names.map(|name| (name.to_owned(), ChunkResponse::SendsBytes(NOT_FOUND.to_vec())));
    let scripted = ScriptedLanPeer::start(ports, host(9), chunks.into());
    let mut ours = start_lan_peer(ports, &[]);
    scripted.announce(&names);
    ours.wait_for_chunks("elm", 5);
    ours.type_name("elm");
    ours.wait_for("CHUNK elm_5 CANNOT BE DOWNLOADED FROM ONLINE PEERS.");
    for name in names {
        let line =
            format!("127.0.0.9 did not send {name}: it answered in JSON with an error: File not found");
        assert!(ours.output().contains(&line), "{line:?} is not in {}", ours.output());
        assert!(!ours.path(name).exists(), "{name} was stored");
    }
    assert!(!ours.path("elm").exists() && !ours.path("download_log.txt").exists());
}

#[test]
fn chunks_containing_json_are_received() {
    let ports = LanPorts::new();
    // A file of lines: its first and fourth chunks are an object each, and the last chunk has the same length as the
    // others.
    let lines = [
        r#"{"error": "none, a line of a log"}"#,
        "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1]",
        "a line of text, as long as others.",
        r#"{"data": "YQ==", "note": "a text"}"#,
        r#"{"note": "not so long as that"}"#,
    ];
    let content = TestContent::from_bytes(lines.concat().into_bytes());
    assert_eq!(cut_into_chunks(&content, 5), lines.map(|line| line.as_bytes().to_vec()));
    let names = ["log_1", "log_2", "log_3", "log_4", "log_5"];
    let chunks = names
        .iter()
        .zip(lines)
        .map(|(name, line)| ((*name).to_owned(), ChunkResponse::SendsBytes(line.into())));
    let scripted = ScriptedLanPeer::start(ports, host(9), chunks.collect());
    let mut ours = start_lan_peer(ports, &[]);
    scripted.announce(&names);
    ours.wait_for_chunks("log", 5);
    ours.type_name("log.jsonl");
    ours.wait_for("done\t");
    assert!(ours.has_file("log.jsonl", &content), "{}", ours.output());
    let log = ours.read_text("download_log.txt");
    let logged: Vec<&str> = log.lines().map(|line| &line[21..26]).collect();
    assert_eq!(logged, names, "the log is not in the order of the requests");
    assert!(!ours.output().contains("did not send"), "{}", ours.output());
}

#[test]
fn programs_of_2026_get_the_reply_they_expect() {
    let (ports, content) = (LanPorts::new(), TestContent::random(412, 600_001));
    // Listens as they do: announcements without a name are skipped.
    let receiver = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    receiver.set_reuse_address(true).expect("a socket");
    let broadcast: Ipv4Addr = BROADCAST_ADDRESS.parse().expect("an address");
    receiver.bind(&SocketAddrV4::new(broadcast, ports.announce_port).into()).expect("a free port");
    let receiver = UdpSocket::from(receiver);
    receiver.set_read_timeout(Some(DEFAULT_TIMEOUT)).expect("a time limit");
    let root = tempfile::tempdir().expect("a folder");
    let file = root.path().join("view.png");
    std::fs::write(&file, &content.bytes).expect("a file");
    let folder = root.path().join("lan");
    let arguments = ["--json", "--file", &file.to_string_lossy()];
    let ours = LanPeer::start(root, ports.command("127.0.0.3", &folder, &arguments));
    ours.wait_for("announcing 3 chunks");
    let mut datagram = [0; 4096];
    let count = receiver.recv(&mut datagram).expect("an announcement");
    let announcement: serde_json::Value = serde_json::from_slice(&datagram[..count]).expect("JSON");
    assert!(
        announcement["username"].as_str().is_some_and(|name| name.starts_with("peerdex-")),
        "{announcement}"
    );
    assert_eq!(announcement["chunks"], serde_json::json!(["view_1", "view_2", "view_3"]));
    let address = SocketAddr::new(host(3), ports.chunk_port);
    for (number, chunk) in (1..).zip(cut_into_chunks(&content, 3)) {
        let name = format!("view_{number}");
        let reply = request_chunk(address, format!(r#"{{"requested content": "{name}"}}"#).as_bytes());
        assert!(reply == json_reply("chunk name", &name, &chunk), "chunk {number} is not the expected reply");
        assert_eq!(request_chunk(address, format!(r#"{{"requested_content": "{name}"}}"#).as_bytes()), chunk);
    }
    assert_eq!(request_chunk(address, br#"{"requested content": "view_4"}"#), NOT_FOUND);
    assert_eq!(request_chunk(address, br#"{"key": "5"}"#), b"", "encrypted requests are not supported");
}
