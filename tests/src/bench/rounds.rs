//! Who runs when: in each round everyone once, each round beginning with another one.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::contender::{self, Contender};
use super::figures::{Figures, Sample};
use super::options::Options;
use super::stage::Stage;
use super::warmth::Warmth;
use super::{interrupt, machine, table};
use crate::programs::programs;

/// How long the machine rests at least between the start of the senders and that of the transfer.
const REST: Duration = Duration::from_millis(500);

/// How often a sender may look at its door: aria2c, when it has nothing else to do, once a second. The rounds come at moments
/// spread evenly over that time, and all programs of a round at the same one; otherwise one that needs a fifth of a second
/// to load, which does not count, would find the door open every time a fifth of a second earlier than the others.
const DOOR: Duration = Duration::from_secs(1);

/// Runs what the options say, and prints it.
pub(super) fn run(options: &Options) -> Result<()> {
    interrupt::listen()?;
    let fields = fields(options)?;
    if options.list {
        fields.iter().for_each(Field::introduce);
        return Ok(());
    }
    programs();
    let dir = options.dir.clone().unwrap_or_else(env::temp_dir);
    let warmth = Warmth::begin(options)?;
    for (name, fact) in machine::facts(&dir, &warmth.describe())? {
        println!("{:<19} {fact}", format!("{name}:"));
    }
    println!();
    fields.iter().take(1).for_each(Field::introduce);
    let stage = Stage::set(options, &dir)?;
    table::print_legend();
    let sources: &[u8] = if options.small { &[1] } else { &options.sources };
    for (field, count) in fields.iter().flat_map(|field| sources.iter().map(move |count| (field, *count))) {
        let contenders = &field.contenders;
        let count = usize::from(count);
        let figures = measure(&stage, contenders, count, usize::from(options.runs))?;
        let what = if options.small { "1000 files of 10 KiB".into() } else { options.size.to_string() };
        let plural = if count == 1 { "" } else { "s" };
        let title = format!("{what} from {count} {}{plural}", field.sources);
        table::print(&title, contenders, &figures, stage.original.size);
    }
    Ok(())
}

/// Those that are compared in one table, and what they fetch from.
struct Field {
    contenders: Vec<Box<dyn Contender>>,
    sources: String,
}

impl Field {
    fn introduce(&self) {
        for contender in &self.contenders {
            println!("{:<15} {}", contender.name(), contender.about());
        }
    }
}

fn fields(options: &Options) -> Result<Vec<Field>> {
    let field = |all, sources: String| Ok(Field { contenders: choose(all, &options.only)?, sources });
    if options.small {
        return Ok(vec![field(contender::for_small_files(), "source".into())?]);
    }
    if options.seeders.is_empty() {
        return Ok(vec![field(contender::for_a_file(), "source".into())?]);
    }
    let seeders = options.seeders.iter().map(|seeders| {
        let all = match seeders.as_str() {
            "own" => Some(contender::for_a_torrent()),
            seeders => contender::for_a_torrent_from(seeders),
        };
        field(all.with_context(|| format!("nobody seeds as {seeders}"))?, format!("{seeders} seeder"))
    });
    seeders.collect()
}

/// Leaves out who was not asked for, and who cannot run here, which is said.
fn choose(all: Vec<Box<dyn Contender>>, only: &[String]) -> Result<Vec<Box<dyn Contender>>> {
    if let Some(unknown) = only.iter().find(|name| all.iter().all(|contender| contender.name() != *name)) {
        bail!("nobody is called {unknown}; --list names all");
    }
    let mut chosen = Vec::new();
    for (number, contender) in all.into_iter().enumerate() {
        if number > 0 && !only.is_empty() && !only.iter().any(|name| name == contender.name()) {
            continue;
        }
        match contender.missing() {
            Some(what) => println!("MISSING: {} does not take part, for lack of {what}", contender.name()),
            None => chosen.push(contender),
        }
    }
    Ok(chosen)
}

fn measure(
    stage: &Stage,
    contenders: &[Box<dyn Contender>],
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
            if contender.most_senders() >= count && !given_up[turn] {
                match once(stage, contender, count, round, rest(round, runs)) {
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
fn rest(round: usize, runs: usize) -> Duration {
    let part = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    REST + DOOR * part(round) / part(runs)
}

/// Lets a contender run once.
fn once(
    stage: &Stage,
    contender: &dyn Contender,
    count: usize,
    round: usize,
    rest: Duration,
) -> Result<Sample> {
    let folder = stage.run_folder()?;
    let senders = contender.senders(stage, count).context("its senders did not start")?;
    let receiver = contender.receiver(stage, &senders, folder.path())?;
    // What the one before has left to write is not for this one to wait for.
    rustix::fs::sync();
    let before = senders.cpu_time()?;
    let outcome = receiver.measure(folder.path(), stage.limit, rest)?;
    let spent = senders.cpu_time()?.saturating_sub(before);
    let result: PathBuf = folder.path().join(&receiver.result);
    let right =
        if round == 0 { stage.original.is_at(&result)? } else { stage.original.has_size_of(&result)? };
    if !right {
        bail!("what it received is not the original");
    }
    let own_rate = outcome.said.as_deref().and_then(|said| contender.own_rate(said));
    Ok(Sample { received: outcome, sending: spent, own_rate })
}
