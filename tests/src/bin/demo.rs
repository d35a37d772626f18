//! `cargo demo [FILE]`: a whole network on this machine, in a minute.

use std::process::ExitCode;

fn main() -> ExitCode {
    tests::demo::main()
}
