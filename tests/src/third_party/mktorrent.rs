use std::path::Path;
use std::process::Command;

use super::find_program;

/// mktorrent, which creates torrents.
#[derive(Debug)]
pub struct Mktorrent;

const PROGRAM: &str = "mktorrent";

impl Mktorrent {
    /// Finds the program.
    pub fn find() -> Option<Self> {
        find_program(PROGRAM).map(|_| Self)
    }

    /// Creates a `.torrent` of a file or folder with a piece length of 2^`exponent` bytes.
    pub fn make(&self, content: &Path, announce: &str, exponent: u32, output: &Path, options: &[&str]) {
        let mut command = Command::new(PROGRAM);
        command.args(["-a", announce, "-l", &exponent.to_string()]).args(options);
        let output = command.arg("-o").arg(output).arg(content).output().expect("mktorrent runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
