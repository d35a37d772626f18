//! Stands between the terminal and the line editor: reads all keys itself and passes them on, one line at a time.
//!
//! The line editor reads a pseudo-terminal that takes the place of stdin. So it never sees a byte that it would fail on,
//! never reads past the end of a line, and is given a long text as one paste, which it draws once.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, ioctl_fionread};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, QueueSelector, tcflush, tcsetattr};

use super::keys::{KeyDecoder, TerminalKey};
use super::line_budget::LineBudget;
use super::printer::Printer;
use super::terminal_mode::InteractiveTerminal;

/// How much is read of the terminal before it is passed on, in bytes.
const MAX_READ: usize = 64 * 1024;

/// The line editor is given at most one order and one end of it.
const BACKLOG: usize = 1;

/// How long the line editor may take to end a line. If it does not, the key was not the end: Ctrl-D deletes a character,
/// and Enter may answer a question of the editor's.
const LINE_END_TIMEOUT: Duration = Duration::from_millis(50);

/// How long a large read waits for more, so that a paste that arrives in portions is drawn once.
const PASTE_TIMEOUT: Duration = Duration::from_millis(10);

/// How often the terminal is tried again that was given to another program.
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

/// What the feeder's thread works with.
struct Feeder {
    terminal: Arc<InteractiveTerminal>,
    /// The other side of the pseudo-terminal that the line editor reads.
    editor: OwnedFd,
    returned: PipeReader,
    decoder: KeyDecoder,
    printer: Printer,
    budget: LineBudget,
    /// Keys of the terminal are still to be made raw.
    wants_raw: bool,
}

/// Why the feeder stops passing keys on.
enum FeedEnd {
    /// The line editor has returned.
    EditorReturned,
    /// The terminal is gone.
    TerminalClosed,
}

impl FeederHandle {
    /// Puts a pseudo-terminal in the place of stdin and starts the thread that feeds it.
    pub(super) fn start(terminal: Arc<InteractiveTerminal>, printer: Printer) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let editor = openpt(flags)?;
        grantpt(&editor)?;
        unlockpt(&editor)?;
        let stdin = ioctl_tiocgptpeer(&editor, flags)?;
        // What the line editor restores after each line is raw as well, so that nothing is echoed in between.
        tcsetattr(&stdin, OptionalActions::Now, &terminal.raw_modes())?;
        let flags = fcntl_getfl(&editor)?;
        fcntl_setfl(&editor, flags | OFlags::NONBLOCK)?;
        let (begin, begins) = sync_channel(BACKLOG);
        let (end, ended) = sync_channel(BACKLOG);
        let (reader, returned) = io::pipe()?;
        rustix::stdio::dup2_stdin(&stdin)?;
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

    /// Has keys passed on; forgets first those that were typed ahead, if so asked. Returns false if the terminal is gone.
    pub(super) fn begin(&self, forget: bool) -> bool {
        self.begin.send(forget).is_ok()
    }

    /// Has no more keys passed on, because the line editor has returned; returns true if the line is not whole because
    /// it was too long. What the line editor has not read of a line that it gave up is dropped.
    pub(super) fn end(&mut self, is_given_up: bool) -> bool {
        let written = self.returned.write_all(b"r");
        let is_too_long = written.is_ok() && self.ended.recv().unwrap_or(false);
        if is_given_up {
            let _ = tcflush(io::stdin(), QueueSelector::IFlush);
        }
        is_too_long
    }
}

impl Feeder {
    /// Works until the prompt's thread or the terminal is gone.
    fn run(mut self, begins: &Receiver<bool>, ended: &SyncSender<bool>) {
        while let Ok(forget) = begins.recv() {
            if forget {
                self.decoder.clear();
            }
            self.budget.reset();
            self.wants_raw = !self.terminal.set_raw();
            let pause = self.feed();
            self.terminal.set_original();
            if let FeedEnd::TerminalClosed = pause {
                // The line editor finds its own terminal closed.
                return;
            }
            if ended.send(self.budget.is_exceeded()).is_err() {
                return;
            }
        }
    }

    /// Passes keys on until there is a reason not to.
    fn feed(&mut self) -> FeedEnd {
        loop {
            while let Some(key) = self.decoder.next() {
                if let Err(pause) = self.forward_key(key) {
                    return pause;
                }
            }
            if self.decoder.take_replaced() {
                self.printer.print(REPLACED_WARNING);
            }
            if let Err(pause) = self.read() {
                return pause;
            }
        }
    }

    /// Passes a key on; after one that may end the line, waits whether it does.
    fn forward_key(&mut self, key: TerminalKey) -> Result<(), FeedEnd> {
        let is_suspend =
            matches!(&key, TerminalKey::Control(bytes) if *bytes == [self.terminal.suspend_key()]);
        let is_line_end = matches!(key, TerminalKey::LineEnd(_));
        if is_line_end && self.decoder.take_replaced() {
            self.printer.print(REPLACED_WARNING);
        }
        if is_suspend {
            // The line editor stops the program; the shell wants a terminal that works.
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

    /// Waits until the line editor has returned, or has taken the key and goes on.
    fn wait_line_end(&mut self) -> Result<(), FeedEnd> {
        loop {
            if let Some(pause) = self.wait_returned(LINE_END_TIMEOUT) {
                return Err(pause);
            }
            if ioctl_fionread(io::stdin()).is_ok_and(|unread| unread == 0) {
                return Ok(());
            }
        }
    }

    /// Waits for keys and takes them, many at once if there are many.
    fn read(&mut self) -> Result<(), FeedEnd> {
        loop {
            if self.wants_raw {
                self.wants_raw = !self.terminal.set_raw();
            }
            if self.wants_raw {
                // The keys are meant for another program, and reading them would stop this one.
                match self.wait_returned(RETRY_INTERVAL) {
                    Some(pause) => return Err(pause),
                    None => continue,
                }
            }
            let mut fds =
                [PollFd::new(&*self.terminal, PollFlags::IN), PollFd::new(&self.returned, PollFlags::IN)];
            wait(&mut fds, None)?;
            let [keys, returned] = fds.map(|fd| !fd.revents().is_empty());
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
            match rustix::io::read(&*self.terminal, space) {
                Err(Errno::INTR) => continue,
                Ok(0) | Err(_) => return Err(FeedEnd::TerminalClosed),
                Ok(read) => length += read,
            }
            let within = if length < 1024 { Duration::ZERO } else { PASTE_TIMEOUT };
            let mut fds = [PollFd::new(&*self.terminal, PollFlags::IN)];
            wait(&mut fds, Some(within))?;
            if length == bytes.len() || fds.iter().all(|fd| fd.revents().is_empty()) {
                break;
            }
        }
        self.decoder.push(bytes.get(..length).unwrap_or_default());
        Ok(())
    }

    /// Writes to the line editor, unless it returns meanwhile.
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), FeedEnd> {
        while !bytes.is_empty() {
            match rustix::io::write(&self.editor, bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut fds = [
                        PollFd::new(&self.editor, PollFlags::OUT),
                        PollFd::new(&self.returned, PollFlags::IN),
                    ];
                    wait(&mut fds, None)?;
                    let [_, returned] = fds.map(|fd| !fd.revents().is_empty());
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
        let mut fds = [PollFd::new(&self.returned, PollFlags::IN)];
        if let Err(pause) = wait(&mut fds, Some(limit)) {
            return Some(pause);
        }
        let has_returned = fds.iter().any(|fd| !fd.revents().is_empty());
        has_returned.then(|| self.take_returned())
    }

    fn take_returned(&mut self) -> FeedEnd {
        match self.returned.read(&mut [0]) {
            Ok(1..) => FeedEnd::EditorReturned,
            _ => FeedEnd::TerminalClosed,
        }
    }
}

/// Waits until one of the descriptors is ready, at most for `limit`.
fn wait(fds: &mut [PollFd<'_>], limit: Option<Duration>) -> Result<(), FeedEnd> {
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    match poll(fds, limit.as_ref()) {
        Ok(_) => Ok(()),
        // Nothing is ready, and whoever waits looks again.
        Err(Errno::INTR) => {
            fds.iter_mut().for_each(PollFd::clear_revents);
            Ok(())
        }
        Err(_) => Err(FeedEnd::TerminalClosed),
    }
}
