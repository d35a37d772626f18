use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use protocol::configured::{ConfiguredPeerId, LogEvent, LogLine};

use crate::local_time::local_time;
use crate::storage::{LinkPolicy, append_to_regular_file};

/// The event log of a peer, `log_peer_<id>.log`, in the format that all implementations of the dialect share. An existing
/// log is extended.
#[derive(Debug)]
pub(super) struct EventLog {
    own_id: ConfiguredPeerId,
    path: PathBuf,
    /// `None` after a write has failed.
    file: Option<File>,
    buffered: Vec<u8>,
}

impl EventLog {
    /// Opens the log in a folder.
    pub(super) fn open(dir: &Path, own_id: ConfiguredPeerId) -> io::Result<Self> {
        let path = dir.join(format!("log_peer_{own_id}.log"));
        let file = append_to_regular_file(&path, 0o666, LinkPolicy::Follow)?;
        Ok(Self { own_id, path, file: Some(file), buffered: Vec::new() })
    }

    /// Buffers an event with the current time.
    pub(super) fn record(&mut self, event: LogEvent) {
        let line = LogLine { own_id: self.own_id, event };
        tracing::debug!(%line, "event");
        // Writing to memory cannot fail.
        let _ = writeln!(self.buffered, "[{}]: {line}", local_time());
    }

    /// Writes the buffered events. If that fails, the peer continues without a log.
    pub(super) fn flush(&mut self) {
        if self.buffered.is_empty() {
            return;
        }
        let written = self.file.as_mut().map_or(Ok(()), |file| file.write_all(&self.buffered));
        self.buffered.clear();
        if let Err(error) = written {
            tracing::warn!(log = %self.path.display(), %error, "cannot write the event log; continuing without it");
            self.file = None;
        }
    }
}
