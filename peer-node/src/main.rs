//! The `peer-node` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    peer_node::main()
}
