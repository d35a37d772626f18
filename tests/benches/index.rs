//! Fills a real index with a million names and measures it: `cargo bench -p tests --bench index`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tests::bench::index::main()
}
