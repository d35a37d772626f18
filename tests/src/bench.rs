//! The transfer benchmark: Peerdex and other programs take turns with the same bytes on the same machine.
//!
//! A *contender* is one way to bring a file from its sources to a folder and verify it. A run starts the senders, waits
//! until the machine is idle, and measures from the start of the receiving program until the file is complete and
//! verified. All processes run on this machine and end when the value that owns them is dropped.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

mod bench_setup;
mod byte_size;
mod contender;
pub(crate) mod cpu_time;
mod figures;
pub mod hostile;
pub mod index;
mod interrupt;
pub mod long_lines;
mod machine;
mod measured_program;
mod nginx;
mod options;
mod original;
mod process_group;
mod receiver;
mod rounds;
mod senders;
pub mod syscall_faults;
mod table;
mod tracker;
mod warmth;

/// Runs the benchmark with the options of the command line.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = env::args_os().collect();
    if let Some(command) = measured_program::requested_command(&args) {
        return measured_program::run(command);
    }
    let options = options::TransferOptions::parse();
    match rounds::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
