//! Lists that exceed the byte budgets of an index.

use std::fs;
use std::path::Path;
use std::process::Command;

use protocol::index::{FileRecord, Refusal, Reply, Request, Share};
use protocol::sha256::sha256;
use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::index::IndexProcess;
use tests::index_session::IndexSession;
use tests::metrics::MetricsClient;
use tests::network::TestNetwork;
use tests::peer::PeerProcess;
use tests::previous_release::previous_release;
use tests::programs::programs;
use tests::test_folder::TestFolder;

/// Bytes that a file takes in a list in addition to its path.
const FILE_OVERHEAD: usize = 49;

/// Returns `count` file records that take `bytes` bytes each in a list.
fn files(prefix: &str, count: u64, bytes: usize) -> Vec<FileRecord> {
    let record = |number: u64| {
        let mut path = format!("{prefix}/{number:06}/");
        // A path component has at most 255 bytes.
        while path.len() < bytes - FILE_OVERHEAD {
            path.push(if path.len() % 200 == 0 { '/' } else { 'x' });
        }
        let path = path.trim_end_matches('/').to_owned();
        let digest = sha256(path.as_bytes());
        FileRecord { path, size: 1, digest, share: Share::Complete }
    };
    (0..count).map(record).collect()
}

/// Registers files in batches of a hundred until the index refuses. Returns the number of accepted files and the
/// refusal, if any.
fn fill(session: &mut IndexSession, files: &[FileRecord]) -> (usize, Option<Refusal>) {
    for (number, batch) in files.chunks(100).enumerate() {
        match session.call(Request::Register { files: batch.to_vec() }) {
            Ok(Reply::List(_)) => {}
            Ok(Reply::Refused(refusal)) => return (number * 100, Some(refusal)),
            other => panic!("{other:?}"),
        }
    }
    (files.len(), None)
}

fn refusals(metrics: &MetricsClient, budget: &str) -> f64 {
    metrics.value(&format!("index_budget_refusals_total{{budget=\"{budget}\"}}"))
}

/// Returns the number of files with each prefix in the store of a stopped index.
fn stored_file_counts(data: &Path, prefixes: &[&str]) -> Vec<usize> {
    let mut command = Command::new(&programs().index_server);
    let output = command.args(["export", "-", "--data-dir"]).arg(data).output().expect("a program");
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    prefixes.iter().map(|prefix| lines.matches(&format!("\"path\":\"{prefix}/")).count()).collect()
}

/// Creates the store of an index from one list per node, with the day on which the node was last seen.
fn import(data: &Path, lists: &[(u8, u64, Vec<FileRecord>)]) {
    let files: usize = lists.iter().map(|(_, _, files)| files.len()).sum();
    let mut lines = vec![format!("{{\"index_export\":1,\"nodes\":{},\"files\":{files}}}", lists.len())];
    for (node, day, files) in lists {
        let (id, seen, count) = (format!("{node:02x}").repeat(32), day * 86_400, files.len());
        lines.push(format!("{{\"node\":\"{id}\",\"last_seen\":{seen},\"files\":{count}}}"));
        lines.extend(files.iter().map(|FileRecord { path, size, digest, .. }| {
            format!("{{\"path\":\"{path}\",\"size\":{size},\"digest\":\"{digest}\",\"whole\":true}}")
        }));
    }
    let export = data.join("export");
    fs::write(&export, lines.join("\n") + "\n").expect("written");
    let mut command = Command::new(&programs().index_server);
    command.arg("import").arg(&export).arg("--data-dir").arg(data.join("index"));
    let output = command.output().expect("a program");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn list_over_budget_is_refused_and_others_are_served() {
    let options = ["--bytes-per-node", "1M", "--metrics", "127.0.0.1:0"];
    let mut network = TestNetwork::with_index(IndexProcess::start_with("127.0.0.1:0", &options));
    let metrics = network.index.metrics();
    let mut greedy = network.index.session();
    let (accepted, refusal) = fill(&mut greedy, &files("long", 1000, 4096));
    assert_eq!(accepted, 200);
    let Some(refusal) = refusal else { panic!("no refusal") };
    assert_eq!(refusal.to_string(), "the list of this node would take 1.2 MiB of at most 1.0 MiB");
    assert!(refusals(&metrics, "node") > 0.5);
    let content = TestContent::random(1, 100);
    let mut node = network.start_node(&[("honest file.iso", &content)]);
    assert!(node.peer.run("search honest").contains("honest file.iso"));
    assert!(matches!(greedy.call(Request::Register { files: files("a", 1, 60) }), Ok(Reply::List(_))));
}

#[test]
fn list_over_budget_is_reported_in_the_status() {
    let index = IndexProcess::start_with("127.0.0.1:0", &["--bytes-per-node", "2K"]);
    let share_dir = TestFolder::new();
    for number in 0..60 {
        share_dir.put(&format!("file {number}.bin"), &TestContent::random(number, 10));
    }
    let mut peer = PeerProcess::start(index.address(), share_dir.path());
    let expected = "the index accepts no more files: the list of this node would take ";
    wait_until("the budget in the status", DEFAULT_TIMEOUT, || {
        let status = peer.run("status");
        status.contains(expected) && status.contains("of at most 2.0 KiB")
    });
}

#[test]
fn keys_of_one_address_share_one_budget() {
    let options = ["--limit-loopback", "--bytes-per-address", "1M", "--metrics", "127.0.0.1:0"];
    let index = IndexProcess::start_with("127.0.0.1:0", &options);
    let (mut one, mut two, mut three) = (index.session(), index.session(), index.session());
    assert_eq!(fill(&mut one, &files("one", 100, 4096)), (100, None));
    assert_eq!(fill(&mut two, &files("two", 100, 4096)), (100, None));
    let (accepted, refusal) = fill(&mut three, &files("three", 100, 4096));
    let refusal = refusal.expect("a refusal").to_string();
    assert_eq!(accepted, 0);
    assert_eq!(refusal, "the lists of all nodes at this address would take 1.2 MiB of at most 1.0 MiB");
    assert!(refusals(&index.metrics(), "address") > 0.5);
    // The list of a disconnected node is evicted for a connected one.
    drop(two);
    wait_until("room", DEFAULT_TIMEOUT, || fill(&mut three, &files("three", 100, 4096)) == (100, None));
    assert_eq!(one.statistics().files, 200);
}

#[test]
fn full_index_evicts_a_list_which_is_sent_again_on_return() {
    let options = ["--max-disk", "1500K", "--metrics", "127.0.0.1:0"];
    let mut network = TestNetwork::with_index(IndexProcess::start_with("127.0.0.1:0", &options));
    let metrics = network.index.metrics();
    let (share_dir, content) = (TestFolder::new(), TestContent::random(1, 100));
    share_dir.put("the file.iso", &content);
    let mut peer = PeerProcess::start(network.index.address(), share_dir.path());
    network.wait_for_hits("iso", 1, DEFAULT_TIMEOUT);
    assert_eq!(peer.stop(), Some(0));
    network.wait_for_sources(content.file_record("").digest, 0, DEFAULT_TIMEOUT);
    let mut first = network.index.session();
    assert_eq!(fill(&mut first, &files("first", 100, 3000)), (100, None));
    drop(first);
    let mut second = network.index.session();
    // As soon as the index has noticed that the first node disconnected.
    wait_until("room", DEFAULT_TIMEOUT, || fill(&mut second, &files("second", 100, 4096)) == (100, None));
    let forgotten = metrics.value("index_lists_forgotten_total{reason=\"room\"}");
    assert!((1.5..2.5).contains(&forgotten), "{forgotten}");
    assert_eq!(second.statistics().files, 100);
    let (_, refusal) = fill(&mut second, &files("more", 100, 4096));
    let refusal = refusal.expect("a refusal").to_string();
    assert_eq!(refusal, "all lists of this index on disk would take 2.3 MiB of at most 1.5 MiB");
    assert!(refusals(&metrics, "disk") > 0.5);
    // An evicted list can be registered again.
    let _again = PeerProcess::start(network.index.address(), share_dir.path());
    network.wait_for_hits("iso", 1, DEFAULT_TIMEOUT);
}

#[test]
fn store_over_budget_opens_and_evicts_lists() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = |node: u8, day: u64| (node, day, files(&format!("node{node}"), 100, 1000));
    import(folder.path(), &[list(1, 20_003), list(2, 20_001), list(3, 20_002)]);
    let data = folder.path().join("index");
    let options = ["--max-disk", "400K", "--metrics", "127.0.0.1:0"];
    let mut index = IndexProcess::start_with_data_dir(&data, "127.0.0.1:0", &options);
    let mut session = index.session();
    assert_eq!(session.statistics().files, 300);
    assert_eq!(fill(&mut session, &files("new", 1, 100)), (1, None));
    assert!(index.metrics().value("index_disk_budget_used_bytes") < 400.0 * 1024.0);
    drop(session);
    assert_eq!(index.stop(), Some(0));
    assert_eq!(stored_file_counts(&data, &["node1", "node2", "node3", "new"]), [100, 0, 0, 1]);
    let mut index = IndexProcess::start_with_data_dir(&data, "127.0.0.1:0", &options);
    assert_eq!(index.session().statistics().files, 101);
    assert_eq!(index.stop(), Some(0));
}

#[test]
fn lists_are_compatible_with_the_previous_release() {
    let Some(previous) = previous_release() else { return };
    let mut old = IndexProcess::start_release(&previous);
    assert_eq!(fill(&mut old.session(), &files("old", 100, 100)), (100, None));
    assert_eq!(old.stop(), Some(0));
    let mut new = IndexProcess::start_with_data_dir(old.data_dir(), "127.0.0.1:0", &["--max-disk", "10K"]);
    assert_eq!(new.session().statistics().files, 100);
    assert_eq!(new.stop(), Some(0));
    let mut new = IndexProcess::start_with_data_dir(old.data_dir(), "127.0.0.1:0", &[]);
    assert_eq!(fill(&mut new.session(), &files("new", 100, 100)), (100, None));
    assert_eq!(new.stop(), Some(0));
    let mut check = Command::new(&previous.index_server);
    let output = check.arg("check").arg("--data-dir").arg(old.data_dir()).output().expect("a program");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("2 nodes, 200 files"), "{text}");
}
