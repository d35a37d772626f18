//! Runs programs in which every system call fails once: `cargo test -p tests --bench syscall_faults`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tests::bench::syscall_faults::main()
}
