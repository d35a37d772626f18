//! The order of the runs: each contender runs once per round, and each round begins with a different one.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::bench_setup::BenchSetup;
use super::contender::{self, TransferContender};
use super::figures::{Figures, Sample};
use super::options::TransferOptions;
use super::warmth::MemoryWarmth;
use super::{interrupt, machine, table};
use crate::programs::programs;

/// Minimum pause between the start of the senders and that of the transfer.
const MIN_REST: Duration = Duration::from_millis(500);

/// Longest interval at which a sender polls for connections: an idle aria2c polls once a second. The rounds start at
/// times spread evenly over this interval, and all programs of one round at the same time. Otherwise a program whose
/// loading time (which does not count) is a fifth of a second would always meet the poll a fifth of a second earlier
/// than the others.
const SENDER_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the benchmark as configured and prints the results.
pub(super) fn run(options: &TransferOptions) -> Result<()> {
    interrupt::listen()?;
    let fields = comparisons(options)?;
    if options.list {
        fields.iter().for_each(Comparison::print_contenders);
        return Ok(());
    }
    programs();
    let dir = options.dir.clone().unwrap_or_else(env::temp_dir);
    let warmth = MemoryWarmth::begin(options)?;
    for (name, fact) in machine::facts(&dir, &warmth.describe())? {
        println!("{:<19} {fact}", format!("{name}:"));
    }
    println!();
    fields.iter().take(1).for_each(Comparison::print_contenders);
    let setup = BenchSetup::create(options, &dir)?;
    table::print_legend();
    let sources: &[u8] = if options.small { &[1] } else { &options.sources };
    for (field, count) in fields.iter().flat_map(|field| sources.iter().map(move |count| (field, *count))) {
        let contenders = &field.contenders;
        let count = usize::from(count);
        let figures = measure_rounds(&setup, contenders, count, usize::from(options.runs))?;
        let what = if options.small { "1000 files of 10 KiB".into() } else { options.size.to_string() };
        let plural = if count == 1 { "" } else { "s" };
        let title = format!("{what} from {count} {}{plural}", field.sources);
        table::print(&title, contenders, &figures, setup.original.size);
    }
    Ok(())
}

/// The contenders of one table and the kind of sources they download from.
struct Comparison {
    contenders: Vec<Box<dyn TransferContender>>,
    sources: String,
}

impl Comparison {
    fn print_contenders(&self) {
        for contender in &self.contenders {
            println!("{:<15} {}", contender.name(), contender.description());
        }
    }
}

fn comparisons(options: &TransferOptions) -> Result<Vec<Comparison>> {
    let field =
        |all, sources: String| Ok(Comparison { contenders: choose_contenders(all, &options.only)?, sources });
    if options.small {
        return Ok(vec![field(contender::for_small_files(), "source".into())?]);
    }
    if options.seeders.is_empty() {
        return Ok(vec![field(contender::for_large_file(), "source".into())?]);
    }
    let seeders = options.seeders.iter().map(|seeders| {
        let all = match seeders.as_str() {
            "own" => Some(contender::for_torrent()),
            seeders => contender::for_torrent_with_seeders(seeders),
        };
        field(
            all.with_context(|| format!("no contender {seeders} seeds torrents"))?,
            format!("{seeders} seeder"),
        )
    });
    seeders.collect()
}

/// Removes contenders that were not requested, and reports and removes those that cannot run here.
fn choose_contenders(
    all: Vec<Box<dyn TransferContender>>,
    only: &[String],
) -> Result<Vec<Box<dyn TransferContender>>> {
    if let Some(unknown) = only.iter().find(|name| all.iter().all(|contender| contender.name() != *name)) {
        bail!("unknown contender {unknown}; --list prints all");
    }
    let mut chosen = Vec::new();
    for (number, contender) in all.into_iter().enumerate() {
        if number > 0 && !only.is_empty() && !only.iter().any(|name| name == contender.name()) {
            continue;
        }
        match contender.missing_requirement() {
            Some(what) => println!("SKIPPED: {} is left out: no {what}", contender.name()),
            None => chosen.push(contender),
        }
    }
    Ok(chosen)
}

fn measure_rounds(
    setup: &BenchSetup,
    contenders: &[Box<dyn TransferContender>],
    count: usize,
    runs: usize,
) -> Result<Vec<Figures>> {
    let mut figures: Vec<Figures> = contenders.iter().map(|_| Figures::default()).collect();
    let mut failed = vec![false; contenders.len()];
    for round in 0..runs {
        for position in 0..contenders.len() {
            let index = (position + round) % contenders.len();
            let contender = contenders[index].as_ref();
            let mut sample = None;
            if contender.max_senders() >= count && !failed[index] {
                match run_once(setup, contender, count, round, rest_before_round(round, runs)) {
                    Ok(run) => sample = Some(run),
                    Err(error) => {
                        interrupt::check()?;
                        failed[index] = true;
                        println!(
                            "FAILED: {} with {count} sources, round {}: {error:#}",
                            contender.name(),
                            round + 1
                        );
                    }
                }
            }
            figures[index].0.push(sample);
        }
    }
    Ok(figures)
}

/// Returns the pause before the transfer in a round.
fn rest_before_round(round: usize, runs: usize) -> Duration {
    let part = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    MIN_REST + SENDER_POLL_INTERVAL * part(round) / part(runs)
}

/// Runs a contender once.
fn run_once(
    setup: &BenchSetup,
    contender: &dyn TransferContender,
    count: usize,
    round: usize,
    rest: Duration,
) -> Result<Sample> {
    let folder = setup.run_folder()?;
    let senders = contender.start_senders(setup, count).context("the senders did not start")?;
    let receiver = contender.receiver_command(setup, &senders, folder.path())?;
    // Flushes what the previous run has left to write, so that this run does not wait for it.
    rustix::fs::sync();
    let before = senders.cpu_time()?;
    let outcome = receiver.measure(folder.path(), setup.limit, rest)?;
    let spent = senders.cpu_time()?.saturating_sub(before);
    let result: PathBuf = folder.path().join(&receiver.result);
    let is_correct =
        if round == 0 { setup.original.matches(&result)? } else { setup.original.has_size_of(&result)? };
    if !is_correct {
        bail!("the received file differs from the original");
    }
    let own_rate = outcome.done_line.as_deref().and_then(|line| contender.reported_rate(line));
    Ok(Sample { received: outcome, sender_cpu: spent, reported_rate: own_rate })
}
