use std::io::{self, BufRead, Read};
use std::thread;

use tokio::sync::mpsc;

/// The maximum length of a line, in bytes.
const MAX_LINE_LEN: u64 = 1024;

/// Lines that wait: commands run one after the other, so few are typed ahead.
const BACKLOG: usize = 16;

/// A typed line.
#[derive(Debug)]
pub(super) enum TypedLine {
    /// The name of a file to download.
    Name(String),
    /// A line longer than any name.
    TooLong,
}

/// Reads the lines of stdin on a thread of its own, which ends with the program.
#[derive(Debug)]
pub(super) struct NamePrompt(Option<mpsc::Receiver<TypedLine>>);

impl NamePrompt {
    /// Returns a prompt that never yields a line.
    pub(super) const fn disabled() -> Self {
        Self(None)
    }

    /// Starts reading stdin.
    pub(super) fn from_stdin() -> io::Result<Self> {
        let (lines, typed) = mpsc::channel(BACKLOG);
        thread::Builder::new().name("stdin".to_owned()).spawn(move || read(&lines))?;
        Ok(Self(Some(typed)))
    }

    /// Waits for the next line; `None` at the end of the input. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<TypedLine> {
        self.0.as_mut()?.recv().await
    }
}

fn read(lines: &mpsc::Sender<TypedLine>) {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    let mut is_rest = false;
    loop {
        line.clear();
        match input.by_ref().take(MAX_LINE_LEN).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let is_whole =
            line.ends_with(b"\n") || line.len() < usize::try_from(MAX_LINE_LEN).unwrap_or(usize::MAX);
        // The rest of a line that is too long was already reported with its beginning.
        let is_skipped = std::mem::replace(&mut is_rest, !is_whole);
        let text = String::from_utf8_lossy(&line);
        let typed = match text.trim() {
            _ if is_skipped => continue,
            _ if !is_whole => TypedLine::TooLong,
            "" => continue,
            name => TypedLine::Name(name.to_owned()),
        };
        if lines.blocking_send(typed).is_err() {
            return;
        }
    }
}
