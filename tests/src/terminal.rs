//! A peer at a terminal: what a person would see, without a person.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::eventually::{DEFAULT_TIMEOUT, poll_within};
use crate::process::Process;

/// What the prompt ends in.
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
    /// Starts a program at a terminal of its own.
    pub fn start(mut command: Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let control = openpt(flags).expect("a terminal");
        grantpt(&control).expect("a terminal of ours");
        unlockpt(&control).expect("a terminal of ours");
        let name = ptsname(&control, Vec::new()).expect("the terminal's name").into_string().expect("ASCII");
        let side = OpenOptions::new().read(true).write(true).open(name).expect("the terminal's other side");
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

    /// Types something.
    pub fn type_keys(&mut self, keys: &str) {
        self.type_bytes(keys.as_bytes());
    }

    /// Types bytes that need not be text.
    pub fn type_bytes(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).and_then(|()| self.keyboard.flush()).expect("a terminal");
    }

    /// Types a command and returns what the screen shows until the next prompt.
    pub fn enter(&mut self, command: &str) -> String {
        self.type_line_keys(&format!("{command}\r"))
    }

    /// Types keys that end a line, and waits for the next prompt, since until then the terminal itself takes Ctrl-C and
    /// Ctrl-D; returns what the screen shows until there.
    pub fn type_line_keys(&mut self, keys: &str) -> String {
        let from = self.text().len();
        self.type_keys(keys);
        let shown = poll_within(DEFAULT_TIMEOUT, || {
            let shown = self.text().get(from..).unwrap_or_default().to_owned();
            // The line that is being typed is drawn behind the prompt again and again.
            let (_, after) = shown.split_once('\n')?;
            after.contains(PROMPT).then_some(shown)
        });
        shown.unwrap_or_else(|| panic!("no prompt after {keys:?}: {}", self.text()))
    }

    /// Waits until the screen has shown a text; says whether it came.
    pub fn wait_for_text(&self, text: &str, limit: Duration) -> bool {
        poll_within(limit, || self.text().contains(text).then_some(())).is_some()
    }

    /// Waits until the first prompt is there.
    pub fn wait_for_prompt(&self) -> bool {
        self.wait_for_text(PROMPT, DEFAULT_TIMEOUT)
    }

    /// Returns everything that was on the screen so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().expect("no thread panics with it")).into_owned()
    }
}

/// Collects what is written to a terminal; the thread ends with the program.
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
