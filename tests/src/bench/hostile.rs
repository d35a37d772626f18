//! Downloads beside hostile sources. One honest source has the file at 100 MB/s; the other sources attack.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::content::TestContent;
use crate::hostile_peer::{HostilePeer, Lie};
use crate::network::TestNetwork;

/// The size of the file, in bytes.
const SIZE: usize = 64 << 20;

/// The rate of the honest source.
const RATE: &str = "100M";

/// Time limit for the index to list all sources.
const LISTING_TIMEOUT: Duration = Duration::from_mins(1);

/// Measures downloads beside hostile sources.
#[derive(Debug, Parser)]
struct HostileOptions {
    /// Numbers of hostile sources
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,10,100")]
    counts: Vec<usize>,

    /// Run only attacks whose name contains this
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,

    /// Runs per row; the slowest counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,

    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// The cost of one download.
#[derive(Debug, Clone, Copy)]
struct DownloadCost {
    time: Duration,
    /// Content bytes that were downloaded, including wrong ones.
    fetched: u64,
}

/// An attack and its sources. Sources with different behaviour alternate.
#[derive(Debug)]
struct AttackScenario {
    name: &'static str,
    lies: &'static [Lie],
}

const ATTACKS: &[AttackScenario] = &[
    AttackScenario { name: "forged manifest, 2 KB/s", lies: &[Lie::ForgesSlowly(0)] },
    AttackScenario { name: "forged manifest, place 1000 in the queue", lies: &[Lie::ForgesAndChokes(0)] },
    AttackScenario {
        name: "eight forged manifests",
        lies: &[
            Lie::Forges(0),
            Lie::Forges(1),
            Lie::Forges(2),
            Lie::Forges(3),
            Lie::Forges(4),
            Lie::Forges(5),
            Lie::Forges(6),
            Lie::Forges(7),
        ],
    },
    AttackScenario { name: "wrong bytes", lies: &[Lie::WrongBytes] },
    AttackScenario { name: "every fourth piece wrong", lies: &[Lie::WrongEvery(4)] },
    AttackScenario { name: "never greets", lies: &[Lie::NeverGreets] },
    AttackScenario { name: "never answers", lies: &[Lie::NeverAnswers] },
    AttackScenario { name: "stalls within a block", lies: &[Lie::Stall] },
    AttackScenario { name: "true bytes, 2 KB/s", lies: &[Lie::Trickles] },
    AttackScenario { name: "queued for ever", lies: &[Lie::Chokes] },
    AttackScenario { name: "rejects everything", lies: &[Lie::Rejects] },
    AttackScenario { name: "reset at 99 % of a block", lies: &[Lie::DisconnectsLate] },
    AttackScenario {
        name: "all of them",
        lies: &[
            Lie::ForgesSlowly(0),
            Lie::WrongBytes,
            Lie::NeverGreets,
            Lie::NeverAnswers,
            Lie::Trickles,
            Lie::Chokes,
            Lie::DisconnectsLate,
            Lie::WrongEvery(4),
            Lie::Stall,
            Lie::Forges(1),
        ],
    },
];

/// Runs the benchmark with the options of the command line.
pub fn main() -> ExitCode {
    let options = HostileOptions::parse();
    let content = TestContent::random(64, SIZE);
    let undisturbed = worst_of_runs(&content, &[], 0, options.runs);
    println!("\n64 MiB from one honest source of 100 MB/s; the slowest of {} runs\n", options.runs);
    println!("| attack | hostile | seconds | at most | bytes fetched | at most | |");
    println!("|---|--:|--:|--:|--:|--:|---|");
    println!(
        "| none | 0 | {:.2} | | {:.2} | | |",
        undisturbed.time.as_secs_f64(),
        fetched_ratio(undisturbed)
    );
    let mut missed = 0;
    for attack in ATTACKS.iter().filter(|attack| attack.name.contains(&options.only)) {
        for &count in &options.counts {
            let seen = worst_of_runs(&content, attack.lies, count, options.runs);
            let (time, bytes) = allowed_cost(undisturbed, count);
            let is_met = seen.time <= time && fetched_ratio(seen) <= bytes;
            missed += usize::from(!is_met);
            println!(
                "| {} | {count} | {:.2} | {:.2} | {:.2} | {bytes:.2} | {} |",
                attack.name,
                seen.time.as_secs_f64(),
                time.as_secs_f64(),
                fetched_ratio(seen),
                if is_met { "met" } else { "**missed**" },
            );
        }
    }
    println!("\n{missed} missed");
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns the maximum duration of a download and the maximum ratio of bytes downloaded to its size.
fn allowed_cost(undisturbed: DownloadCost, count: usize) -> (Duration, f64) {
    (Duration::from_secs(3) + 3 * undisturbed.time, if count <= 10 { 1.25 } else { 1.5 })
}

#[expect(clippy::cast_precision_loss, reason = "figures of three digits")]
fn fetched_ratio(seen: DownloadCost) -> f64 {
    seen.fetched as f64 / SIZE as f64
}

/// Returns the longest duration and the largest byte count of several runs.
fn worst_of_runs(content: &TestContent, lies: &[Lie], count: usize, runs: usize) -> DownloadCost {
    let all = (0..runs.max(1)).map(|_| download(content, lies, count));
    let worst = |one: DownloadCost, other: DownloadCost| DownloadCost {
        time: one.time.max(other.time),
        fetched: one.fetched.max(other.fetched),
    };
    all.reduce(worst).expect("at least one run")
}

/// Downloads the file once.
fn download(content: &TestContent, lies: &[Lie], count: usize) -> DownloadCost {
    let mut network = TestNetwork::new();
    let index = network.index.address();
    let share = |position: usize| count / lies.len() + usize::from(position < count % lies.len());
    let crowds = lies.iter().enumerate();
    let hostile: Vec<HostilePeer> = crowds
        .flat_map(|(position, lie)| HostilePeer::join_many(index, "file.bin", content, *lie, share(position)))
        .collect();
    let _honest = network.start_node_with(&[("file.bin", content)], &["--max-upload-rate", RATE]);
    let mut fetcher = network.start_node(&[]);
    network.wait_for_sources(content.digest, hostile.len() + 1, LISTING_TIMEOUT);
    let start = Instant::now();
    let answer = fetcher.peer.run(&format!("download {}", content.digest));
    let time = start.elapsed();
    let done = answer.completed_downloads();
    assert_eq!(done.len(), 1, "{answer:#?}");
    fetcher.path_of(content);
    DownloadCost { time, fetched: done.iter().map(crate::peer::CompletedDownload::bytes_received).sum() }
}
