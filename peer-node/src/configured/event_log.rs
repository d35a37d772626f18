use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use protocol::configured::{ConfiguredPeerId, LogEvent, LogLine};

use crate::local_time::local_time;
use crate::storage::{LinkPolicy, append_to_regular_file};

/// The log of a peer, `log_peer_<id>.log`, in the words that all programs of the dialect use. An earlier one is gone on with.
#[derive(Debug)]
pub(super) struct EventLog {
    own_id: ConfiguredPeerId,
    path: PathBuf,
    /// Nothing once it could not be written.
    file: Option<File>,
    buffered: Vec<u8>,
}

impl EventLog {
    /// Opens it in a folder.
    pub(super) fn open(dir: &Path, us: ConfiguredPeerId) -> io::Result<Self> {
        let path = dir.join(format!("log_peer_{us}.log"));
        let file = append_to_regular_file(&path, 0o666, LinkPolicy::Follow)?;
        Ok(Self { own_id: us, path, file: Some(file), buffered: Vec::new() })
    }

    /// Notes an event, with the time.
    pub(super) fn record(&mut self, event: LogEvent) {
        let line = LogLine { us: self.own_id, event };
        tracing::debug!(%line, "event");
        // Writing to memory cannot fail.
        let _ = writeln!(self.buffered, "[{}]: {line}", local_time());
    }

    /// Writes what was noted. A log that cannot be written stops nobody.
    pub(super) fn flush(&mut self) {
        if self.buffered.is_empty() {
            return;
        }
        let written = self.file.as_mut().map_or(Ok(()), |file| file.write_all(&self.buffered));
        self.buffered.clear();
        if let Err(error) = written {
            tracing::warn!(log = %self.path.display(), %error, "going on without a log");
            self.file = None;
        }
    }
}
