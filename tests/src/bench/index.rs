//! The benchmark of the index: a real process, real connections, names that look like those people give their files.
//!
//! Nodes connect, prove who they are, answer when they are called back, and register their lists; then searches of several
//! kinds are timed over one connection, with and without others registering meanwhile, and counted over many. At the end
//! the index is started again. The clients run on the same machine and take their share of it.

mod asking;
mod crowd;
mod lists;
mod node;
mod options;
mod queries;
mod resident;
mod vocabulary;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser as _;

use super::machine::{self, Processors};
use crate::index::Index;
use asking::{Timed, count_searches, time_searches, time_searches_beside};
use crowd::Crowd;
use lists::Lists;
use options::Options;
use queries::{KINDS, Queries};
use resident::resident;

/// How often each kind of query is asked where it is timed.
const TIMES: usize = 2000;

/// Runs the benchmark as the command line says.
pub fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    for (fact, value) in machine::facts(&std::env::temp_dir(), "as they are")? {
        println!("{fact}: {value}");
    }
    let lists = Lists::new(options);
    if let Some(path) = &options.export {
        return export(&lists, options, path);
    }
    let arguments: Vec<&str> = options.index.iter().map(String::as_str).collect();
    let mut index = match &options.data_dir {
        Some(folder) => Index::start_on(folder, "127.0.0.1:0", &arguments),
        None => Index::start_with("127.0.0.1:0", &arguments),
    };
    println!("{} files of {} nodes, seed {}", options.files, options.nodes, options.seed);
    let mut crowd = Crowd::connect(index.address(), options.nodes)?;
    let queries = Queries::new(&lists, options, TIMES);
    let registering = || register(&mut crowd, &lists, options);
    let ((), beside) = time_searches_beside(index.address(), &queries, registering)?;
    println!("searches now and then meanwhile: {beside}");
    say_memory("after the registrations", index.id())?;
    let processors = Processors::now();
    say_times("one connection, nothing else", &time_searches(index.address(), &queries)?, processors);
    crowd.keep_registering(&lists, options);
    let (before, processors) = (Instant::now(), Processors::now());
    let beside = time_searches(index.address(), &queries)?;
    let (files, took) = (crowd.stop_registering()?, before.elapsed());
    say_times("one connection, while others register", &beside, processors);
    println!("meanwhile {} nodes registered {:.0} files/s", options.busy, per_second(files, took));
    say_memory("after more registrations", index.id())?;
    let processors = Processors::now();
    let (searches, timed) = count_searches(index.address(), &queries, options)?;
    let rate = per_second(searches, Duration::from_secs(options.seconds));
    println!("{} connections: {rate:.0} searches/s, {timed}", options.connections);
    say_stolen(processors);
    say_memory("after all searches", index.id())?;
    drop(crowd);
    restart(&mut index)
}

fn register(crowd: &mut Crowd, lists: &Lists, options: &Options) -> Result<()> {
    let (files, took, timed) = crowd.register(lists, options)?;
    println!(
        "registered {files} files in {:.2} s: {:.0} files/s; an acknowledgement took {timed}",
        took.as_secs_f64(),
        per_second(files, took)
    );
    Ok(())
}

fn restart(index: &mut Index) -> Result<()> {
    let begun = Instant::now();
    let status = index.stop();
    println!("stopped in {:.2} s (status {status:?})", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    index.restart();
    let statistics = index.session().statistics();
    println!("started again in {:.2} s with {} files", begun.elapsed().as_secs_f64(), statistics.files);
    say_memory("after the start", index.id())
}

fn say_memory(when: &str, process: u32) -> Result<()> {
    let (now, most) = resident(process).context("cannot tell the memory of the index")?;
    println!("resident {when}: {} MiB, at most {} MiB", now >> 20, most >> 20);
    Ok(())
}

fn say_times(what: &str, times: &[(Timed, f64)], before: Option<Processors>) {
    println!("searches over {what}:");
    for (kind, (timed, hits)) in KINDS.iter().zip(times) {
        println!("  {:<18} {timed}; {hits:.1} hits", kind.name());
    }
    let all = Timed::join(times.iter().map(|(timed, _)| timed));
    println!("  {:<18} {all}", "all");
    say_stolen(before);
}

fn say_stolen(before: Option<Processors>) {
    println!("  of the processors' time, the host gave {} to others", Processors::stolen_since(before));
}

/// Writes the names and the queries to files, for other programs to be measured with.
fn export(lists: &Lists, options: &Options, path: &std::path::Path) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for node in 0..options.nodes {
        for file in lists.of_node(node, 0) {
            writeln!(out, "{}", file.path)?;
        }
    }
    out.flush()?;
    let mut out = BufWriter::new(File::create(path.with_extension("queries"))?);
    for (kind, texts) in Queries::new(lists, options, TIMES).kinds() {
        for text in texts {
            writeln!(out, "{}\t{text}", kind.name())?;
        }
    }
    Ok(out.flush()?)
}

#[expect(clippy::cast_precision_loss, reason = "shown without decimals")]
fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
