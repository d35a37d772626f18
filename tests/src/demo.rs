//! The demo: an index, three peers that share one file, and a fourth that finds the file by searching and downloads it
//! from all three at once. It uses real programs, temporary folders and free ports, and leaves nothing behind.

mod demo_file;
mod demo_setup;
mod fetch;
mod interrupt;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use protocol::units::DisplaySize;

use crate::programs;
use demo_file::DemoFile;
use demo_setup::DemoSetup;
use interrupt::Interrupt;

const USAGE: &str = "usage: cargo demo [FILE]

Starts an index, three peers that share FILE, and a fourth that finds and downloads it.
Without FILE, a random file of 256 MiB is generated. TMPDIR sets the folder for temporary files.";

/// Runs the demo with the arguments of this process.
pub fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let file = arguments.next();
    if arguments.next().is_some() || file.as_ref().is_some_and(|file| file == "--help" || file == "-h") {
        println!("{USAGE}");
        return if file.is_some_and(|file| file == "--help" || file == "-h") {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        };
    }
    match run(file.map(PathBuf::from)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ndemo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(file: Option<PathBuf>) -> Result<()> {
    let interrupt = Interrupt::watch()?;
    println!("Building index-server and peer-node, which takes a few minutes the first time.");
    let programs = programs::build(false)?;
    interrupt.check()?;

    let mut setup = DemoSetup::new(programs, interrupt)?;
    let original = DemoFile::prepare(file, &setup)?;
    println!("\nThe file:   {}, {}", original.sanitized_name(), DisplaySize(original.size));
    println!("            SHA-256 {}", original.digest);

    let index = setup.start_index()?;
    println!("\nThe index:  {index}");
    for number in 1..=3 {
        setup.start_sharer(number, &original)?;
    }
    let sources = setup.wait_for_sources(original.digest, 3, original.size)?;
    println!("The peers:  three, with the file in a folder of their own each; the index lists them:");
    for source in &sources {
        println!("            {source}");
    }

    println!("\nA fourth peer searches, and downloads from all of them at once.");
    let report = fetch::fetch(&setup, &original)?;
    println!("\nIt came from:");
    for (address, bytes) in &report.sources {
        let share = percent(*bytes, original.size);
        println!("            {address}   {:>10}   {share:>3} %", DisplaySize(*bytes).to_string());
    }
    println!("Rate:       {}", report.rate);
    println!("\nSHA-256:    {}  the original", original.digest);
    println!("            {}  the download, read again from its folder", report.digest);
    if report.digest != original.digest {
        bail!("the download differs from the original");
    }
    println!("            They are equal.");
    setup.stop()?;
    println!("\nEverything is stopped, and the folders are removed.");
    Ok(())
}

fn percent(part: u64, whole: u64) -> u64 {
    (part * 100 + whole / 2).checked_div(whole).unwrap_or(100)
}
