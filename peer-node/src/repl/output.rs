//! The only place from which anything is written to stdout and stderr.

mod live;
mod screen;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::look::{Look, Style};
use live::LiveLines;
pub(crate) use screen::Screen;

/// Whom the program talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A person at a terminal.
    Person,
    /// A script: plain and stable lines.
    Script,
}

/// Why nothing more can be written to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// The reader has closed it, and knows.
    #[error("the output is closed")]
    Closed,
    /// It cannot be written: the disk is full, say.
    #[error("cannot write to standard output: {0}")]
    Unwritable(io::ErrorKind),
}

impl OutputError {
    /// Returns the status with which the program ends.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            // As if the signal for that had ended the program.
            Self::Closed => 141,
            Self::Unwritable(_) => 1,
        }
    }
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            other => Self::Unwritable(other),
        }
    }
}

/// Results on stdout, errors on stderr, and live lines that are drawn anew on whichever of them is a terminal.
pub(crate) struct ConsoleOutput {
    audience: Audience,
    look: Look,
    stdout: Box<dyn Write + Send>,
    stderr: Box<dyn Write + Send>,
    live: LiveLines,
    screen: Screen,
    last_drawn: Option<Instant>,
}

/// How often live lines are drawn at most.
const DRAW_INTERVAL: Duration = Duration::from_millis(200);

impl ConsoleOutput {
    /// Takes the program's own stdout and stderr.
    pub(crate) fn standard(audience: Audience) -> Self {
        let (look, screen) = match audience {
            Audience::Person => (Look::detect(), Screen::Stdout),
            Audience::Script if io::stderr().is_terminal() => (Look::PLAIN, Screen::Stderr),
            Audience::Script => (Look::PLAIN, Screen::None),
        };
        Self {
            audience,
            look,
            stdout: Box::new(io::stdout()),
            stderr: Box::new(io::stderr()),
            live: LiveLines::default(),
            screen,
            last_drawn: None,
        }
    }

    /// Returns whom the program talks to.
    pub(crate) const fn audience(&self) -> Audience {
        self.audience
    }

    /// Says whether a person reads.
    pub(crate) fn is_for_person(&self) -> bool {
        self.audience == Audience::Person
    }

    /// Returns how results may be coloured.
    pub(crate) const fn look(&self) -> Look {
        self.look
    }

    /// Returns how wide the results may be; scripts have all the room in the world.
    pub(crate) fn width(&self) -> usize {
        match self.audience {
            Audience::Person => self.screen.size().0,
            Audience::Script => usize::MAX,
        }
    }

    /// Writes a line of results.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), OutputError> {
        self.lines([text])
    }

    /// Writes lines of results in one go.
    pub(crate) fn lines(&mut self, lines: impl IntoIterator<Item = impl Display>) -> Result<(), OutputError> {
        self.clear_live();
        let write = || {
            for line in lines {
                writeln!(self.stdout, "{line}")?;
            }
            self.stdout.flush()
        };
        write().map_err(OutputError::from)
    }

    /// Writes what is worth knowing beside the results: below them for a person, and to stderr for a script, whose stdout
    /// holds nothing but results.
    pub(crate) fn remark(&mut self, text: impl Display) -> Result<(), OutputError> {
        match self.audience {
            Audience::Person => self.line(self.look.paint(Style::Faint, &text.to_string())),
            Audience::Script => {
                self.clear_live();
                let _ = writeln!(self.stderr, "{text}");
                Ok(())
            }
        }
    }

    /// Writes an error; that nobody reads those is no reason to stop.
    pub(crate) fn error(&mut self, text: impl Display) {
        self.write_stderr(Style::Bad, "error:", &text);
    }

    /// Writes to stderr what is worth knowing and no failure of a command.
    pub(crate) fn warning(&mut self, text: impl Display) {
        self.write_stderr(Style::Warning, "warning:", &text);
    }

    /// Writes to stderr how things stand.
    pub(crate) fn note(&mut self, text: impl Display) {
        self.write_stderr(Style::Faint, "note:", &text);
    }

    fn write_stderr(&mut self, style: Style, kind: &str, text: &dyn Display) {
        self.clear_live();
        let look = if self.is_for_person() && io::stderr().is_terminal() { self.look } else { Look::PLAIN };
        let _ = writeln!(self.stderr, "{} {text}", look.paint(style, kind));
    }

    /// Says whether live lines are of any use at the moment: somebody could see them, and the last ones have stood for a
    /// while.
    pub(crate) fn wants_live(&self) -> bool {
        self.screen != Screen::None
            && self.live_look().redraw
            && self.last_drawn.is_none_or(|drawn| drawn.elapsed() >= DRAW_INTERVAL)
    }

    /// Returns how live lines are coloured and how many columns and rows there are for them.
    pub(crate) fn live_frame(&self) -> (Look, usize, usize) {
        let (width, height) = self.screen.size();
        // The last column is left alone, where terminals differ about wrapping.
        (self.live_look(), width.saturating_sub(1).max(1), height.saturating_sub(2).max(1))
    }

    /// Draws lines in the place of those drawn before.
    pub(crate) fn draw(&mut self, lines: Vec<String>) {
        let width = self.screen.size().0;
        let text = self.live.replace(lines, width);
        self.write_live(&text);
        self.last_drawn = Some(Instant::now());
    }

    /// Takes the live lines away.
    pub(crate) fn clear_live(&mut self) {
        let text = self.live.replace(Vec::new(), self.screen.size().0);
        self.write_live(&text);
        self.last_drawn = None;
    }

    fn live_look(&self) -> Look {
        match self.audience {
            Audience::Person => self.look,
            Audience::Script => Look::detect(),
        }
    }

    fn write_live(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let target = match self.screen {
            Screen::Stdout => &mut self.stdout,
            Screen::Stderr => &mut self.stderr,
            Screen::None => return,
        };
        // Results matter, these do not: if nobody is there, the next result will find out.
        let _ = target.write_all(text.as_bytes()).and_then(|()| target.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_closed_stdout_is_reported() {
        let mut output = ConsoleOutput::standard(Audience::Script);
        output.stdout = Box::new(Broken(io::ErrorKind::BrokenPipe));
        output.stderr = Box::new(Broken(io::ErrorKind::BrokenPipe));
        output.error("nobody reads this");
        assert_eq!(output.remark("nor this"), Ok(()));
        assert_eq!(output.line("nor this"), Err(OutputError::Closed));
    }

    #[test]
    fn full_disk_is_a_program_error() {
        let mut output = ConsoleOutput::standard(Audience::Script);
        output.stdout = Box::new(Broken(io::ErrorKind::StorageFull));
        let error = output.line("text").unwrap_err();
        assert_eq!((error.exit_code(), OutputError::Closed.exit_code()), (1, 141));
        assert_eq!(error.to_string(), "cannot write to standard output: no storage space");
    }
}
