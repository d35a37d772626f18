use std::path::Path;
use std::process::Command;

use super::find_program;

/// The program that makes torrents.
#[derive(Debug)]
pub struct Mktorrent;

const PROGRAM: &str = "mktorrent";

impl Mktorrent {
    /// Finds it.
    pub fn find() -> Option<Self> {
        find_program(PROGRAM).map(|_| Self)
    }

    /// Makes a `.torrent` of a file or folder, in pieces of two to the power of `exponent` bytes.
    pub fn make(&self, content: &Path, announce: &str, exponent: u32, output: &Path, options: &[&str]) {
        let mut command = Command::new(PROGRAM);
        command.args(["-a", announce, "-l", &exponent.to_string()]).args(options);
        let output = command.arg("-o").arg(output).arg(content).output().expect("a program that was found");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
