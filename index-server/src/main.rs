//! The index server.

/// The system's own keeps what the index has given back, in pieces too small for anything else. How this one is set stands
/// in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    index_server::program::main()
}
