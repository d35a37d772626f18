//! Compares a transfer with other programs that copy a file between machines: `cargo bench -p tests --bench transfer`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tests::bench::main()
}
