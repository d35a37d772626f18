//! Measures SHA-256 over pieces, sequentially and in parallel: `cargo bench -p protocol --bench sha256`.
//!
//! Every line is the median of nine samples of 256 MiB. The samples of all lines alternate, so that other load
//! affects all lines alike.
//! CPU seconds are those of the thread as counted by the kernel (Linux), or else elapsed time.

#![allow(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
#![allow(clippy::expect_used, reason = "a benchmark without its data cannot run")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::cast_precision_loss, reason = "the figures have three digits")]

use std::hint::black_box;
use std::time::Instant;

use protocol::geometry::PieceIndex;
use protocol::manifest::{Manifest, ManifestBuilder};
use protocol::sha256::lanes::compress;
use protocol::sha256::{BLOCK_LEN, Sha256State};
use sha2::block_api::compress256;

const PIECE: usize = 256 << 10;
const DISTINCT: usize = 64 << 20;
const SAMPLE: usize = 256 << 20;
const SAMPLES: usize = 9;

/// One line of the table.
struct Line<'a> {
    name: String,
    /// Hashes this number of bytes.
    run: Box<dyn Fn(usize) + 'a>,
    /// The elapsed time and the CPU time of each sample, in seconds.
    samples: Vec<(f64, f64)>,
}

fn main() {
    let data: Vec<u8> =
        (0..DISTINCT as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    let (blocks, _) = data.as_chunks::<BLOCK_LEN>();
    let pieces: Vec<&[[u8; BLOCK_LEN]]> = blocks.chunks(PIECE / BLOCK_LEN).collect();
    let manifest = manifest_of(&data);
    let indexed: Vec<(PieceIndex, &[u8])> = manifest.geometry().pieces().zip(data.chunks(PIECE)).collect();

    let mut lines = Vec::new();
    for (count, kind) in [(4, "hot"), (pieces.len(), "64 MiB distinct")] {
        let (pieces, _) = pieces.split_at(count);
        let (indexed, _) = indexed.split_at(count);
        let manifest = &manifest;
        lines.push(line(format!("sha2, one stream, {kind}"), move |bytes| one_by_one(pieces, bytes)));
        lines.push(line(format!("1 lane, {kind}"), move |bytes| in_lanes::<1>(pieces, bytes)));
        lines.push(line(format!("2 lanes, {kind}"), move |bytes| in_lanes::<2>(pieces, bytes)));
        lines.push(line(format!("3 lanes, {kind}"), move |bytes| in_lanes::<3>(pieces, bytes)));
        lines.push(line(format!("4 lanes, {kind}"), move |bytes| in_lanes::<4>(pieces, bytes)));
        lines.push(line(format!("8 lanes, {kind}"), move |bytes| in_lanes::<8>(pieces, bytes)));
        for together in [1, 2, 3, 4, 8] {
            let name = format!("manifest, {together} at once, {kind}");
            lines.push(line(name, move |bytes| checked(manifest, indexed, together, bytes)));
        }
    }
    for _ in 0..SAMPLES {
        lines.iter_mut().for_each(Line::sample);
    }
    println!("{:36} {:>7} {:>11}", "", "GiB/s", "CPU s/GiB");
    for Line { name, samples, .. } in &lines {
        let gib = SAMPLE as f64 / f64::from(1 << 30);
        let speed = gib / median(samples.iter().map(|(passed, _)| *passed));
        let cost = median(samples.iter().map(|(_, cpu)| *cpu)) / gib;
        println!("{name:36} {speed:7.2} {cost:11.3}");
    }
}

impl Line<'_> {
    fn sample(&mut self) {
        let (from, cpu) = (Instant::now(), cpu_seconds());
        (self.run)(SAMPLE);
        let passed = from.elapsed().as_secs_f64();
        self.samples.push((passed, cpu.zip(cpu_seconds()).map_or(passed, |(from, to)| to - from)));
    }
}

fn line<'a>(name: String, run: impl Fn(usize) + 'a) -> Line<'a> {
    Line { name, run: Box::new(run), samples: Vec::new() }
}

fn one_by_one(pieces: &[&[[u8; BLOCK_LEN]]], bytes: usize) {
    for piece in pieces.iter().cycle().take(bytes / PIECE) {
        let mut words = black_box([0; 8]);
        compress256(&mut words, piece);
        black_box(words);
    }
}

fn in_lanes<const N: usize>(pieces: &[&[[u8; BLOCK_LEN]]], bytes: usize) {
    let mut next = pieces.iter().copied().cycle();
    for _ in 0..bytes / PIECE / N {
        let mut states = black_box([Sha256State::INITIAL; N]);
        compress(&mut states, std::array::from_fn(|_| next.next().unwrap_or_default()));
        black_box(states);
    }
}

fn checked(manifest: &Manifest, pieces: &[(PieceIndex, &[u8])], together: usize, bytes: usize) {
    let mut next = pieces.iter().cycle();
    for _ in 0..bytes / PIECE / together {
        let batch = next.by_ref().take(together).map(|(piece, bytes)| (*piece, [*bytes]));
        assert!(manifest.verify_pieces(batch).into_iter().all(|good| good), "all pieces are valid");
    }
}

fn manifest_of(data: &[u8]) -> Manifest {
    let mut builder = ManifestBuilder::new(data.len() as u64).expect("a size within the limits");
    builder.update(data);
    builder.finish().expect("the announced number of bytes")
}

/// Returns the CPU time of this thread in seconds, if available.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
