use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use protocol::configured::{LogEvent, LogLine, PeerId};

use crate::local_time::local_time;
use crate::storage::{Links, append_to_regular_file};

/// The log of a peer, `log_peer_<id>.log`, in the words that all programs of the dialect use. An earlier one is gone on with.
#[derive(Debug)]
pub(super) struct EventLog {
    us: PeerId,
    path: PathBuf,
    /// Nothing once it could not be written.
    file: Option<File>,
    waiting: Vec<u8>,
}

impl EventLog {
    /// Opens it in a folder.
    pub(super) fn open(dir: &Path, us: PeerId) -> io::Result<Self> {
        let path = dir.join(format!("log_peer_{us}.log"));
        let file = append_to_regular_file(&path, 0o666, Links::Followed)?;
        Ok(Self { us, path, file: Some(file), waiting: Vec::new() })
    }

    /// Notes an event, with the time.
    pub(super) fn note(&mut self, event: LogEvent) {
        let line = LogLine { us: self.us, event };
        tracing::debug!(%line, "event");
        // Writing to memory cannot fail.
        let _ = writeln!(self.waiting, "[{}]: {line}", local_time());
    }

    /// Writes what was noted. A log that cannot be written stops nobody.
    pub(super) fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let written = self.file.as_mut().map_or(Ok(()), |file| file.write_all(&self.waiting));
        self.waiting.clear();
        if let Err(error) = written {
            tracing::warn!(log = %self.path.display(), %error, "going on without a log");
            self.file = None;
        }
    }
}
