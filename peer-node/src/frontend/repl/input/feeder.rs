//! Reads the keys of the terminal and feeds them to the line editor, one line at a time.
//!
//! The line editor reads a pseudo-terminal that replaces stdin. It therefore never receives bytes on which it fails, never reads
//! past the end of a line, and receives a long text as one paste, which it draws once.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::keys::{KeyDecoder, TerminalKey};
use super::line_budget::LineBudget;
use super::printer::Printer;
use crate::platform::{
    Awaited, EditorTerminal, InteractiveTerminal, discard_unread_input, unread_input, wait_for,
};

/// The maximum number of bytes that are read before they are fed.
const MAX_READ: usize = 64 * 1024;

/// One start and one end per line.
const BACKLOG: usize = 1;

/// Maximum time for the line editor to end a line. If it does not, the key did not end the line: Ctrl-D may delete a character,
/// and Enter may answer a question of the editor.
const LINE_END_TIMEOUT: Duration = Duration::from_millis(50);

/// How long a large read waits for more bytes, so that a paste that arrives in parts is drawn once.
const PASTE_TIMEOUT: Duration = Duration::from_millis(10);

/// How often a terminal that belongs to another process group is retried.
const RETRY_INTERVAL: Duration = Duration::from_millis(300);

const REPLACED_WARNING: &str =
    "input that is not UTF-8 was replaced by \u{fffd}; set the terminal's encoding to UTF-8";

/// The line editor's side of the feeder.
#[derive(Debug)]
pub(super) struct FeederHandle {
    begin: SyncSender<bool>,
    returned: PipeWriter,
    ended: Receiver<bool>,
}

/// The state of the feeder's thread.
struct Feeder {
    terminal: Arc<InteractiveTerminal>,
    /// The controlling side of the pseudo-terminal that the line editor reads.
    editor: EditorTerminal,
    returned: PipeReader,
    decoder: KeyDecoder,
    printer: Printer,
    budget: LineBudget,
    /// Whether the terminal is still to be set to raw mode.
    wants_raw: bool,
}

/// Why the feeder stops.
enum FeedEnd {
    /// The line editor has returned.
    EditorReturned,
    /// The terminal is closed.
    TerminalClosed,
}

impl FeederHandle {
    /// Replaces stdin by a pseudo-terminal and starts the thread that feeds it.
    pub(super) fn start(terminal: Arc<InteractiveTerminal>, printer: Printer) -> io::Result<Self> {
        let (begin, begins) = sync_channel(BACKLOG);
        let (end, ended) = sync_channel(BACKLOG);
        let (reader, returned) = io::pipe()?;
        let editor = EditorTerminal::replace_stdin(&terminal)?;
        let feeder = Feeder {
            terminal,
            editor,
            returned: reader,
            decoder: KeyDecoder::default(),
            printer,
            budget: LineBudget::default(),
            wants_raw: false,
        };
        thread::Builder::new().name("keys".to_owned()).spawn(move || feeder.run(&begins, &end))?;
        Ok(Self { begin, returned, ended })
    }

    /// Starts feeding keys; discards typed-ahead keys first if requested. Returns false if the terminal is closed.
    pub(super) fn begin(&self, discard: bool) -> bool {
        self.begin.send(discard).is_ok()
    }

    /// Stops feeding keys, because the line editor has returned. Returns true if the line was truncated because it was too long.
    /// If the line editor aborted the line, its unread keys are discarded.
    pub(super) fn end(&mut self, is_aborted: bool) -> bool {
        let written = self.returned.write_all(b"r");
        let is_too_long = written.is_ok() && self.ended.recv().unwrap_or(false);
        if is_aborted {
            discard_unread_input();
        }
        is_too_long
    }
}

impl Feeder {
    /// Runs until the prompt's thread ends or the terminal is closed.
    fn run(mut self, begins: &Receiver<bool>, ended: &SyncSender<bool>) {
        while let Ok(discard) = begins.recv() {
            if discard {
                self.decoder.clear();
            }
            self.budget.reset();
            self.wants_raw = !self.terminal.set_raw();
            let end = self.feed();
            self.terminal.set_original();
            if let FeedEnd::TerminalClosed = end {
                // Dropping the feeder closes the line editor's terminal, too.
                return;
            }
            if ended.send(self.budget.is_exceeded()).is_err() {
                return;
            }
        }
    }

    /// Feeds keys until the line editor returns or the terminal is closed.
    fn feed(&mut self) -> FeedEnd {
        loop {
            while let Some(key) = self.decoder.next() {
                if let Err(end) = self.forward_key(key) {
                    return end;
                }
            }
            if self.decoder.take_replaced() {
                self.printer.print(REPLACED_WARNING);
            }
            if let Err(end) = self.read() {
                return end;
            }
        }
    }

    /// Feeds a key; after one that may end the line, waits for the line editor.
    fn forward_key(&mut self, key: TerminalKey) -> Result<(), FeedEnd> {
        let is_suspend =
            matches!(&key, TerminalKey::Control(bytes) if *bytes == [self.terminal.suspend_key()]);
        let is_line_end = matches!(key, TerminalKey::LineEnd(_));
        if is_line_end && self.decoder.take_replaced() {
            self.printer.print(REPLACED_WARNING);
        }
        if is_suspend {
            // The line editor suspends the program, and the shell needs a terminal in its original modes.
            self.terminal.set_original();
            self.wants_raw = true;
        }
        let bytes = self.budget.admit(key);
        self.write(&bytes)?;
        if is_suspend {
            return self.wait_returned(RETRY_INTERVAL).map_or(Ok(()), Err);
        }
        if is_line_end { self.wait_line_end() } else { Ok(()) }
    }

    /// Waits until the line editor has returned, or has read the key and continues.
    fn wait_line_end(&mut self) -> Result<(), FeedEnd> {
        loop {
            if let Some(end) = self.wait_returned(LINE_END_TIMEOUT) {
                return Err(end);
            }
            if unread_input().is_ok_and(|unread| unread == 0) {
                return Ok(());
            }
        }
    }

    /// Waits for keys and reads as many as are available.
    fn read(&mut self) -> Result<(), FeedEnd> {
        loop {
            if self.wants_raw {
                self.wants_raw = !self.terminal.set_raw();
            }
            if self.wants_raw {
                // The keys belong to the foreground program, and a read from the background would stop this one (SIGTTIN).
                match self.wait_returned(RETRY_INTERVAL) {
                    Some(end) => return Err(end),
                    None => continue,
                }
            }
            let awaited = [Awaited::Keys(&self.terminal), Awaited::Message(&self.returned)];
            let [keys, returned] = wait(awaited, None)?;
            if returned {
                return Err(self.take_returned());
            }
            if keys {
                break;
            }
        }
        let mut bytes = vec![0; MAX_READ];
        let mut length = 0;
        loop {
            let space = bytes.get_mut(length..).unwrap_or_default();
            match self.terminal.read(space) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => return Err(FeedEnd::TerminalClosed),
                Ok(read) => length += read,
            }
            let within = if length < 1024 { Duration::ZERO } else { PASTE_TIMEOUT };
            let [has_more] = wait([Awaited::Keys(&self.terminal)], Some(within))?;
            if length == bytes.len() || !has_more {
                break;
            }
        }
        self.decoder.push(bytes.get(..length).unwrap_or_default());
        Ok(())
    }

    /// Writes to the line editor's terminal, unless the line editor returns meanwhile.
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), FeedEnd> {
        while !bytes.is_empty() {
            match self.editor.write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let awaited = [Awaited::Space(&self.editor), Awaited::Message(&self.returned)];
                    let [_, returned] = wait(awaited, None)?;
                    if returned {
                        return Err(self.take_returned());
                    }
                }
                Err(_) => return Err(FeedEnd::TerminalClosed),
            }
        }
        Ok(())
    }

    fn wait_returned(&mut self, limit: Duration) -> Option<FeedEnd> {
        match wait([Awaited::Message(&self.returned)], Some(limit)) {
            Ok([has_returned]) => has_returned.then(|| self.take_returned()),
            Err(end) => Some(end),
        }
    }

    fn take_returned(&mut self) -> FeedEnd {
        match self.returned.read(&mut [0]) {
            Ok(1..) => FeedEnd::EditorReturned,
            _ => FeedEnd::TerminalClosed,
        }
    }
}

/// Waits for one of the events, at most for `limit`. Returns which have occurred; after a signal none, and the callers wait again.
fn wait<const N: usize>(awaited: [Awaited<'_>; N], limit: Option<Duration>) -> Result<[bool; N], FeedEnd> {
    wait_for(awaited, limit).map_err(|_| FeedEnd::TerminalClosed)
}
