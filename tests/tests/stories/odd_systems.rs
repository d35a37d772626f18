//! Systems that lack something: file systems that can little, no `/proc`, no IPv4, few descriptors, slow and failing disks and names.

use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tests::content::{Content, PIECE};
use tests::crowd::Latencies;
use tests::eventually::{SOON, until};
use tests::home::Home;
use tests::index::Index;
use tests::namespaces::{Namespaces, inside};
use tests::network::{Network, Node};
use tests::peer::{Peer, peer_node, peer_node_at, run};
use tests::programs::programs;
use tests::raw_client::RawClient;
use tests::tracer::Tracer;

/// Has a shell do something before it becomes a program.
fn after(setup: &str, program: &Command, around: &[&str]) -> Command {
    let mut command = Command::new(around[0]);
    command.args(&around[1..]).args(["sh", "-c", &format!("{setup} && exec \"$0\" \"$@\"")]);
    command.arg(program.get_program()).args(program.get_args()).env("NO_COLOR", "1");
    command
}

fn works(program: &str, arguments: &[&str]) -> bool {
    let works = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("SKIPPED: {program} {arguments:?} does not work here");
    }
    works
}

#[test]
fn a_file_system_that_can_little_is_good_enough() {
    let mut network = Network::new();
    let (large, small) = (Content::random(490, 9 * PIECE + 1), Content::random(491, 1000));
    let mut sharer = network.node(&[("large.iso", &large), ("small.txt", &small)]);
    let mut fetcher = network.node(&[]);
    // No room in advance, no renaming without replacing, no path resolved as a whole, no locks, no way from a file to a socket.
    let little = [
        "fallocate:error=EOPNOTSUPP",
        "renameat2:error=EINVAL",
        "openat2:error=ENOSYS",
        "flock:error=EOPNOTSUPP",
        "sendfile:error=EINVAL",
    ];
    let ids = [sharer.peer.process().child().id(), fetcher.peer.process().child().id()];
    let tracers = ids.map(|id| Tracer::attach(id, &little));
    if tracers.iter().any(Option::is_none) {
        return;
    }
    for content in [&large, &small] {
        fetcher.fetch(content);
    }
    // What is there is replaced by nothing there either.
    fetcher.home.put("large (1).iso", &small);
    let other = Content::random(492, 5 * PIECE);
    sharer.home.put("large.iso", &other);
    network.wait_for_sources(other.digest, 1, SOON);
    fetcher.fetch(&other);
    fetcher.has(&large);
}

#[test]
fn a_file_that_cannot_be_read_any_more_comes_from_elsewhere() {
    let mut network = Network::new();
    let content = Content::random(493, 40 * PIECE);
    let mut broken = network.node(&[("film.mkv", &content)]);
    let id = broken.peer.process().child().id();
    let Some(_tracer) = Tracer::attach(id, &["sendfile:error=EIO:when=3+"]) else { return };
    let mut fetcher = network.node(&[]);
    let asked = fetcher.peer.begin(&format!("download {}", content.digest));
    until("the disk to fail", SOON, || broken.peer.say("status").sent().is_some_and(|sent| sent > 0));
    let _honest = network.node(&[("film.mkv", &content)]);
    let answer = fetcher.peer.answer(asked);
    assert_eq!(answer.done().len(), 1, "{answer:#?}");
    fetcher.has(&content);
    assert!(broken.peer.say("status").errors().is_empty());
}

#[test]
fn a_slow_disk_of_an_index_keeps_no_search_waiting() {
    let mut network = Network::new();
    let mut honest = network.index.session();
    let record = |number: u64| Content::random(number, 10).record(&format!("a file {number}.iso"));
    honest.register(&(0..100).map(record).collect::<Vec<_>>()).expect("acknowledged");
    let slow =
        ["fsync:delay_enter=300000", "fdatasync:delay_enter=300000", "sync_file_range:delay_enter=300000"];
    let Some(_tracer) = Tracer::attach(network.index.id(), &slow) else { return };
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
fn an_index_whose_disk_never_answers_ends_with_an_error() {
    let mut index = Index::start_with("127.0.0.1:0", &["--commit-timeout", "1"]);
    let mut session = index.session();
    let record = |number: u64| Content::random(number, 10).record(&format!("a file {number}.iso"));
    session.register(&[record(500)]).expect("acknowledged");
    let endless = ["fsync:delay_enter=60000000", "fdatasync:delay_enter=60000000"];
    let Some(tracer) = Tracer::attach(index.id(), &endless) else { return };
    assert!(session.register(&[record(501)]).is_err(), "acknowledged without a disk");
    assert_eq!(index.wait(SOON), Some(74), "{}", index.log());
    let data = index.data_dir().display().to_string();
    let log = index.log();
    let message = log.lines().last().expect("a message");
    assert!(message.contains(&data) && message.contains("did not end within 1 s"), "{message}");
    drop(tracer);
    index.restart();
    assert_eq!(index.session().search("file 500").len(), 1, "what was acknowledged");
}

#[test]
fn a_system_without_proc_is_good_enough() {
    if !works("unshare", &["--mount", "true"]) {
        return;
    }
    let mut network = Network::new();
    let (large, small) = (Content::random(494, 5 * PIECE + 1), Content::random(495, 1000));
    let start = |files: &[(&str, &Content)]| {
        let home = Home::new();
        for (path, content) in files {
            home.put(path, content);
        }
        let command = peer_node(0, network.index.address(), home.path());
        let around = ["unshare", "--mount"];
        Node { peer: Peer::launch(after("mount -t tmpfs none /proc", &command, &around)), home }
    };
    let mut sharer = start(&[("large.iso", &large), ("small.txt", &small)]);
    sharer.peer.shares(2);
    let mut fetcher = start(&[]);
    network.wait_for_files(sharer.peer.address(), 2);
    for content in [&large, &small] {
        fetcher.fetch(content);
    }
}

#[test]
fn surroundings_that_make_no_sense_change_nothing() {
    let network = Network::new();
    let home = Home::with("a.txt", &Content::random(496, 10));
    for (name, value) in [
        ("TZ", "Nowhere/Land"),
        ("TZ", ":/etc/passwd"),
        ("LC_ALL", "xx_YY.KOI99"),
        ("TMPDIR", "/no/such/folder"),
        ("HOME", ""),
        ("COLUMNS", "-1"),
        ("TERM", ""),
    ] {
        let mut command = peer_node(0, network.index.address(), home.path());
        command.env(name, value);
        let output = run(command, "files\nstatus\n");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{name}={value}: {errors}");
    }
}

#[test]
fn a_host_that_has_ipv6_alone_is_good_enough() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("SKIPPED: this system has no IPv6, so it is NOT tested");
        return;
    }
    let index = Index::start_at("[::1]:0");
    let content = Content::random(497, 3 * PIECE);
    let start = |files: &[(&str, &Content)]| {
        let home = Home::new();
        for (path, content) in files {
            home.put(path, content);
        }
        let command = peer_node_at(Ipv6Addr::LOCALHOST.into(), index.address(), home.path());
        Node { peer: Peer::launch(command), home }
    };
    let mut sharer = start(&[("film.mkv", &content)]);
    assert!(sharer.peer.address().is_ipv6());
    sharer.peer.shares(1);
    let mut fetcher = start(&[]);
    until("the file to be found", SOON, || fetcher.peer.say("search film").hits().len() == 1);
    let done = fetcher.fetch(&content);
    assert_eq!(done.givers, [(sharer.peer.address(), content.size())]);
}

#[test]
fn a_node_with_few_descriptors_outlives_a_crowd() {
    let mut network = Network::new();
    let content = Content::random(498, 3 * PIECE);
    let home = Home::with("film.mkv", &content);
    let command = after("ulimit -n 64", &peer_node(0, network.index.address(), home.path()), &["env"]);
    let mut sharer = Node { peer: Peer::launch(command), home };
    network.wait_for_files(sharer.peer.address(), 1);
    let crowd: Vec<RawClient> = (0..200).map(|_| RawClient::connect(sharer.peer.address())).collect();
    let (before, begun) = (sharer.peer.process().processor_time(), Instant::now());
    until("some time to pass", SOON, || {
        assert!(sharer.peer.say("status").errors().is_empty());
        begun.elapsed() > Duration::from_secs(1)
    });
    let used = sharer.peer.process().processor_time().saturating_sub(before);
    let took = begun.elapsed();
    assert!(used < took / 2, "{used:?} of {took:?}");
    drop(crowd);
    network.node(&[]).fetch(&content);
}

/// Makes a node in a namespace in which names are looked up at a server that never answers.
fn node_with_dead_names(namespace: &str, resolver: &Path, home: &Home) -> Command {
    let mut node = Command::new(&programs().peer_node);
    node.args(["0", "--index", "index.example:1313", "--listen-host", "127.0.0.1", "--share-dir"])
        .arg(home.path());
    let setup = format!("mount --bind {} /etc/resolv.conf", resolver.display());
    after(&setup, &node, &["ip", "netns", "exec", namespace])
}

#[test]
fn a_server_of_names_that_never_answers_keeps_no_prompt_waiting() {
    let Some(network) = Namespaces::new(1) else { return };
    let server = inside(network.host(0), || UdpSocket::bind("127.0.0.1:53"));
    let _silent = server.expect("a namespace").expect("a port of its own");
    let home = Home::with("a.txt", &Content::random(499, 10));
    let resolver = home.put(".resolv.conf", &Content::of("nameserver 127.0.0.1\n"));
    let mut peer = Peer::launch(node_with_dead_names(network.host(0), &resolver, &home));
    let begun = Instant::now();
    peer.shares(1);
    let answer = peer.say("status");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert_eq!(peer.stop(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
