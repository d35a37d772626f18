//! Who runs when: in each round everyone once, each round beginning with another one.

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

/// How long the machine rests at least between the start of the senders and that of the transfer.
const MIN_REST: Duration = Duration::from_millis(500);

/// How often a sender may look at its door: aria2c, when it has nothing else to do, once a second. The rounds come at moments
/// spread evenly over that time, and all programs of a round at the same one; otherwise one that needs a fifth of a second
/// to load, which does not count, would find the door open every time a fifth of a second earlier than the others.
const SENDER_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Runs what the options say, and prints it.
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
    let stage = BenchSetup::create(options, &dir)?;
    table::print_legend();
    let sources: &[u8] = if options.small { &[1] } else { &options.sources };
    for (field, count) in fields.iter().flat_map(|field| sources.iter().map(move |count| (field, *count))) {
        let contenders = &field.contenders;
        let count = usize::from(count);
        let figures = measure_rounds(&stage, contenders, count, usize::from(options.runs))?;
        let what = if options.small { "1000 files of 10 KiB".into() } else { options.size.to_string() };
        let plural = if count == 1 { "" } else { "s" };
        let title = format!("{what} from {count} {}{plural}", field.sources);
        table::print(&title, contenders, &figures, stage.original.size);
    }
    Ok(())
}

/// Those that are compared in one table, and what they fetch from.
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
        field(all.with_context(|| format!("nobody seeds as {seeders}"))?, format!("{seeders} seeder"))
    });
    seeders.collect()
}

/// Leaves out who was not asked for, and who cannot run here, which is said.
fn choose_contenders(
    all: Vec<Box<dyn TransferContender>>,
    only: &[String],
) -> Result<Vec<Box<dyn TransferContender>>> {
    if let Some(unknown) = only.iter().find(|name| all.iter().all(|contender| contender.name() != *name)) {
        bail!("nobody is called {unknown}; --list names all");
    }
    let mut chosen = Vec::new();
    for (number, contender) in all.into_iter().enumerate() {
        if number > 0 && !only.is_empty() && !only.iter().any(|name| name == contender.name()) {
            continue;
        }
        match contender.missing_requirement() {
            Some(what) => println!("MISSING: {} does not take part, for lack of {what}", contender.name()),
            None => chosen.push(contender),
        }
    }
    Ok(chosen)
}

fn measure_rounds(
    stage: &BenchSetup,
    contenders: &[Box<dyn TransferContender>],
    count: usize,
    runs: usize,
) -> Result<Vec<Figures>> {
    let mut figures: Vec<Figures> = contenders.iter().map(|_| Figures::default()).collect();
    let mut given_up = vec![false; contenders.len()];
    for round in 0..runs {
        for place in 0..contenders.len() {
            let turn = (place + round) % contenders.len();
            let contender = contenders[turn].as_ref();
            let mut sample = None;
            if contender.max_senders() >= count && !given_up[turn] {
                match run_once(stage, contender, count, round, rest_before_round(round, runs)) {
                    Ok(run) => sample = Some(run),
                    Err(error) => {
                        interrupt::check()?;
                        given_up[turn] = true;
                        println!(
                            "FAILED: {} with {count} sources, round {}: {error:#}",
                            contender.name(),
                            round + 1
                        );
                    }
                }
            }
            figures[turn].0.push(sample);
        }
    }
    Ok(figures)
}

/// Says how long the machine rests in a round.
fn rest_before_round(round: usize, runs: usize) -> Duration {
    let part = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    MIN_REST + SENDER_POLL_INTERVAL * part(round) / part(runs)
}

/// Lets a contender run once.
fn run_once(
    stage: &BenchSetup,
    contender: &dyn TransferContender,
    count: usize,
    round: usize,
    rest: Duration,
) -> Result<Sample> {
    let folder = stage.run_folder()?;
    let senders = contender.start_senders(stage, count).context("its senders did not start")?;
    let receiver = contender.receiver_command(stage, &senders, folder.path())?;
    // What the one before has left to write is not for this one to wait for.
    rustix::fs::sync();
    let before = senders.cpu_time()?;
    let outcome = receiver.measure(folder.path(), stage.limit, rest)?;
    let spent = senders.cpu_time()?.saturating_sub(before);
    let result: PathBuf = folder.path().join(&receiver.result);
    let right =
        if round == 0 { stage.original.matches(&result)? } else { stage.original.has_size_of(&result)? };
    if !right {
        bail!("what it received is not the original");
    }
    let own_rate = outcome.done_line.as_deref().and_then(|said| contender.reported_rate(said));
    Ok(Sample { received: outcome, sender_cpu: spent, reported_rate: own_rate })
}
