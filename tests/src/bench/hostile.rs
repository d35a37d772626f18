//! Downloads beside hostile sources. One honest source of 100 MB/s has the file, and so many others pretend to.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::content::Content;
use crate::hostile_peer::{HostilePeer, Lie};
use crate::network::Network;

/// The size of the file, in bytes.
const SIZE: usize = 64 << 20;

/// The rate of the honest source.
const RATE: &str = "100M";

/// How long sources may take to be listed.
const LISTED: Duration = Duration::from_mins(1);

/// Measures downloads beside hostile sources.
#[derive(Debug, Parser)]
struct Options {
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

/// What was seen of a download.
#[derive(Debug, Clone, Copy)]
struct Seen {
    time: Duration,
    /// Bytes of content that were fetched, wrong ones included.
    fetched: u64,
}

/// An attack and who mounts it; sources that lie in different ways take turns.
#[derive(Debug)]
struct Attack {
    name: &'static str,
    lies: &'static [Lie],
}

const ATTACKS: &[Attack] = &[
    Attack { name: "forged manifest, 2 KB/s", lies: &[Lie::ForgesSlowly(0)] },
    Attack { name: "forged manifest, place 1000", lies: &[Lie::ForgesAndChokes(0)] },
    Attack {
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
    Attack { name: "wrong bytes", lies: &[Lie::WrongBytes] },
    Attack { name: "every fourth piece wrong", lies: &[Lie::WrongEvery(4)] },
    Attack { name: "never greets", lies: &[Lie::NeverGreets] },
    Attack { name: "never answers", lies: &[Lie::NeverAnswers] },
    Attack { name: "stalls within a block", lies: &[Lie::Stall] },
    Attack { name: "true bytes, 2 KB/s", lies: &[Lie::Trickles] },
    Attack { name: "queued for ever", lies: &[Lie::Chokes] },
    Attack { name: "rejects everything", lies: &[Lie::Rejects] },
    Attack { name: "reset at 99 % of a block", lies: &[Lie::BreaksLate] },
    Attack {
        name: "all of them",
        lies: &[
            Lie::ForgesSlowly(0),
            Lie::WrongBytes,
            Lie::NeverGreets,
            Lie::NeverAnswers,
            Lie::Trickles,
            Lie::Chokes,
            Lie::BreaksLate,
            Lie::WrongEvery(4),
            Lie::Stall,
            Lie::Forges(1),
        ],
    },
];

/// Runs the benchmark as the command line says.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let content = Content::random(64, SIZE);
    let undisturbed = slowest(&content, &[], 0, options.runs);
    println!("\n64 MiB from one honest source of 100 MB/s; the slowest of {} runs\n", options.runs);
    println!("| attack | hostile | seconds | at most | bytes fetched | at most | |");
    println!("|---|--:|--:|--:|--:|--:|---|");
    println!("| none | 0 | {:.2} | | {:.2} | | |", undisturbed.time.as_secs_f64(), times(undisturbed));
    let mut missed = 0;
    for attack in ATTACKS.iter().filter(|attack| attack.name.contains(&options.only)) {
        for &count in &options.counts {
            let seen = slowest(&content, attack.lies, count, options.runs);
            let (time, bytes) = required(undisturbed, count);
            let is_met = seen.time <= time && times(seen) <= bytes;
            missed += usize::from(!is_met);
            println!(
                "| {} | {count} | {:.2} | {:.2} | {:.2} | {bytes:.2} | {} |",
                attack.name,
                seen.time.as_secs_f64(),
                time.as_secs_f64(),
                times(seen),
                if is_met { "met" } else { "**missed**" },
            );
        }
    }
    println!("\n{missed} missed");
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns how long a download may take, and how many times its size it may fetch.
fn required(undisturbed: Seen, count: usize) -> (Duration, f64) {
    (Duration::from_secs(3) + 3 * undisturbed.time, if count <= 10 { 1.25 } else { 1.5 })
}

#[expect(clippy::cast_precision_loss, reason = "figures of three digits")]
fn times(seen: Seen) -> f64 {
    seen.fetched as f64 / SIZE as f64
}

/// Returns the longest time and the most bytes of some runs.
fn slowest(content: &Content, lies: &[Lie], count: usize, runs: usize) -> Seen {
    let all = (0..runs.max(1)).map(|_| download(content, lies, count));
    let worst = |one: Seen, other: Seen| Seen {
        time: one.time.max(other.time),
        fetched: one.fetched.max(other.fetched),
    };
    all.reduce(worst).expect("at least one run")
}

/// Downloads the file once.
fn download(content: &Content, lies: &[Lie], count: usize) -> Seen {
    let mut network = Network::new();
    let index = network.index.address();
    let share = |place: usize| count / lies.len() + usize::from(place < count % lies.len());
    let crowds = lies.iter().enumerate();
    let hostile: Vec<HostilePeer> = crowds
        .flat_map(|(place, lie)| HostilePeer::crowd(index, "file.bin", content, *lie, share(place)))
        .collect();
    let _honest = network.sharer(&[("file.bin", content)], &["--max-upload-rate", RATE]);
    let mut fetcher = network.node(&[]);
    network.wait_for_sources(content.digest, hostile.len() + 1, LISTED);
    let begun = Instant::now();
    let answer = fetcher.peer.say(&format!("download {}", content.digest));
    let time = begun.elapsed();
    let done = answer.done();
    assert_eq!(done.len(), 1, "{answer:#?}");
    fetcher.has(content);
    Seen { time, fetched: done.iter().map(crate::peer::Done::given).sum() }
}
