//! Compares a transfer with what else brings a file from one machine to another: `cargo bench -p tests --bench transfer`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tests::bench::main()
}
