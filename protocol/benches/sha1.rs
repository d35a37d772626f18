//! Measures SHA-1 over pieces, sequentially and in parallel: `cargo bench -p protocol --bench sha1`.
//!
//! Every line is the median of nine samples of 64 MiB, in CPU seconds of the thread as counted by the kernel (Linux).

#![allow(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
#![allow(clippy::disallowed_methods, reason = "the benchmark reads CPU times")]
#![allow(clippy::cast_precision_loss, reason = "the figures have three digits")]

use std::hint::black_box;

use protocol::block_hash::BLOCK_LEN;
use protocol::sha1::Sha1State;
use protocol::sha1::lanes::compress;

const PIECE: usize = 256 << 10;
const SAMPLE: usize = 64 << 20;
const SAMPLES: usize = 9;

fn main() {
    let data: Vec<u8> =
        (0..SAMPLE as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    let (blocks, _) = data.as_chunks::<BLOCK_LEN>();
    let pieces: Vec<&[[u8; BLOCK_LEN]]> = blocks.chunks(PIECE / BLOCK_LEN).collect();
    println!("{:24} {:>11}", "", "CPU s/GiB");
    report("sha1, one stream", || {
        for piece in &pieces {
            let mut words = black_box([0; 5]);
            sha1::block_api::compress(&mut words, piece);
            black_box(words);
        }
    });
    report("1 lane", || in_lanes::<1>(&pieces));
    report("2 lanes", || in_lanes::<2>(&pieces));
    report("3 lanes", || in_lanes::<3>(&pieces));
    report("4 lanes", || in_lanes::<4>(&pieces));
    report("8 lanes", || in_lanes::<8>(&pieces));
}

fn in_lanes<const N: usize>(pieces: &[&[[u8; BLOCK_LEN]]]) {
    let mut next = pieces.iter().copied().cycle();
    for _ in 0..pieces.len() / N {
        let mut states = black_box([Sha1State::INITIAL; N]);
        compress(&mut states, std::array::from_fn(|_| next.next().unwrap_or_default()));
        black_box(states);
    }
}

fn report(name: &str, run: impl Fn()) {
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let before = cpu_seconds();
            run();
            cpu_seconds() - before
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    let median = samples.get(SAMPLES / 2).copied().unwrap_or_default();
    println!("{name:24} {:11.3}", median * f64::from(1 << 30) / SAMPLE as f64);
}

/// Returns the CPU time of this thread in seconds.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or_default() / 1e9
}
