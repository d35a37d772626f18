//! The HTTP endpoint of an index: its metrics, who may read them, and its limits.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use protocol::index::{Notice, Refusal, Reply, Request};
use rustix::process::Signal;
use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::index::IndexProcess;
use tests::index_session::{IndexSession, signing_key};
use tests::raw_client::RawClient;

const METRICS_OPTIONS: [&str; 2] = ["--metrics", "127.0.0.1:0"];

#[test]
fn metrics_follow_events() {
    let index = IndexProcess::start_with("127.0.0.1:0", &METRICS_OPTIONS);
    let metrics = index.metrics();
    assert_eq!(metrics.get("/healthz").status, 200);
    wait_until("the index to be ready", DEFAULT_TIMEOUT, || metrics.get("/readyz").status == 200);
    let mut session = index.session();
    let files: Vec<_> = (0..3).map(|at| TestContent::random(at, 10).file_record(&format!("{at}"))).collect();
    session.register(&files).expect("acknowledged");
    let same = TestContent::random(0, 10).file_record("the same");
    session.register(&[same]).expect("acknowledged");
    session.search("nothing");
    let refused = session.call(Request::Search { query: String::new(), after: None, limit: 1 });
    assert!(matches!(refused, Ok(Reply::Refused(Refusal::BadQuery { .. }))), "{refused:?}");
    for (name, number) in [
        ("index_ready", 1.0),
        ("index_connections", 1.0),
        ("index_nodes", 1.0),
        ("index_files", 3.0),
        ("index_sources", 4.0),
        ("index_registration_seconds_count", 2.0),
        ("index_search_seconds_count", 1.0),
        ("index_commit_seconds_count", 2.0),
        ("index_commit_seconds_bucket{le=\"+Inf\"}", 2.0),
        ("index_store_errors_total", 0.0),
        ("index_refusals_total{reason=\"bad_query\"}", 1.0),
    ] {
        assert!((metrics.value(name) - number).abs() < 0.5, "{name} is {}", metrics.value(name));
    }
    drop(session);
    wait_until("the connection to be closed", DEFAULT_TIMEOUT, || metrics.value("index_connections") < 0.5);
}

#[test]
fn metrics_accept_only_known_hosts_and_get_requests() {
    let index = IndexProcess::start_with(
        "127.0.0.1:0",
        &["--metrics", "127.0.0.1:0", "--metrics-host", "index.example"],
    );
    let metrics = index.metrics();
    let ask = |host: &str, line: &str| {
        metrics.send_request(&format!("{line}\r\n{host}Connection: close\r\n\r\n")).status
    };
    for (host, status) in [
        ("Host: localhost\r\n", 200),
        ("Host: index.example:9313\r\n", 200),
        ("Host: evil.example\r\n", 421),
        ("Host: 127.0.0.1.evil.example\r\n", 421),
        ("Host: localhost.\r\n", 421),
        ("", 421),
        ("Host: localhost\r\nHost: evil.example\r\n", 421),
    ] {
        assert_eq!(ask(host, "GET /metrics HTTP/1.1"), status, "{host}");
    }
    let host = "Host: localhost\r\n";
    assert_eq!(ask(host, "GET http://evil.example/metrics HTTP/1.1"), 421);
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        assert_eq!(ask(host, &format!("{method} /metrics HTTP/1.1")), 405, "{method}");
    }
    // Pages of other sites may not read the response, and no response permits it.
    let preflight =
        "OPTIONS /metrics HTTP/1.1\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: GET";
    for line in
        [preflight, "GET /metrics HTTP/1.1\r\nOrigin: https://evil.example\r\nSec-Fetch-Site: cross-site"]
    {
        let answer = metrics.send_request(&format!("{line}\r\n{host}Connection: close\r\n\r\n"));
        assert!(!answer.head.to_ascii_lowercase().contains("access-control"), "{}", answer.head);
        assert_eq!(answer.status, if line == preflight { 405 } else { 200 });
    }
    assert_eq!(ask("Host: localhost\r\nContent-Length: 5\r\n", "GET /metrics HTTP/1.1"), 413);
    assert_eq!(ask(host, "GET /../etc/passwd HTTP/1.1"), 404);
    assert_eq!(ask(host, "GET /%2e%2e/metrics HTTP/1.1"), 404);
}

/// Opens connections that stay open. Every second one gets a response to one request, the others send nothing.
fn open_idle_connections(address: SocketAddr, request: &str, connections: usize) -> Vec<TcpStream> {
    let open = |number: usize| {
        let mut stream = TcpStream::connect(address).expect("a port that accepts");
        stream.set_read_timeout(Some(DEFAULT_TIMEOUT)).expect("a timeout");
        if number.is_multiple_of(2) {
            stream.write_all(request.as_bytes()).expect("sent");
            assert!(stream.read(&mut [0; 4096]).expect("an answer") > 0);
        }
        stream
    };
    (0..connections).map(open).collect()
}

#[test]
fn idle_clients_do_not_block_the_metrics_port() {
    let options = ["--metrics", "127.0.0.1:0", "--tracker", "127.0.0.1:0"];
    let index = IndexProcess::start_with("127.0.0.1:0", &options);
    let metrics = index.metrics();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", metrics.address());
    let held = open_idle_connections(metrics.address(), &request, 200);
    for _ in 0..5 {
        assert_eq!(metrics.get("/healthz").status, 200);
    }
    let displaced = metrics.value("index_http_displaced_total{service=\"metrics\"}");
    assert!(displaced >= 136.0, "{displaced} connections were closed for others");
    // The last connections were used later than all that were closed.
    let mut last = &held[199];
    last.write_all(request.as_bytes()).expect("sent");
    assert!(last.read(&mut [0; 4096]).expect("an answer") > 0);
}

#[test]
fn idle_clients_do_not_block_the_tracker() {
    let index = IndexProcess::start_with_descriptor_limit(1024, &["--tracker", "127.0.0.1:0"]);
    let tracker = index.tracker_address();
    let question = "GET /scrape?info_hash=aaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: t\r\n\r\n";
    let _held = open_idle_connections(tracker, question, 500);
    let mut client = RawClient::connect(tracker);
    assert!(client.send(question.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()));
    let response = client.receive(DEFAULT_TIMEOUT);
    assert!(String::from_utf8_lossy(&response.bytes).contains("5:files"), "{response:?}");
}

#[test]
fn access_lists_are_reloaded_on_sighup() {
    let folder = tempfile::tempdir().expect("a folder");
    let deny = folder.path().join("deny");
    fs::write(&deny, "# nobody here\n127.0.0.0/8\n").expect("a list");
    let deny_option = deny.to_str().expect("a plain path");
    let index = IndexProcess::start_with("127.0.0.1:0", &["--deny", deny_option]);
    let open = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        IndexSession::open_as(index.address(), &signing_key(77), listener)
    };
    let error = format!("{:?}", open().expect_err("all clients are denied"));
    assert!(error.contains("NotAllowed"), "{error}");
    fs::write(&deny, "").expect("a list");
    index.signal(Signal::HUP);
    wait_until("the address to be served", DEFAULT_TIMEOUT, || open().is_ok());
    let mut session = open().expect("a welcome");
    // A list with an error changes nothing; the error is logged with its line number.
    fs::write(&deny, format!("{}\nnonsense\n", session.welcome.node)).expect("a list");
    index.signal(Signal::HUP);
    wait_until("the error to be logged", DEFAULT_TIMEOUT, || index.log().contains("line 2"));
    assert!(matches!(session.call(Request::Renew), Ok(Reply::List(_))));
    fs::write(&deny, format!("{}\n", session.welcome.node)).expect("a list");
    index.signal(Signal::HUP);
    let refused = loop {
        match session.next_notice() {
            Ok(Notice::Refused(refusal)) => break refusal,
            Ok(_) => {}
            Err(error) => panic!("closed without a message: {error}"),
        }
    };
    assert_eq!(refused, Refusal::NotAllowed { what: "node".into() });
    let error = format!("{:?}", open().expect_err("the node is denied"));
    assert!(error.contains("NotAllowed"), "{error}");
    assert!(index.session().call(Request::Renew).is_ok(), "others are");
}
