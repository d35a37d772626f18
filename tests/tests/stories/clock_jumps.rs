//! The clock of a machine jumps. Leases and timeouts follow the monotonic clock, so nothing expires.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::index::IndexProcess;
use tests::network::{RunningNode, TestNetwork};
use tests::peer::peer_node;
use tests::programs::programs;
use tests::test_folder::TestFolder;

/// The library of Debian's package `libfaketime` that replaces the wall clock of a program.
const FAKETIME_LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// The jumps of the clock: hours, days, and back to 1970.
const JUMPS: [&str; 6] = ["+1h", "-1h", "+1d", "-1d", "-56y", "+0"];

/// A wall clock that a test sets for several programs.
struct FakeClock {
    folder: TestFolder,
}

impl FakeClock {
    /// Returns a clock that is right; `None` if the library is missing.
    fn new() -> Option<Self> {
        if !Path::new(FAKETIME_LIBRARY).exists() {
            eprintln!("SKIPPED: libfaketime is not installed, so jumps of the clock are NOT tested");
            return None;
        }
        let clock = Self { folder: TestFolder::new() };
        clock.set("+0");
        Some(clock)
    }

    /// Sets the clock of all programs, relative to the time of the machine.
    fn set(&self, offset: &str) {
        self.folder.put("time", &TestContent::from_bytes(offset));
    }

    /// Returns the variables of a program that uses this clock.
    fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", FAKETIME_LIBRARY.to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", self.folder.path().join("time").display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    fn start_index(&self) -> IndexProcess {
        let exports = self.variables().map(|(name, value)| format!("export {name}='{value}'"));
        IndexProcess::start_after(&exports.join(" && "), &[])
    }

    fn start_node(
        &self,
        network: &TestNetwork,
        files: &[(&str, &TestContent)],
        options: &[&str],
    ) -> RunningNode {
        RunningNode::launch(files, |folder| {
            let mut command = peer_node(0, network.index.address(), folder);
            command.args(options).envs(self.variables());
            command
        })
    }
}

#[test]
fn clock_jumps_interrupt_no_download_and_expire_no_lease() {
    let Some(clock) = FakeClock::new() else { return };
    let mut network = TestNetwork::with_index(clock.start_index());
    let content = TestContent::random(471, 96 * PIECE_LENGTH);
    let mut sharer = clock.start_node(&network, &[("film.mkv", &content)], &["--max-upload-rate", "2M"]);
    network.wait_for_files(sharer.peer.address(), 1);
    let mut fetcher = clock.start_node(&network, &[], &[]);
    fetcher.peer.run(&format!("download {} &", content.digest));
    for offset in JUMPS {
        let before = fetcher.peer.run("transfers").bytes_verified().unwrap_or(0);
        clock.set(offset);
        wait_until(&format!("progress after {offset}"), Duration::from_secs(20), || {
            let transfers = fetcher.peer.run("transfers");
            transfers.bytes_verified().is_some_and(|verified| verified > before)
                || transfers.download_states() == ["done"]
        });
        // The node is still listed, and its connection still works.
        let sources = network.observer().sources(content.digest);
        assert!(
            sources.iter().any(|source| source.address == sharer.peer.address()),
            "{offset}: {sources:?}"
        );
        assert_eq!(sharer.peer.run("search film").hits().len(), 1, "{offset}");
    }
    sharer.peer.run("limit up off");
    let answer = fetcher.peer.run(&format!("download {}", content.digest));
    assert!(answer.completed_downloads().len() == 1 || answer.contains("already here"), "{answer:#?}");
    fetcher.path_of(&content);
    // A file that changes while the clock is wrong is noticed and registered.
    clock.set("-56y");
    let other = TestContent::random(472, 1000);
    sharer.folder.put("later.txt", &other);
    network.wait_for_sources(other.digest, 1, DEFAULT_TIMEOUT);
    let begun = Instant::now();
    assert_eq!([fetcher.peer.stop(), sharer.peer.stop(), network.index.stop()], [Some(0); 3]);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn programs_start_in_1970_and_in_2100() {
    let Some(clock) = FakeClock::new() else { return };
    for offset in ["-56y", "+74y"] {
        clock.set(offset);
        let mut network = TestNetwork::with_index(clock.start_index());
        let content = TestContent::random(473, 2 * PIECE_LENGTH);
        let mut sharer = clock.start_node(&network, &[("film.mkv", &content)], &[]);
        network.wait_for_files(sharer.peer.address(), 1);
        let mut fetcher = clock.start_node(&network, &[], &[]);
        fetcher.download(&content);
        assert_eq!([fetcher.peer.stop(), sharer.peer.stop(), network.index.stop()], [Some(0); 3], "{offset}");
    }
}

#[test]
fn index_and_its_maintenance_refuse_a_clock_before_1970() {
    let Some(clock) = FakeClock::new() else { return };
    clock.set("-70y");
    let mut index = IndexProcess::start();
    assert_eq!(index.stop(), Some(0));
    for arguments in [&[][..], &["check"], &["export", "-"]] {
        let mut command = Command::new(&programs().index_server);
        command.arg("--data-dir").arg(index.data_dir()).args(arguments).envs(clock.variables());
        let output = command.output().expect("the program ends");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(71), "{arguments:?}: {message}");
        assert!(message.contains("the clock of this machine is set to a time before 1970"), "{message}");
    }
}
