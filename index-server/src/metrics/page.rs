//! The metrics page in the text format of Prometheus (version 0.0.4).

use std::fmt::{self, Write};
use std::sync::atomic::Ordering;

use super::{Health, IndexMetrics};
use crate::directory::Directory;
use crate::reports::ReportVerdict;

/// Returns the page.
pub(super) fn page(metrics: &IndexMetrics) -> String {
    let mut out = String::with_capacity(8 << 10);
    // Writing to a string cannot fail.
    let _ = write_all(&mut out, metrics);
    out
}

fn write_all(out: &mut String, metrics: &IndexMetrics) -> fmt::Result {
    let ready = u64::from(metrics.health() == Health::Ready);
    write_metric(out, ("gauge", "index_ready"), "Whether registrations are accepted.", ready)?;
    write_metric(out, ("gauge", "index_connections"), "Connections of nodes.", metrics.connections.value())?;
    if let Some(directory) = metrics.directory.get() {
        write_counts(out, directory)?;
    }
    let histograms = [
        (
            &metrics.registrations,
            "index_registration_seconds",
            "Latency of list changes, from request to reply.",
        ),
        (&metrics.searches, "index_search_seconds", "Latency of searches, from request to reply."),
        (&metrics.queries, "index_question_seconds", "Latency of other requests, from request to reply."),
        (&metrics.commits, "index_commit_seconds", "Duration of successful store commits."),
    ];
    for (histogram, name, help) in histograms {
        histogram.write(out, name, help)?;
    }
    let errors = metrics.store_errors.load(Ordering::Relaxed);
    write_metric(
        out,
        ("counter", "index_store_errors_total"),
        "Failed attempts to commit to or open the store.",
        errors,
    )?;
    write_heading(
        out,
        ("counter", "index_http_displaced_total"),
        "HTTP connections evicted for new ones, by service.",
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
        "Reports of unreachable sources, by outcome.",
    )?;
    for (verdict, count) in ReportVerdict::ALL.iter().zip(&metrics.reports) {
        let (outcome, count) = (verdict.name(), count.load(Ordering::Relaxed));
        writeln!(out, "index_dead_source_reports_total{{outcome=\"{outcome}\"}} {count}")?;
    }
    write_heading(
        out,
        ("counter", "index_reported_sources_called_total"),
        "Reported sources that the index probed, by whether they answered.",
    )?;
    for (answered, count) in ["no", "yes"].iter().zip(&metrics.rechecked) {
        let count = count.load(Ordering::Relaxed);
        writeln!(out, "index_reported_sources_called_total{{answered=\"{answered}\"}} {count}")?;
    }
    write_metric(
        out,
        ("counter", "index_unlisted_for_address_total"),
        "Attempts to list a node whose address has reached its limit of listed nodes.",
        metrics.unlisted.load(Ordering::Relaxed),
    )
}

/// Writes the catalog's counts.
fn write_counts(out: &mut String, directory: &Directory) -> fmt::Result {
    let counts = directory.statistics();
    let nodes = u64::from(counts.nodes);
    write_metric(out, ("gauge", "index_nodes_online"), "Nodes online and reachable.", counts.online.into())?;
    write_metric(out, ("gauge", "index_nodes"), "Nodes with a stored list.", nodes)?;
    write_metric(out, ("gauge", "index_files"), "Distinct contents in all lists.", counts.contents)?;
    write_metric(out, ("gauge", "index_file_bytes"), "Total size of these contents in bytes.", counts.bytes)?;
    write_metric(out, ("gauge", "index_sources"), "Files in all lists, counting every copy.", counts.files)?;
    let usage = directory.read(|state| state.usage(None, 0));
    write_metric(
        out,
        ("gauge", "index_memory_budget_used_bytes"),
        "Estimated memory used by lists in bytes.",
        usage.memory,
    )?;
    write_metric(
        out,
        ("gauge", "index_disk_budget_used_bytes"),
        "Estimated disk space used by lists in bytes.",
        usage.disk,
    )?;
    write_metric(
        out,
        ("counter", "index_uptime_seconds"),
        "Seconds since the start.",
        counts.uptime.as_secs(),
    )
}

fn write_refusals(out: &mut String, metrics: &IndexMetrics) -> fmt::Result {
    write_heading(
        out,
        ("counter", "index_search_budget_refusals_total"),
        "Searches refused because a budget of processor time was used up, by holder.",
    )?;
    for (holder, count) in metrics.search_budget_refusals() {
        writeln!(out, "index_search_budget_refusals_total{{budget=\"{}\"}} {count}", holder.name())?;
    }
    write_heading(
        out,
        ("counter", "index_budget_refusals_total"),
        "Registrations refused because a byte budget was used up, by budget.",
    )?;
    for (budget, count) in metrics.over_budget() {
        writeln!(out, "index_budget_refusals_total{{budget=\"{}\"}} {count}", budget.name())?;
    }
    write_heading(
        out,
        ("counter", "index_lists_forgotten_total"),
        "Expired lists of offline nodes, by reason.",
    )?;
    for (reason, count) in metrics.expired() {
        writeln!(out, "index_lists_forgotten_total{{reason=\"{}\"}} {count}", reason.name())?;
    }
    write_heading(out, ("counter", "index_refusals_total"), "Refused requests, by reason.")?;
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
