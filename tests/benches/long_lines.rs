//! Downloads over emulated long lines, beside curl and aria2: `cargo bench -p tests --bench long_lines`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tests::bench::long_lines::main()
}
