//! Output to stdout and stderr; no other module of the prompt writes there.

mod live;
mod screen;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::look::{Look, Style};
use live::LiveLines;
pub(crate) use screen::Screen;

/// The reader of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A person at a terminal.
    Person,
    /// A script, which gets plain, stable lines.
    Script,
}

/// Why stdout cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OutputError {
    /// The reader has closed it.
    #[error("the output is closed")]
    Closed,
    /// Writing fails, e.g. because the disk is full.
    #[error("cannot write to standard output: {0}")]
    Unwritable(io::ErrorKind),
}

impl OutputError {
    /// Returns the program's exit status.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            // As after SIGPIPE: 128 + 13.
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

/// Writes results to stdout and errors to stderr, and redraws live lines on the one that is a terminal.
pub(crate) struct ConsoleOutput {
    audience: Audience,
    look: Look,
    stdout: Box<dyn Write + Send>,
    stderr: Box<dyn Write + Send>,
    live: LiveLines,
    screen: Screen,
    last_drawn: Option<Instant>,
}

/// Minimum time between two drawings of live lines.
const DRAW_INTERVAL: Duration = Duration::from_millis(200);

impl ConsoleOutput {
    /// Returns the output to the program's stdout and stderr.
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

    /// Returns the reader of the output.
    pub(crate) const fn audience(&self) -> Audience {
        self.audience
    }

    /// Returns true if the reader is a person.
    pub(crate) fn is_for_person(&self) -> bool {
        self.audience == Audience::Person
    }

    /// Returns whether results are coloured.
    pub(crate) const fn look(&self) -> Look {
        self.look
    }

    /// Returns the maximum width of results in columns; unlimited for scripts.
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

    /// Writes lines of results, with one flush.
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

    /// Writes a remark about the results: below them for a person, to stderr for a script, whose stdout contains only results.
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

    /// Writes an error to stderr; a closed stderr is ignored.
    pub(crate) fn error(&mut self, text: impl Display) {
        self.write_stderr(Style::Bad, "error:", &text);
    }

    /// Writes a warning to stderr, which is no failure of a command.
    pub(crate) fn warning(&mut self, text: impl Display) {
        self.write_stderr(Style::Warning, "warning:", &text);
    }

    /// Writes a progress note to stderr.
    pub(crate) fn note(&mut self, text: impl Display) {
        self.write_stderr(Style::Faint, "note:", &text);
    }

    fn write_stderr(&mut self, style: Style, kind: &str, text: &dyn Display) {
        self.clear_live();
        let look = if self.is_for_person() && io::stderr().is_terminal() { self.look } else { Look::PLAIN };
        let _ = writeln!(self.stderr, "{} {text}", look.paint(style, kind));
    }

    /// Returns true if live lines should be drawn now: there is a terminal, and the last drawing is old enough.
    pub(crate) fn wants_live(&self) -> bool {
        self.screen != Screen::None
            && self.live_look().redraw
            && self.last_drawn.is_none_or(|drawn| drawn.elapsed() >= DRAW_INTERVAL)
    }

    /// Returns the look, the columns and the rows for live lines.
    pub(crate) fn live_frame(&self) -> (Look, usize, usize) {
        let (width, height) = self.screen.size();
        // The last column stays empty, because terminals differ in how they wrap there.
        (self.live_look(), width.saturating_sub(1).max(1), height.saturating_sub(2).max(1))
    }

    /// Replaces the live lines.
    pub(crate) fn draw(&mut self, lines: Vec<String>) {
        let width = self.screen.size().0;
        let text = self.live.replace(lines, width);
        self.write_live(&text);
        self.last_drawn = Some(Instant::now());
    }

    /// Clears the live lines.
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
        // Errors are ignored: a closed output is noticed with the next result.
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
        output.error("this is lost");
        assert_eq!(output.remark("this too"), Ok(()));
        assert_eq!(output.line("this fails"), Err(OutputError::Closed));
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
