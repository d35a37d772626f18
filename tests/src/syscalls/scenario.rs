//! The scenarios in which calls fail.

use std::path::Path;
use std::process::Command;

use super::traced_program::TracedProgram;

mod download;
mod index;
mod registration;
mod torrent;

pub(super) use download::DownloadScenario;
pub(super) use index::IndexScenario;
pub(super) use registration::RegistrationScenario;
pub(super) use torrent::TorrentScenario;

/// Work of one program in its own folder, beside other programs that run without faults.
pub(super) trait Scenario {
    /// Returns the scenario's name.
    fn name(&self) -> &'static str;

    /// Creates a fresh folder and clears what was acknowledged in the previous run.
    fn prepare(&mut self);

    /// Returns the folder in which calls may fail.
    fn folder(&self) -> &Path;

    /// Returns the program's command.
    fn command(&self) -> Command;

    /// Makes the program do its work and records what it acknowledges. The program may end at any time.
    fn drive(&mut self, program: &mut TracedProgram);

    /// Returns other texts that a message may contain instead of a path.
    fn alternative_paths(&self, _path: &str) -> Vec<String> {
        Vec::new()
    }

    /// Panics if a wrong file has its final name.
    fn assert_final_files(&self) {}

    /// Restarts the program without faults, and panics unless everything acknowledged is there in the end and nothing
    /// is wrong.
    fn recover(&mut self);
}
