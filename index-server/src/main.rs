//! The index server.

/// jemalloc, because the system's allocator does not return freed memory well: it stays in fragments. It is configured in
/// `.cargo/config.toml`.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    index_server::program::main()
}
