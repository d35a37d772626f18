//! A node notices that it was started in another working directory before.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use tests::index::IndexProcess;
use tests::peer::run_with_input;
use tests::programs::programs;
use tests::test_folder::TestFolder;

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Starts a node with only its port as an argument in a working directory, and stops it.
fn start_in(folder: &Path, port: u16, index: &IndexProcess, state_home: &Path) -> Output {
    let mut command = Command::new(&programs().peer_node);
    command.current_dir(folder).env("XDG_STATE_HOME", state_home).env("HOME", folder);
    command.args([&port.to_string(), "--index", &index.address().to_string()]);
    let output = run_with_input(command, "status\n");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn error_output(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn new_node_in_another_folder_is_reported_once() {
    let index = IndexProcess::start();
    let (state, one, two) = (TestFolder::new(), TestFolder::new(), TestFolder::new());
    let port = free_port();
    assert!(!error_output(&start_in(one.path(), port, &index, state.path())).contains("creating a new node"));
    let first = one.path().join("shared_dirs").join(port.to_string());
    let notice = error_output(&start_in(two.path(), port, &index, state.path()));
    assert!(notice.contains("creating a new node"), "{notice}");
    let remedy = format!("peer-node {port} --share-dir {}", first.display());
    assert!(notice.contains(&remedy), "{notice}");
    assert!(notice.contains(&format!("or start peer-node in {}", one.path().display())), "{notice}");
    // The node starts regardless, and counts as a known node from then on.
    assert!(two.path().join("shared_dirs").join(port.to_string()).is_dir());
    for folder in [&one, &two] {
        assert!(!error_output(&start_in(folder.path(), port, &index, state.path())).contains("creating"));
    }
    // Another port means another node.
    let other = error_output(&start_in(two.path(), free_port(), &index, state.path()));
    assert!(!other.contains("creating"), "{other}");
}

#[test]
fn unusable_account_state_does_not_prevent_start() {
    let index = IndexProcess::start();
    let folder = TestFolder::new();
    for state in ["/dev/null/none", "relative"] {
        let output = start_in(folder.path(), free_port(), &index, Path::new(state));
        assert!(!error_output(&output).contains("state"), "{}", error_output(&output));
    }
    assert!(!folder.path().join("relative").exists());
}
