//! The index server.

fn main() -> std::process::ExitCode {
    index_server::program::main()
}
