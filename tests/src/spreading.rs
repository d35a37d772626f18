//! Measures how a file spreads from one slow source to peers that all want it, with real programs on this machine.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use protocol::units::{DisplayRate, DisplaySize, parse_size};

use crate::content::TestContent;
use crate::network::{RunningNode, TestNetwork};

/// Maximum time of the last peer, as a multiple of the time that the source needs to send the file once.
const MAX_SLOWDOWN: f64 = 1.3;

/// Measure how a file spreads from one source to peers that download it together, and print when each has it
#[derive(Debug, Parser)]
#[command(name = "spreading_processes", about)]
struct SpreadingOptions {
    /// Size of the file
    #[arg(long, default_value = "200MB", value_parser = parse_bytes)]
    size: u64,
    /// Upload rate of the source in bytes per second
    #[arg(long, default_value = "20MB", value_parser = parse_bytes)]
    rate: u64,
    /// Number of peers that want the file
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=32))]
    peers: u8,
    /// Number of runs
    #[arg(long, default_value_t = 3)]
    runs: u16,
    /// Accept what cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(|error| error.to_string())
}

/// Runs the benchmark with the options of the command line.
pub fn main() -> ExitCode {
    let options = SpreadingOptions::parse();
    let needed = seconds(options.size, options.rate);
    let (size, rate) = (DisplaySize(options.size), DisplayRate(as_float(options.rate)));
    println!("{size} from one source at {rate}, which takes {needed:.2} s, to {} peers", options.peers);
    let content = TestContent::random(options.size, usize::try_from(options.size).expect("a size in memory"));
    for run in 1..=options.runs {
        let (times, sent) = measure_spread(&content, &options);
        let ratios: Vec<String> =
            times.iter().map(|time| format!("{:.2}", time.as_secs_f64() / needed)).collect();
        let last = times.last().map_or(0.0, |time| time.as_secs_f64() / needed);
        let verdict = if last <= MAX_SLOWDOWN { "within" } else { "beyond" };
        println!(
            "run {run}: complete after {} of the source's time ({verdict} {MAX_SLOWDOWN}); the source sent the file {:.2} times",
            ratios.join(" "),
            as_float(sent) / as_float(options.size)
        );
    }
    ExitCode::SUCCESS
}

/// Spreads the file once. Returns when each peer had it, in order, and the number of bytes that the source sent.
fn measure_spread(content: &TestContent, options: &SpreadingOptions) -> (Vec<Duration>, u64) {
    let mut network = TestNetwork::new();
    let rate = options.rate.to_string();
    let mut source = network.start_node_with(&[("random.bin", content)], &["--max-upload-rate", &rate]);
    let nodes: Vec<RunningNode> = (0..options.peers).map(|_| network.start_node(&[])).collect();
    let start = Instant::now();
    let fetched: Vec<(RunningNode, Duration)> = thread::scope(|scope| {
        let fetch = |mut node: RunningNode| {
            let answer =
                node.peer.run_within(&format!("download {}", content.digest), Duration::from_hours(1));
            let took = start.elapsed();
            assert_eq!(answer.completed_downloads().len(), 1, "{answer:#?}");
            (node, took)
        };
        let threads: Vec<_> = nodes.into_iter().map(|node| scope.spawn(move || fetch(node))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a download")).collect()
    });
    let sent = source.bytes_sent();
    let mut times: Vec<Duration> = fetched
        .iter()
        .map(|(node, took)| {
            node.path_of(content);
            *took
        })
        .collect();
    times.sort_unstable();
    (times, sent)
}

fn seconds(bytes: u64, rate: u64) -> f64 {
    as_float(bytes) / as_float(rate)
}

#[expect(clippy::cast_precision_loss, reason = "figures that are shown with two decimals")]
fn as_float(bytes: u64) -> f64 {
    bytes as f64
}
