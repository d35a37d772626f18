//! Measures how long content takes to spread from one source to a thousand peers in a simulated network.
//!
//! `cargo bench -p tests --bench spreading -- [peers] [MB]`

use std::time::Instant;

use tests::simulation::{SimulationPlan, simulate};

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let peers = numbers.first().map_or(1_000, |peers| u32::try_from(*peers).expect("a number of peers"));
    let size = numbers.get(1).unwrap_or(&128) * 1_000_000;
    println!("{peers} peers of 1 MB/s up and 10 MB/s down, one source, {} MB", size / 1_000_000);
    for source_up in [1_000_000, 10_000_000] {
        let plan = SimulationPlan { source_upload_rate: source_up, ..SimulationPlan::new(peers, size) };
        let start = Instant::now();
        let outcome = simulate(&plan);
        let bound = plan.fastest_completion().as_secs_f64();
        let times = [outcome.median_completion_time(), outcome.completion_time()]
            .map(|time| time.map_or(f64::INFINITY, |time| time.as_secs_f64()));
        #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
        let [from_source, received] =
            [outcome.source_sent as f64, outcome.received as f64 / f64::from(peers)]
                .map(|bytes| bytes / size as f64);
        println!(
            "source {:2} MB/s: median {:.1} s, last {:.1} s, bound {bound:.1} s, ratio {:.2}; \
             the source sent {from_source:.2} times the content, each peer received {received:.3} times; \
             {} events in {:.1} s",
            source_up / 1_000_000,
            times[0],
            times[1],
            times[1] / bound,
            outcome.events,
            start.elapsed().as_secs_f64(),
        );
    }
}
