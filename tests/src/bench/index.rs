//! The index benchmark: a real process, real connections and realistic file names.
//!
//! Nodes connect, authenticate, answer the reachability probe and register their lists. Searches of several kinds are
//! then timed over one connection, with and without concurrent registrations, and counted over many connections.
//! Finally the index is restarted. The clients share the machine with the index.

mod node;
mod node_crowd;
mod node_lists;
mod options;
mod queries;
mod resident;
mod search_timing;
mod vocabulary;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser as _;

use super::machine::{self, ProcessorTime};
use crate::index::IndexProcess;
use node_crowd::NodeCrowd;
use node_lists::NodeLists;
use options::IndexBenchOptions;
use queries::{QUERY_KINDS, Queries};
use resident::resident_memory;
use search_timing::{LatencySamples, count_searches, time_searches, time_searches_beside};

/// Number of timed queries per kind.
const QUERIES_PER_KIND: usize = 2000;

/// Runs the benchmark with the options of the command line.
pub fn main() -> ExitCode {
    match run(&IndexBenchOptions::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &IndexBenchOptions) -> Result<()> {
    for (fact, value) in machine::facts(&std::env::temp_dir(), "as they are")? {
        println!("{fact}: {value}");
    }
    let lists = NodeLists::new(options);
    if let Some(path) = &options.export {
        return export(&lists, options, path);
    }
    let arguments: Vec<&str> = options.index.iter().map(String::as_str).collect();
    let mut index = match &options.data_dir {
        Some(folder) => IndexProcess::start_with_data_dir(folder, "127.0.0.1:0", &arguments),
        None => IndexProcess::start_with("127.0.0.1:0", &arguments),
    };
    println!("{} files of {} nodes, seed {}", options.files, options.nodes, options.seed);
    let mut crowd = NodeCrowd::connect(index.address(), options.nodes)?;
    let queries = Queries::new(&lists, options, QUERIES_PER_KIND);
    let registering = || register(&mut crowd, &lists, options);
    let ((), beside) = time_searches_beside(index.address(), &queries, registering)?;
    println!("occasional searches meanwhile: {beside}");
    print_memory("after the registrations", index.pid())?;
    let processors = ProcessorTime::now();
    print_latencies("one connection, idle index", &time_searches(index.address(), &queries)?, processors);
    crowd.keep_registering(&lists, options);
    let (before, processors) = (Instant::now(), ProcessorTime::now());
    let beside = time_searches(index.address(), &queries)?;
    let (files, took) = (crowd.stop_registering()?, before.elapsed());
    print_latencies("one connection, during registrations", &beside, processors);
    println!("meanwhile {} nodes registered {:.0} files/s", options.busy, per_second(files, took));
    print_memory("after more registrations", index.pid())?;
    let processors = ProcessorTime::now();
    let (searches, timed) = count_searches(index.address(), &queries, options)?;
    let rate = per_second(searches, Duration::from_secs(options.seconds));
    println!("{} connections: {rate:.0} searches/s, {timed}", options.connections);
    print_stolen_time(processors);
    print_memory("after all searches", index.pid())?;
    drop(crowd);
    restart(&mut index)
}

fn register(crowd: &mut NodeCrowd, lists: &NodeLists, options: &IndexBenchOptions) -> Result<()> {
    let (files, took, timed) = crowd.register(lists, options)?;
    println!(
        "registered {files} files in {:.2} s: {:.0} files/s; an acknowledgement took {timed}",
        took.as_secs_f64(),
        per_second(files, took)
    );
    Ok(())
}

fn restart(index: &mut IndexProcess) -> Result<()> {
    let start = Instant::now();
    let status = index.stop();
    println!("stopped in {:.2} s (status {status:?})", start.elapsed().as_secs_f64());
    let start = Instant::now();
    index.restart();
    let statistics = index.session().statistics();
    println!("started again in {:.2} s with {} files", start.elapsed().as_secs_f64(), statistics.files);
    print_memory("after the start", index.pid())
}

fn print_memory(when: &str, process: u32) -> Result<()> {
    let (now, most) = resident_memory(process).context("cannot read the memory usage of the index")?;
    println!("resident {when}: {} MiB, at most {} MiB", now >> 20, most >> 20);
    Ok(())
}

fn print_latencies(what: &str, times: &[(LatencySamples, f64)], before: Option<ProcessorTime>) {
    println!("searches over {what}:");
    for (kind, (timed, hits)) in QUERY_KINDS.iter().zip(times) {
        println!("  {:<18} {timed}; {hits:.1} hits", kind.name());
    }
    let all = LatencySamples::merge(times.iter().map(|(timed, _)| timed));
    println!("  {:<18} {all}", "all");
    print_stolen_time(before);
}

fn print_stolen_time(before: Option<ProcessorTime>) {
    println!("  CPU time taken by the host: {}", ProcessorTime::stolen_since(before));
}

/// Writes the names and the queries to files, for measurements of other programs.
fn export(lists: &NodeLists, options: &IndexBenchOptions, path: &std::path::Path) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for node in 0..options.nodes {
        for file in lists.of_node(node, 0) {
            writeln!(out, "{}", file.path)?;
        }
    }
    out.flush()?;
    let mut out = BufWriter::new(File::create(path.with_extension("queries"))?);
    for (kind, texts) in Queries::new(lists, options, QUERIES_PER_KIND).by_kind() {
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
