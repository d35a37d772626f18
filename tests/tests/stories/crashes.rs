//! `kill -9` of a downloading node at fifty random moments of one download.

use std::env;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tests::content::{Noise, PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, eventually, poll_within};
use tests::network::{RunningNode, TestNetwork};
use tests::peer::peer_node;
use tests::process::Process;

const MIB: u64 = 1 << 20;

/// Number of kills while pieces arrive, soon after the start, and before the last pieces.
const KILLS: [usize; 3] = [26, 16, 8];

/// Maximum loss per kill: unrecorded pieces and unverified pieces.
const MAX_LOSS: u64 = (8 + 4) * MIB;

/// Time limit of the whole story on a busy machine.
const TIME_LIMIT: Duration = Duration::from_mins(4);

/// The moment of a kill.
#[derive(Debug, Clone, Copy)]
enum KillMoment {
    /// A given time after the program was started.
    AfterStart(Duration),
    /// Once a given number of bytes is verified.
    AtBytesVerified(u64),
}

/// Draws the moments from a seed, with those of the progress in ascending order.
fn draw_kill_moments(seed: u64, size: u64) -> Vec<KillMoment> {
    let mut noise = Noise::from_seed(seed);
    let mut draw = |bound: u64| {
        let mut bytes = [0; 8];
        noise.fill(&mut bytes);
        u64::from_le_bytes(bytes) % bound
    };
    let [amid, early, late] = KILLS;
    let mut progress: Vec<u64> = (0..amid).map(|_| draw(size)).collect();
    progress.extend((0..late).map(|_| size - 1 - draw(32 * PIECE_LENGTH as u64)));
    progress.sort_unstable();
    let mut moments: Vec<KillMoment> = progress.into_iter().map(KillMoment::AtBytesVerified).collect();
    for _ in 0..early {
        let at = usize::try_from(draw(moments.len() as u64)).expect("an index");
        moments.insert(at, KillMoment::AfterStart(Duration::from_millis(draw(600))));
    }
    moments
}

/// Restarts the downloading node and kills it at a moment. Returns true if the download was still incomplete.
fn run_until_killed(moment: KillMoment, network: &TestNetwork, node: &mut RunningNode) -> bool {
    match moment {
        KillMoment::AfterStart(pause) => {
            let mut command = peer_node(0, network.index.address(), node.folder.path());
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut process = Process::spawn("peer-node", command);
            let ended = poll_within(pause, || (!process.is_running()).then_some(()));
            assert!(ended.is_none(), "the node ended before it was killed");
            process.kill();
            fs::read_dir(node.folder.path().join(".peerdex/partial"))
                .is_ok_and(|mut parts| parts.next().is_some())
        }
        KillMoment::AtBytesVerified(bytes) => {
            node.restart(network.index.address());
            // If the download was complete when the node was killed, it is no longer listed.
            let verified = eventually("the download to progress", DEFAULT_TIMEOUT, || {
                let verified = node.peer.run("transfers").bytes_verified();
                verified.is_none_or(|verified| verified >= bytes).then_some(verified)
            });
            node.peer.kill();
            verified.is_some()
        }
    }
}

#[test]
fn download_survives_fifty_kills_with_little_refetched() {
    let seed = env::var("STORY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(430);
    eprintln!("STORY_SEED={seed}");
    let start = Instant::now();
    let mut network = TestNetwork::new();
    let content = TestContent::random(430, 1024 * PIECE_LENGTH);
    let limited = ["--max-upload-rate", "12M"];
    let mut sharers: Vec<RunningNode> =
        (0..2).map(|_| network.start_node_with(&[("big.iso", &content)], &limited)).collect();
    let mut node = network.start_node(&[]);
    let mine = [("big.iso.old", "mine"), ("big (1).iso.part", "mine too"), ("notes.txt", "")];
    for (name, text) in mine {
        fs::write(node.folder.path().join(name), text).expect("a file");
    }
    node.peer.run(&format!("download {} &", content.digest));
    eventually("the download to be listed", DEFAULT_TIMEOUT, || {
        let list = fs::read_to_string(node.folder.path().join(".peerdex/downloads.json")).ok()?;
        list.contains(&content.digest.to_string()).then_some(())
    });
    let moments = draw_kill_moments(seed, content.size());
    let mut amid = 0;
    for (number, moment) in moments.iter().enumerate() {
        eprintln!("{:?}: kill {number} at {moment:?}", start.elapsed());
        amid += usize::from(run_until_killed(*moment, &network, &mut node));
    }
    // The download may complete shortly before the last kills.
    assert!(amid + 10 >= moments.len(), "only {amid} kills hit the download");
    node.restart(network.index.address());
    let path = node.folder.path().join("big.iso");
    eventually("the download to complete", DEFAULT_TIMEOUT, || path.exists().then_some(()));
    assert_eq!(node.path_of(&content), "big.iso");
    for (name, text) in mine {
        assert_eq!(fs::read_to_string(node.folder.path().join(name)).expect("a file"), text);
    }
    eventually("the partial file to be removed", DEFAULT_TIMEOUT, || {
        (node.folder.visible_files().len() == mine.len() + 1).then_some(())
    });
    let sent: u64 = sharers.iter_mut().map(RunningNode::bytes_sent).sum();
    eprintln!(
        "killed {amid} times during the download; {} MiB sent for {} MiB, {} KiB more per kill, in {:?}",
        sent / MIB,
        content.size() / MIB,
        (sent - content.size()) / 1024 / moments.len() as u64,
        start.elapsed()
    );
    assert!(sent <= content.size() + moments.len() as u64 * MAX_LOSS, "{sent} bytes sent");
    assert!(start.elapsed() < TIME_LIMIT, "{:?}", start.elapsed());
}
