//! The numbers as text, in the format that Prometheus reads (version 0.0.4).

use std::fmt::{self, Write};
use std::sync::atomic::Ordering;

use super::{Health, IndexMetrics};
use crate::directory::Directory;
use crate::reports::ReportVerdict;

/// Writes everything down.
pub(super) fn page(metrics: &IndexMetrics) -> String {
    let mut out = String::with_capacity(8 << 10);
    // Writing to a string does not fail.
    let _ = write_all(&mut out, metrics);
    out
}

fn write_all(out: &mut String, metrics: &IndexMetrics) -> fmt::Result {
    let ready = u64::from(metrics.health() == Health::Ready);
    write_metric(out, ("gauge", "index_ready"), "Whether registrations are taken.", ready)?;
    write_metric(out, ("gauge", "index_connections"), "Connections of nodes.", metrics.connections.value())?;
    if let Some(directory) = metrics.directory.get() {
        write_counts(out, directory)?;
    }
    let histograms = [
        (
            &metrics.registrations,
            "index_registration_seconds",
            "Changes of lists, from the request to the answer.",
        ),
        (&metrics.searches, "index_search_seconds", "Searches, from the request to the answer."),
        (&metrics.queries, "index_question_seconds", "Other requests, from the request to the answer."),
        (&metrics.commits, "index_commit_seconds", "Commits of the store that succeeded."),
    ];
    for (histogram, name, help) in histograms {
        histogram.write(out, name, help)?;
    }
    let errors = metrics.store_errors.load(Ordering::Relaxed);
    write_metric(
        out,
        ("counter", "index_store_errors_total"),
        "Commits and openings of the store that failed.",
        errors,
    )?;
    write_heading(
        out,
        ("counter", "index_http_displaced_total"),
        "HTTP connections closed to make room for others, by service.",
    )?;
    for (service, count) in metrics.evicted() {
        writeln!(out, "index_http_displaced_total{{service=\"{}\"}} {count}", service.name())?;
    }
    write_reports(out, metrics)?;
    write_refusals(out, metrics)
}

fn write_reports(out: &mut String, metrics: &IndexMetrics) -> fmt::Result {
    write_heading(
        out,
        ("counter", "index_dead_source_reports_total"),
        "Reports that a source does not answer, by what became of them.",
    )?;
    for (verdict, count) in ReportVerdict::ALL.iter().zip(&metrics.reports) {
        let (outcome, count) = (verdict.name(), count.load(Ordering::Relaxed));
        writeln!(out, "index_dead_source_reports_total{{outcome=\"{outcome}\"}} {count}")?;
    }
    write_heading(
        out,
        ("counter", "index_reported_sources_called_total"),
        "Reported sources that the index called, by whether they answered.",
    )?;
    for (answered, count) in ["no", "yes"].iter().zip(&metrics.rechecked) {
        let count = count.load(Ordering::Relaxed);
        writeln!(out, "index_reported_sources_called_total{{answered=\"{answered}\"}} {count}")?;
    }
    write_metric(
        out,
        ("counter", "index_unlisted_for_address_total"),
        "Attempts to list a node at an address of which as many are listed as may be.",
        metrics.unlisted.load(Ordering::Relaxed),
    )
}

/// Writes down how much the index knows.
fn write_counts(out: &mut String, directory: &Directory) -> fmt::Result {
    let counts = directory.statistics();
    let nodes = u64::from(counts.nodes);
    write_metric(
        out,
        ("gauge", "index_nodes_online"),
        "Nodes that are there and reachable.",
        counts.online.into(),
    )?;
    write_metric(out, ("gauge", "index_nodes"), "Nodes of which a list is kept.", nodes)?;
    write_metric(out, ("gauge", "index_files"), "Different contents in those lists.", counts.contents)?;
    write_metric(out, ("gauge", "index_file_bytes"), "Their sizes together.", counts.bytes)?;
    write_metric(
        out,
        ("gauge", "index_sources"),
        "Files in those lists: every copy of every file.",
        counts.files,
    )?;
    let usage = directory.read(|state| state.usage(None, 0));
    write_metric(
        out,
        ("gauge", "index_memory_budget_used_bytes"),
        "What lists take in memory, about.",
        usage.memory,
    )?;
    write_metric(
        out,
        ("gauge", "index_disk_budget_used_bytes"),
        "What lists take on disk, about.",
        usage.disk,
    )?;
    write_metric(out, ("counter", "index_uptime_seconds"), "Seconds since the start.", counts.uptime)
}

fn write_refusals(out: &mut String, metrics: &IndexMetrics) -> fmt::Result {
    write_heading(
        out,
        ("counter", "index_search_budget_refusals_total"),
        "Searches refused because a budget of processor time was used up, by whose it was.",
    )?;
    for (holder, count) in metrics.search_budget_refusals() {
        writeln!(out, "index_search_budget_refusals_total{{budget=\"{}\"}} {count}", holder.name())?;
    }
    write_heading(
        out,
        ("counter", "index_budget_refusals_total"),
        "Registrations refused because a budget of bytes was used up, by the budget.",
    )?;
    for (budget, count) in metrics.over_budget() {
        writeln!(out, "index_budget_refusals_total{{budget=\"{}\"}} {count}", budget.name())?;
    }
    write_heading(
        out,
        ("counter", "index_lists_forgotten_total"),
        "Lists of absent nodes that were forgotten, by reason.",
    )?;
    for (reason, count) in metrics.expired() {
        writeln!(out, "index_lists_forgotten_total{{reason=\"{}\"}} {count}", reason.name())?;
    }
    write_heading(out, ("counter", "index_refusals_total"), "What was refused, by reason.")?;
    for (reason, count) in metrics.refusals.counts() {
        writeln!(out, "index_refusals_total{{reason=\"{reason}\"}} {count}")?;
    }
    Ok(())
}

fn write_metric(out: &mut String, (kind, name): (&str, &str), help: &str, value: u64) -> fmt::Result {
    write_heading(out, (kind, name), help)?;
    writeln!(out, "{name} {value}")
}

fn write_heading(out: &mut String, (kind, name): (&str, &str), help: &str) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}
