use std::io;

use protocol::escape::excerpt;
use rustix::io::{ioctl_fionread, read};
use rustix::termios::{LocalModes, tcgetattr};

use super::{Heard, LineFault};

/// The longest line that a terminal gathers by itself.
const LONGEST: usize = 4096;

/// Takes a line that was typed and ended while no prompt was there. The line editor would take everything that was typed,
/// and forget what follows the first line of it. A terminal on which lines cannot be told apart now has none.
pub(super) fn typed_ahead() -> Option<Heard> {
    let stdin = io::stdin();
    // A terminal that gathers lines counts only those that are ended, and gives one at a time.
    let gathers_lines = tcgetattr(&stdin).is_ok_and(|modes| modes.local_modes.contains(LocalModes::ICANON));
    if !gathers_lines || ioctl_fionread(&stdin).ok()? == 0 {
        return None;
    }
    let mut buffer = [0; LONGEST];
    let length = read(&stdin, &mut buffer).ok()?;
    Some(heard(buffer.get(..length).unwrap_or_default()))
}

fn heard(bytes: &[u8]) -> Heard {
    match str::from_utf8(bytes) {
        Ok(text) => {
            let line = text.trim_end_matches(['\r', '\n']).to_owned();
            tracing::trace!(line = excerpt(&line), "line typed ahead");
            Heard::Ahead(line)
        }
        Err(_) => Heard::Refused(LineFault::NotText),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_a_line_without_its_end() {
        assert!(matches!(heard(b"files\n"), Heard::Ahead(line) if line == "files"));
        assert!(matches!(heard(b"\n"), Heard::Ahead(line) if line.is_empty()));
        assert!(matches!(heard(b"\xff\n"), Heard::Refused(LineFault::NotText)));
    }
}
