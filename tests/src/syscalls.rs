//! Runs programs and injects an error into one of their system calls, or kills them there.
//!
//! `strace -e inject` counts the calls of each thread separately: with its `when=N`, the N-th call of every thread
//! fails, so most calls of a program with a thread pool cannot be selected. `tracer` does the same for calls that
//! change names or make data durable, but counts the calls of all threads together.

pub mod call;
pub mod campaign;
pub mod fault;
pub mod launcher;
mod scenario;
mod traced_program;
mod tracer;
