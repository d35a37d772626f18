use std::io::{self, BufRead, Read};
use std::thread;

use tokio::sync::mpsc;

/// The longest line that is read, in bytes.
const MAX_LINE_LEN: u64 = 1024;

/// Lines that wait: whoever types sees what became of one before the next.
const BACKLOG: usize = 16;

/// What somebody has typed.
#[derive(Debug)]
pub(super) enum TypedLine {
    /// The name of what is wanted.
    Name(String),
    /// More than a name can be.
    TooLong,
}

/// The lines of stdin, read on a thread of their own, which ends with the program.
#[derive(Debug)]
pub(super) struct NamePrompt(Option<mpsc::Receiver<TypedLine>>);

impl NamePrompt {
    /// Makes one at which nobody types.
    pub(super) const fn disabled() -> Self {
        Self(None)
    }

    /// Begins to read.
    pub(super) fn from_stdin() -> io::Result<Self> {
        let (lines, typed) = mpsc::channel(BACKLOG);
        thread::Builder::new().name("stdin".to_owned()).spawn(move || read(&lines))?;
        Ok(Self(Some(typed)))
    }

    /// Waits for the next line; none once there are no more. Cancel safe.
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
        // What comes of a line after its beginning was refused says nothing by itself.
        let is_skipped = std::mem::replace(&mut is_rest, !is_whole);
        let text = String::from_utf8_lossy(&line);
        let said = match text.trim() {
            _ if is_skipped => continue,
            _ if !is_whole => TypedLine::TooLong,
            "" => continue,
            name => TypedLine::Name(name.to_owned()),
        };
        if lines.blocking_send(said).is_err() {
            return;
        }
    }
}
