//! `kill -9` of the fetcher at fifty random moments of one download.

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

/// How often it is killed while pieces come, soon after its start, and with its last pieces to come.
const KILLS: [usize; 3] = [26, 16, 8];

/// What may be lost each time: what is not noted yet, and what is not verified yet.
const MAX_LOSS: u64 = (8 + 4) * MIB;

/// How long all of it may take, on a busy machine.
const TIME_LIMIT: Duration = Duration::from_mins(4);

/// When a fetcher is killed.
#[derive(Debug, Clone, Copy)]
enum KillMoment {
    /// So long after its program was started.
    AfterStart(Duration),
    /// Once so many bytes are verified.
    AtBytesVerified(u64),
}

/// Draws the moments of a seed, those of its progress in their order.
fn draw_kill_moments(seed: u64, size: u64) -> Vec<KillMoment> {
    let mut noise = Noise::from_seed(seed);
    let mut draw = |upto: u64| {
        let mut bytes = [0; 8];
        noise.fill(&mut bytes);
        u64::from_le_bytes(bytes) % upto
    };
    let [amid, early, late] = KILLS;
    let mut here: Vec<u64> = (0..amid).map(|_| draw(size)).collect();
    here.extend((0..late).map(|_| size - 1 - draw(32 * PIECE_LENGTH as u64)));
    here.sort_unstable();
    let mut moments: Vec<KillMoment> = here.into_iter().map(KillMoment::AtBytesVerified).collect();
    for _ in 0..early {
        let at = usize::try_from(draw(moments.len() as u64)).expect("a place");
        moments.insert(at, KillMoment::AfterStart(Duration::from_millis(draw(600))));
    }
    moments
}

/// Starts the fetcher again and kills it at a moment; says whether there was something to do for it.
fn run_until_killed(moment: KillMoment, network: &TestNetwork, node: &mut RunningNode) -> bool {
    match moment {
        KillMoment::AfterStart(pause) => {
            let mut command = peer_node(0, network.index.address(), node.folder.path());
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut process = Process::spawn("peer-node", command);
            let ended = poll_within(pause, || (!process.is_running()).then_some(()));
            assert!(ended.is_none(), "the fetcher has ended by itself");
            process.kill();
            fs::read_dir(node.folder.path().join(".peerdex/partial"))
                .is_ok_and(|mut parts| parts.next().is_some())
        }
        KillMoment::AtBytesVerified(bytes) => {
            node.restart(network.index.address());
            // Once it was complete when it was killed there is no download any more.
            let here = eventually("the download to get further", DEFAULT_TIMEOUT, || {
                let here = node.peer.run("transfers").bytes_verified();
                here.is_none_or(|here| here >= bytes).then_some(here)
            });
            node.peer.kill();
            here.is_some()
        }
    }
}

#[test]
fn download_survives_fifty_kills_with_little_refetched() {
    let seed = env::var("STORY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(430);
    eprintln!("STORY_SEED={seed}");
    let begun = Instant::now();
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
        eprintln!("{:?}: kill {number} at {moment:?}", begun.elapsed());
        amid += usize::from(run_until_killed(*moment, &network, &mut node));
    }
    // It may be complete a little before the last ones.
    assert!(amid + 10 >= moments.len(), "it was under way at {amid} kills only");
    node.restart(network.index.address());
    let path = node.folder.path().join("big.iso");
    eventually("the download to be complete", DEFAULT_TIMEOUT, || path.exists().then_some(()));
    assert_eq!(node.path_of(&content), "big.iso");
    for (name, text) in mine {
        assert_eq!(fs::read_to_string(node.folder.path().join(name)).expect("a file"), text);
    }
    eventually("the part to be gone", DEFAULT_TIMEOUT, || {
        (node.folder.visible_files().len() == mine.len() + 1).then_some(())
    });
    let sent: u64 = sharers.iter_mut().map(RunningNode::bytes_sent).sum();
    eprintln!(
        "killed {amid} times on the way; {} MiB sent for {} MiB, {} KiB more a kill, in {:?}",
        sent / MIB,
        content.size() / MIB,
        (sent - content.size()) / 1024 / moments.len() as u64,
        begun.elapsed()
    );
    assert!(sent <= content.size() + moments.len() as u64 * MAX_LOSS, "{sent} bytes sent");
    assert!(begun.elapsed() < TIME_LIMIT, "{:?}", begun.elapsed());
}
