//! Unusual systems: limited file systems, no `/proc`, no IPv4, few descriptors, slow and failing disks, slow name
//! resolution.

use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tests::content::{PIECE_LENGTH, TestContent};
use tests::crowd::Latencies;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::index::IndexProcess;
use tests::namespaces::{NamespaceNetwork, inside};
use tests::network::{RunningNode, TestNetwork};
use tests::peer::{PeerProcess, peer_node, peer_node_at, run_with_input};
use tests::process::command_after;
use tests::programs::programs;
use tests::raw_client::RawClient;
use tests::strace::Strace;
use tests::test_folder::TestFolder;

fn command_succeeds(program: &str, arguments: &[&str]) -> bool {
    let works = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("SKIPPED: {program} {arguments:?} does not work here");
    }
    works
}

#[test]
fn limited_file_system_is_sufficient() {
    let mut network = TestNetwork::new();
    let (large, small) = (TestContent::random(490, 9 * PIECE_LENGTH + 1), TestContent::random(491, 1000));
    let mut sharer = network.start_node(&[("large.iso", &large), ("small.txt", &small)]);
    let mut fetcher = network.start_node(&[]);
    // No preallocation, no renaming without replacing, no path resolution in one call, no locks, no copying between
    // files and sockets.
    let injections = [
        "fallocate:error=EOPNOTSUPP",
        "renameat2:error=EINVAL",
        "openat2:error=ENOSYS",
        "flock:error=EOPNOTSUPP",
        "sendfile:error=EINVAL",
    ];
    let ids = [sharer.peer.process().child().id(), fetcher.peer.process().child().id()];
    let tracers = ids.map(|id| Strace::attach(id, &injections));
    if tracers.iter().any(Option::is_none) {
        return;
    }
    for content in [&large, &small] {
        fetcher.download(content);
    }
    // An existing file is not replaced there either.
    fetcher.folder.put("large (1).iso", &small);
    let other = TestContent::random(492, 5 * PIECE_LENGTH);
    sharer.folder.put("large.iso", &other);
    network.wait_for_sources(other.digest, 1, DEFAULT_TIMEOUT);
    fetcher.download(&other);
    fetcher.path_of(&large);
}

#[test]
fn unreadable_file_is_fetched_elsewhere() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(493, 40 * PIECE_LENGTH);
    let mut broken = network.start_node(&[("film.mkv", &content)]);
    let id = broken.peer.process().child().id();
    let Some(_tracer) = Strace::attach(id, &["sendfile:error=EIO:when=3+"]) else { return };
    let mut fetcher = network.start_node(&[]);
    let started = fetcher.peer.start_command(&format!("download {}", content.digest));
    wait_until("a read to fail", DEFAULT_TIMEOUT, || {
        broken.peer.run("status").bytes_sent().is_some_and(|sent| sent > 0)
    });
    let _honest = network.start_node(&[("film.mkv", &content)]);
    let answer = fetcher.peer.wait_for_output(started);
    assert_eq!(answer.completed_downloads().len(), 1, "{answer:#?}");
    fetcher.path_of(&content);
    assert!(broken.peer.run("status").errors().is_empty());
}

#[test]
fn slow_index_disk_does_not_delay_searches() {
    let mut network = TestNetwork::new();
    let mut honest = network.index.session();
    let record = |number: u64| TestContent::random(number, 10).file_record(&format!("a file {number}.iso"));
    honest.register(&(0..100).map(record).collect::<Vec<_>>()).expect("acknowledged");
    let slow =
        ["fsync:delay_enter=300000", "fdatasync:delay_enter=300000", "sync_file_range:delay_enter=300000"];
    let Some(_tracer) = Strace::attach(network.index.pid(), &slow) else { return };
    let mut writer = network.index.session();
    let writing = std::thread::spawn(move || {
        let begun = Instant::now();
        for number in 200..204 {
            writer.register(&[record(number)]).expect("acknowledged");
        }
        begun.elapsed()
    });
    let mut latencies = Latencies::default();
    while !writing.is_finished() {
        latencies.measure(|| honest.search("file iso"));
    }
    let took = writing.join().expect("four registrations");
    assert!(took > Duration::from_secs(1), "the disk is not slow: {took:?}");
    let median = latencies.percentile(50);
    assert!(median < Duration::from_millis(150), "{median:?} of {} searches", latencies.count());
}

#[test]
fn index_with_a_hung_disk_exits_with_an_error() {
    let mut index = IndexProcess::start_with("127.0.0.1:0", &["--commit-timeout", "1"]);
    let mut session = index.session();
    let record = |number: u64| TestContent::random(number, 10).file_record(&format!("a file {number}.iso"));
    session.register(&[record(500)]).expect("acknowledged");
    let endless = ["fsync:delay_enter=8000000", "fdatasync:delay_enter=8000000"];
    let Some(tracer) = Strace::attach(index.pid(), &endless) else { return };
    assert!(session.register(&[record(501)]).is_err(), "acknowledged although the disk hangs");
    assert_eq!(index.wait(DEFAULT_TIMEOUT), Some(74), "{}", index.log());
    let data = index.data_dir().display().to_string();
    let log = index.log();
    let message = log.lines().last().expect("a message");
    assert!(message.contains(&data) && message.contains("did not complete within 1 s"), "{message}");
    drop(tracer);
    index.restart();
    // The file that was not acknowledged may be there or not.
    let files = index.session().statistics().files;
    assert!((1..=2).contains(&files), "{files} files");
}

#[test]
fn system_without_proc_is_sufficient() {
    if !command_succeeds("unshare", &["--mount", "true"]) {
        return;
    }
    let mut network = TestNetwork::new();
    let (large, small) = (TestContent::random(494, 5 * PIECE_LENGTH + 1), TestContent::random(495, 1000));
    let start = |files: &[(&str, &TestContent)]| {
        RunningNode::launch(files, |folder| {
            let command = peer_node(0, network.index.address(), folder);
            command_after("mount -t tmpfs none /proc", &command, &["unshare", "--mount"])
        })
    };
    let mut sharer = start(&[("large.iso", &large), ("small.txt", &small)]);
    sharer.peer.wait_for_shared_files(2);
    let mut fetcher = start(&[]);
    network.wait_for_files(sharer.peer.address(), 2);
    for content in [&large, &small] {
        fetcher.download(content);
    }
}

#[test]
fn invalid_environment_variables_change_nothing() {
    let network = TestNetwork::new();
    let folder = TestFolder::with_file("a.txt", &TestContent::random(496, 10));
    for (name, value) in [
        ("TZ", "Nowhere/Land"),
        ("TZ", ":/etc/passwd"),
        ("LC_ALL", "xx_YY.KOI99"),
        ("TMPDIR", "/no/such/folder"),
        ("HOME", ""),
        ("COLUMNS", "-1"),
        ("TERM", ""),
    ] {
        let mut command = peer_node(0, network.index.address(), folder.path());
        command.env(name, value);
        let output = run_with_input(command, "files\nstatus\n");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{name}={value}: {errors}");
    }
}

#[test]
fn ipv6_only_host_is_sufficient() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("SKIPPED: this system has no IPv6, so it is NOT tested");
        return;
    }
    let index = IndexProcess::start_at("[::1]:0");
    let content = TestContent::random(497, 3 * PIECE_LENGTH);
    let start = |files: &[(&str, &TestContent)]| {
        RunningNode::launch(files, |folder| peer_node_at(Ipv6Addr::LOCALHOST.into(), index.address(), folder))
    };
    let mut sharer = start(&[("film.mkv", &content)]);
    assert!(sharer.peer.address().is_ipv6());
    sharer.peer.wait_for_shared_files(1);
    let mut fetcher = start(&[]);
    wait_until("the search to find the file", DEFAULT_TIMEOUT, || {
        fetcher.peer.run("search film").hits().len() == 1
    });
    let done = fetcher.download(&content);
    assert_eq!(done.sources, [(sharer.peer.address(), content.size())]);
}

#[test]
fn node_with_few_descriptors_survives_many_connections() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(498, 3 * PIECE_LENGTH);
    let mut sharer = RunningNode::launch(&[("film.mkv", &content)], |folder| {
        command_after("ulimit -n 64", &peer_node(0, network.index.address(), folder), &[])
    });
    network.wait_for_files(sharer.peer.address(), 1);
    let crowd: Vec<RawClient> = (0..200).map(|_| RawClient::connect(sharer.peer.address())).collect();
    let (before, begun) = (sharer.peer.process().processor_time(), Instant::now());
    wait_until("a few seconds to pass", DEFAULT_TIMEOUT, || {
        assert!(sharer.peer.run("status").errors().is_empty());
        begun.elapsed() > Duration::from_secs(1)
    });
    let used = sharer.peer.process().processor_time().saturating_sub(before);
    let took = begun.elapsed();
    assert!(used < took / 2, "{used:?} of {took:?}");
    drop(crowd);
    network.start_node(&[]).download(&content);
}

/// Returns the command of a node in a namespace whose DNS server never answers.
fn node_with_dead_resolver(namespace: &str, resolver: &Path, folder: &TestFolder) -> Command {
    let mut node = Command::new(&programs().peer_node);
    node.args(["0", "--index", "index.example:1313", "--listen-host", "127.0.0.1", "--share-dir"])
        .arg(folder.path())
        .env("NO_COLOR", "1");
    let setup = format!("mount --bind {} /etc/resolv.conf", resolver.display());
    command_after(&setup, &node, &["ip", "netns", "exec", namespace])
}

#[test]
fn dead_dns_server_does_not_block_the_prompt() {
    let Some(network) = NamespaceNetwork::new(1) else { return };
    let server = inside(network.namespace(0), || UdpSocket::bind("127.0.0.1:53"));
    let _silent = server.expect("a namespace").expect("a port of its own");
    let folder = TestFolder::with_file("a.txt", &TestContent::random(499, 10));
    let resolver = folder.put(".resolv.conf", &TestContent::from_bytes("nameserver 127.0.0.1\n"));
    let mut peer = PeerProcess::launch(node_with_dead_resolver(network.namespace(0), &resolver, &folder));
    let begun = Instant::now();
    peer.wait_for_shared_files(1);
    let answer = peer.run("status");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert_eq!(peer.stop(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
