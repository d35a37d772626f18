//! Downloads beside hostile sources: `cargo bench -p tests --bench hostile`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tests::bench::hostile::main()
}
