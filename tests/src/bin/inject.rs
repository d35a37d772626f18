//! Runs a program and makes one of its system calls fail: `inject --below DIR --log FILE -- PROGRAM…`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tests::syscalls::launcher::main()
}
