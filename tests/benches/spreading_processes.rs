//! Measures how a file spreads among real peers: `cargo bench -p tests --bench spreading_processes`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tests::spreading::main()
}
