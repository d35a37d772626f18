//! A program at a pseudo-terminal, to test what a user sees.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::eventually::{DEFAULT_TIMEOUT, poll_within};
use crate::process::Process;

/// End of the prompt.
const PROMPT: &str = "> ";

/// A program whose standard streams are a pseudo-terminal.
#[derive(Debug)]
pub struct Terminal {
    /// The program.
    pub process: Process,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Starts a program at a pseudo-terminal of its own.
    pub fn start(mut command: Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let control = openpt(flags).expect("a terminal");
        grantpt(&control).expect("a pseudo-terminal");
        unlockpt(&control).expect("a pseudo-terminal");
        let name = ptsname(&control, Vec::new()).expect("the terminal's name").into_string().expect("ASCII");
        let side =
            OpenOptions::new().read(true).write(true).open(name).expect("the far end of the pseudo-terminal");
        let copy = || Stdio::from(side.try_clone().expect("a descriptor"));
        command.stdin(copy()).stdout(copy()).stderr(copy());
        if !command.get_envs().any(|(name, _)| name == "TERM") {
            command.env("TERM", "xterm");
        }
        let process = Process::spawn("a program at a terminal", command);
        let keyboard = File::from(control);
        let screen = collect_screen(keyboard.try_clone().expect("a descriptor"));
        Self { process, keyboard, screen }
    }

    /// Types keys.
    pub fn type_keys(&mut self, keys: &str) {
        self.type_bytes(keys.as_bytes());
    }

    /// Types raw bytes, which need not be text.
    pub fn type_bytes(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).and_then(|()| self.keyboard.flush()).expect("a terminal");
    }

    /// Types a command and returns the screen output up to the next prompt.
    pub fn enter(&mut self, command: &str) -> String {
        self.type_line_keys(&format!("{command}\r"))
    }

    /// Types keys that end a line and waits for the next prompt, since until then the terminal itself handles Ctrl-C
    /// and Ctrl-D. Returns the screen output up to the prompt.
    pub fn type_line_keys(&mut self, keys: &str) -> String {
        let from = self.text().len();
        self.type_keys(keys);
        let shown = poll_within(DEFAULT_TIMEOUT, || {
            let shown = self.text().get(from..).unwrap_or_default().to_owned();
            // The current line is redrawn after the prompt with every key.
            let (_, after) = shown.split_once('\n')?;
            after.contains(PROMPT).then_some(shown)
        });
        shown.unwrap_or_else(|| panic!("no prompt after {keys:?}: {}", self.text()))
    }

    /// Waits until the screen has shown `text`. Returns false after `limit`.
    pub fn wait_for_text(&self, text: &str, limit: Duration) -> bool {
        poll_within(limit, || self.text().contains(text).then_some(())).is_some()
    }

    /// Waits for the first prompt. Returns false if it does not appear.
    pub fn wait_for_prompt(&self) -> bool {
        self.wait_for_text(PROMPT, DEFAULT_TIMEOUT)
    }

    /// Returns everything shown on the screen so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().expect("no thread panics with it")).into_owned()
    }
}

/// Collects what is written to a terminal. The thread ends with the program.
fn collect_screen(mut control: File) -> Arc<Mutex<Vec<u8>>> {
    let screen = Arc::<Mutex<Vec<u8>>>::default();
    let kept = Arc::clone(&screen);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = control.read(&mut buffer) {
            kept.lock().expect("no thread panics with it").extend_from_slice(&buffer[..read]);
        }
    });
    screen
}
