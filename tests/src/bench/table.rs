//! The printed results.

use super::contender::TransferContender;
use super::figures::{Figures, Sample};

const GIB: f64 = 1_073_741_824.0;
const MIB: f64 = 1_048_576.0;

/// Prints a table of all contenders with the same number of sources; the first contender is ours.
#[expect(clippy::cast_precision_loss, reason = "figures of three digits")]
pub(super) fn print(title: &str, contenders: &[Box<dyn TransferContender>], all: &[Figures], bytes: u64) {
    let bytes = bytes as f64;
    println!("\n{title}");
    println!(
        "  {:<15} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9} {:>8}  runs",
        "", "MB/s", "least", "most", "seconds", "sending", "receiving", "memory", "ours is"
    );
    for (contender, figures) in contenders.iter().zip(all) {
        let rate = figures.spread(|sample| Some(bytes / 1e6 / sample.received.wall.as_secs_f64()));
        let Some(rate) = rate else { continue };
        let median =
            |of: &dyn Fn(&Sample) -> f64| figures.spread(|sample| Some(of(sample))).map_or(0.0, |s| s.median);
        let memory =
            figures.spread(|sample| Some(sample.received.memory as f64 / MIB)).map_or(0.0, |s| s.max);
        let ratio = all.first().and_then(|ours| figures.median_ratio(ours)).unwrap_or_default();
        println!(
            "  {:<15} {:>8.0} {:>8.0} {:>8.0} {:>9.3} {:>9.2} {:>9.2} {:>9.1} {:>7.2}x  {}",
            contender.name(),
            rate.median,
            rate.min,
            rate.max,
            median(&|sample| sample.received.wall.as_secs_f64()),
            median(&|sample| sample.sender_cpu.as_secs_f64()) * GIB / bytes,
            median(&|sample| sample.received.cpu.as_secs_f64()) * GIB / bytes,
            memory,
            ratio,
            figures.0.iter().flatten().count(),
        );
        if let Some(own) = figures.spread(|sample| sample.reported_rate) {
            println!("  {:<15} {:>8.0} {:>8.0} {:>8.0}", "  self-reported", own.median, own.min, own.max);
        }
    }
    print_fastest(contenders, all);
}

/// Prints the fastest third-party contender and our speed relative to it.
fn print_fastest(contenders: &[Box<dyn TransferContender>], all: &[Figures]) {
    let others = contenders.iter().zip(all).skip(1);
    let times = others.filter_map(|(contender, figures)| {
        let time = figures.spread(|sample| Some(sample.received.wall.as_secs_f64()))?;
        Some((time.median, contender, figures))
    });
    let fastest = times.min_by(|(one, ..), (other, ..)| one.total_cmp(other));
    let Some((_, contender, figures)) = fastest else { return };
    if let Some(ratio) = all.first().and_then(|ours| figures.median_ratio(ours)) {
        println!("  The fastest other program is {}; ours is {ratio:.2} times as fast.", contender.name());
    }
}

/// Prints the meaning of the columns.
pub(super) fn print_legend() {
    println!(
        "\nMB/s: bytes / 10^6 / seconds from the start of the receiving program until the file is complete and verified,"
    );
    println!(
        "the median of all runs, with minimum and maximum. sending, receiving: CPU seconds per GiB, user and system, of all"
    );
    println!(
        "senders and of the receiver. memory: peak resident memory of the receiver, in MiB. ours is: how many times as"
    );
    println!("fast ours was, the median over the rounds.");
}
