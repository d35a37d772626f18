//! Programs of which one system call fails, or at one of which they are killed.
//!
//! `strace -e inject` does the same, but counts the calls of each thread by itself: with its `when=N` the N-th call of every
//! thread fails, and most calls of a program with a pool of threads cannot be chosen. So `tracer` does what strace does, for
//! calls that change names or make bytes durable, and counts those of all threads together.

pub mod call;
pub mod campaign;
pub mod fault;
pub mod launcher;
mod scenario;
mod traced_program;
mod tracer;
