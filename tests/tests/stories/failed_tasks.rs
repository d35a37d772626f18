//! A program whose essential task fails ends with an error instead of seeming to work. Debug builds let a task fail on demand.

use std::process::Stdio;

use tests::content::TestContent;
use tests::eventually::DEFAULT_TIMEOUT;
use tests::index::IndexProcess;
use tests::output_lines::OutputLines;
use tests::peer::peer_node;
use tests::process::Process;
use tests::test_folder::TestFolder;

/// The variable that names the task that fails.
const VARIABLE: &str = "PEERDEX_TEST_PANIC";

/// Exit status after an internal error.
const EXIT_INTERNAL: i32 = 70;

#[test]
fn node_ends_when_an_essential_task_fails() {
    let index = IndexProcess::start();
    for task in ["library", "index client", "list of downloads", "upload slots", "listener", "event watcher"]
    {
        let folder = TestFolder::with_file("a.txt", &TestContent::random(476, 10));
        let mut command = peer_node(0, index.address(), folder.path());
        command.env(VARIABLE, task).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = Process::spawn("peer-node", command);
        let errors = OutputLines::collect(process.child().stderr.take().expect("a pipe"));
        // The input stays open: the node ends by itself.
        let _input = process.take_stdin();
        assert_eq!(process.wait(DEFAULT_TIMEOUT).code(), Some(EXIT_INTERNAL), "{task}");
        assert!(errors.wait_for_end(DEFAULT_TIMEOUT));
        let message = format!("internal error: the {task} stopped unexpectedly");
        assert!(errors.text().contains(&message), "{}", errors.text());
        assert!(!errors.text().contains("panicked at"), "{}", errors.text());
    }
}

#[test]
fn index_ends_when_its_registrar_fails() {
    let mut index = IndexProcess::start_after(&format!("export {VARIABLE}=registrar"), &[]);
    assert_eq!(index.wait(DEFAULT_TIMEOUT), Some(EXIT_INTERNAL), "{}", index.log());
    let log = index.log();
    let message = log.lines().last().expect("a message");
    assert!(message.contains("internal error: the registrar stopped unexpectedly"), "{log}");
}
