//! A peer at a terminal: what a person would see, without a person.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::lines::Lines;
use crate::process::Process;

/// A program whose standard streams are a pseudo-terminal.
#[derive(Debug)]
pub struct Terminal {
    /// The program.
    pub process: Process,
    keyboard: File,
    screen: Lines,
}

impl Terminal {
    /// Starts a program at a terminal of its own.
    pub fn start(mut command: Command) -> Self {
        let control =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&control).expect("a terminal of ours");
        unlockpt(&control).expect("a terminal of ours");
        let name = ptsname(&control, Vec::new()).expect("the terminal's name").into_string().expect("ASCII");
        let side = OpenOptions::new().read(true).write(true).open(name).expect("the terminal's other side");
        let copy = || Stdio::from(side.try_clone().expect("a descriptor"));
        command.stdin(copy()).stdout(copy()).stderr(copy()).env("TERM", "xterm");
        let process = Process::spawn("a program at a terminal", command);
        let keyboard = File::from(control);
        let screen = Lines::of(keyboard.try_clone().expect("a descriptor"));
        Self { process, keyboard, screen }
    }

    /// Types something.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).and_then(|()| self.keyboard.flush()).expect("a terminal");
    }

    /// Waits until a line holds a text; says whether it came.
    pub fn shows(&self, text: &str, limit: Duration) -> bool {
        self.screen.find(0, limit, |line| line.contains(text)).is_some()
    }

    /// Returns everything on the screen so far.
    pub fn text(&self) -> String {
        self.screen.text()
    }
}
