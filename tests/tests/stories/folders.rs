//! Folders, ports and data: each is created when missing, and refused while another process uses it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::index::{IndexProcess, index_server};
use tests::network::TestNetwork;
use tests::peer::{PeerProcess, peer_node, run_with_input};
use tests::programs::programs;
use tests::test_folder::TestFolder;

/// Exit status of a program whose folder is in use.
const STATUS_IN_USE: i32 = 75;

/// Returns a port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn new_port_gets_its_own_folder_in_the_working_directory() {
    let index = IndexProcess::start();
    let root = TestFolder::new();
    let port = free_port();
    let mut command = Command::new(&programs().peer_node);
    command.current_dir(root.path()).env("NO_COLOR", "1");
    command.args([&port.to_string(), "--index", &index.address().to_string()]);
    let mut peer = PeerProcess::launch(command);
    assert_eq!(peer.address().port(), port);
    let folder = root.path().join("shared_dirs").join(port.to_string());
    assert!(folder.is_dir());
    let content = TestContent::random(50, 4000);
    fs::write(folder.join("dropped in.txt"), &content.bytes).expect("a file");
    wait_until("the file to be shared", DEFAULT_TIMEOUT, || {
        let files = peer.run("files").files();
        files.iter().any(|file| file.digest == content.digest && file.path == "dropped in.txt")
    });
    assert_eq!(peer.stop(), Some(0));
}

#[test]
fn share_folder_is_created_with_its_parents() {
    let index = IndexProcess::start();
    let root = TestFolder::new();
    let folder = root.path().join("a/new/place");
    let mut peer = PeerProcess::start(index.address(), &folder);
    assert!(folder.is_dir());
    assert_eq!(peer.stop(), Some(0));
}

#[test]
fn second_peer_on_the_same_folder_is_refused() {
    let mut network = TestNetwork::new();
    let mut node = network.start_node(&[("mine.txt", &TestContent::random(51, 10))]);
    let second = run_with_input(peer_node(0, network.index.address(), node.folder.path()), "status\n");
    let errors = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(STATUS_IN_USE), "{errors}");
    assert_eq!(errors.trim().lines().count(), 1, "{errors}");
    assert!(errors.contains("in use"), "{errors}");
    assert_eq!(node.peer.run("files").files().len(), 1);
}

#[test]
fn port_in_use_is_refused_in_one_line() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = holder.local_addr().expect("an address");
    let root = TestFolder::new();
    let peer = run_with_input(peer_node(address.port(), address, root.path()), "status\n");
    let index = run_with_input(index_server(&address.to_string(), &root.path().join("data")), "");
    for output in [peer, index] {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code().is_some_and(|code| code != 0), "{errors}");
        assert_eq!(errors.trim().lines().count(), 1, "{errors}");
        assert!(errors.contains(&address.port().to_string()), "{errors}");
    }
}

#[test]
fn data_folder_of_another_index_is_refused() {
    let index = IndexProcess::start();
    let second = run_with_input(index_server("127.0.0.1:0", index.data_dir()), "");
    let errors = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(STATUS_IN_USE), "{errors}");
    assert!(errors.contains("in use"), "{errors}");
    index.session().statistics();
}

#[test]
fn data_folder_is_made_private_to_its_owner() {
    let root = TestFolder::new();
    let mode = |path: &std::path::Path| fs::metadata(path).expect("a folder").permissions().mode() & 0o777;
    for umask in ["000", "022", "777"] {
        let data = root.path().join(format!("index-data-{umask}"));
        let mut index = IndexProcess::start_with_umask(umask, &data);
        assert_eq!(mode(&data), 0o700, "umask {umask}");
        assert_eq!(index.stop(), Some(0));
        fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("our own folder");
        let index = IndexProcess::start_with_data_dir(&data, "127.0.0.1:0", &[]);
        assert_eq!(mode(&data), 0o700, "an existing folder");
        index.session().statistics();
    }
}

#[test]
fn both_programs_print_version_and_help() {
    for program in [&programs().index_server, &programs().peer_node] {
        for (option, expected) in [("--version", env!("CARGO_PKG_VERSION")), ("--help", "--listen")] {
            let mut command = Command::new(program);
            command.arg(option);
            let output = run_with_input(command, "");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && text.contains(expected), "{text}");
        }
        let mut command = Command::new(program);
        command.arg("--no-such-option");
        assert_eq!(run_with_input(command, "").status.code(), Some(2));
    }
}

#[test]
fn options_can_be_given_as_environment_variables() {
    let index = IndexProcess::start();
    let root = TestFolder::with_file("here.txt", &TestContent::random(52, 10));
    let mut command = Command::new(&programs().peer_node);
    command.arg("0").env("PEER_NODE_INDEX", index.address().to_string()).env("NO_COLOR", "1");
    command.env("PEER_NODE_SHARE_DIR", root.path()).env("PEER_NODE_LISTEN_HOST", "127.0.0.1");
    let mut peer = PeerProcess::launch(command);
    peer.wait_for_shared_files(1);
    assert!(peer.run("status").contains(&index.address().to_string()));
}
