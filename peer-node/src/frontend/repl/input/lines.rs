//! Reads the lines of a script, with bounded memory.

use std::io::{self, BufRead};

/// The maximum length of a line, in bytes.
pub(super) const MAX_LINE: usize = 64 * 1024;

/// A line that cannot be a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    /// The line is too long.
    #[error("the line is longer than {MAX_LINE} bytes and was ignored")]
    TooLong,
    /// The line is not UTF-8.
    #[error("the line is not UTF-8 and was ignored")]
    NotUtf8,
    /// The line contains a NUL byte, which no path or name can have.
    #[error("the line contains a NUL byte and was ignored")]
    Nul,
}

/// Iterates over the lines of a stream, without the line feed or carriage return at their ends. A read error ends the stream.
pub(super) struct ScriptLines<R> {
    stream: R,
}

impl<R: BufRead> ScriptLines<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream }
    }

    /// Reads a line, keeping at most [`MAX_LINE`] and one byte; the flag is false if the line was longer.
    fn read(&mut self) -> Option<(Vec<u8>, bool)> {
        let (mut line, mut is_complete, mut is_any) = (Vec::new(), true, false);
        loop {
            let buffer = match self.stream.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => &[],
            };
            if buffer.is_empty() {
                return is_any.then_some((line, is_complete));
            }
            is_any = true;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            // One byte more, for a carriage return.
            if line.len() + part.len() <= MAX_LINE + 1 {
                line.extend_from_slice(part);
            } else {
                is_complete = false;
            }
            let used = part.len() + usize::from(end.is_some());
            self.stream.consume(used);
            if end.is_some() {
                return Some((line, is_complete));
            }
        }
    }
}

impl<R: BufRead> Iterator for ScriptLines<R> {
    type Item = Result<String, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (mut line, is_complete) = self.read()?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if !is_complete || line.len() > MAX_LINE {
            return Some(Err(LineError::TooLong));
        }
        if line.contains(&0) {
            return Some(Err(LineError::Nul));
        }
        Some(String::from_utf8(line).map_err(|_| LineError::NotUtf8))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Result<String, LineError>> {
        ScriptLines::new(BufReader::with_capacity(7, bytes)).collect()
    }

    #[test]
    fn all_line_endings_are_accepted() {
        let line = |text: &str| Ok(text.to_owned());
        assert_eq!(
            lines(b"files\nstatus\r\n\nquit"),
            [line("files"), line("status"), line(""), line("quit")]
        );
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"\n"), [line("")]);
    }

    #[test]
    fn invalid_line_is_reported_and_skipped() {
        let files = Ok("files".to_owned());
        assert_eq!(lines(b"\xff\nfiles\n"), [Err(LineError::NotUtf8), files.clone()]);
        assert_eq!(lines(b"a\0b\nfiles\n"), [Err(LineError::Nul), files.clone()]);
        let mut long = vec![b'x'; 10 << 20];
        long.extend_from_slice(b"\nfiles");
        assert_eq!(lines(&long), [Err(LineError::TooLong), files]);
    }

    #[test]
    fn the_longest_line_is_read() {
        for (length, is_read) in [(MAX_LINE, true), (MAX_LINE + 1, false)] {
            for ending in [&b""[..], b"\n", b"\r\n"] {
                let text = [vec![b'x'; length].as_slice(), ending].concat();
                assert_eq!(lines(&text)[0].is_ok(), is_read, "{length}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_none_are_read_twice(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let parts = bytes.split(|byte| *byte == b'\n').count();
            let is_ended = bytes.last().is_none_or(|byte| *byte == b'\n');
            prop_assert_eq!(lines(&bytes).len(), parts - usize::from(is_ended));
        }
    }
}
