//! What programs do while their calls fail.

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

/// Something that a program does on a folder of its own, beside others that run without faults.
pub(super) trait Scenario {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Makes a folder for another time, and forgets what was acknowledged the last time.
    fn prepare(&mut self);

    /// Returns the folder in which calls may fail.
    fn folder(&self) -> &Path;

    /// Makes the command of the program.
    fn command(&self) -> Command;

    /// Lets the program do what it is for, and notes what it acknowledges. The program may end at any time.
    fn drive(&mut self, program: &mut TracedProgram);

    /// Returns what else may stand in a message in the place of a path.
    fn alternative_paths(&self, _path: &str) -> Vec<String> {
        Vec::new()
    }

    /// Panics if anything wrong has its final name.
    fn assert_final_files(&self) {}

    /// Starts the program again without faults, and panics unless all is there in the end that was acknowledged, and nothing wrong.
    fn recover(&mut self);
}
