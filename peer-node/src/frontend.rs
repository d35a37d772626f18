//! What people and scripts see of a node: the prompt, the commands, and the console output below both.

pub(crate) mod cli;
mod console;
mod repl;
mod time_limit;
