use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use protocol::lan::{ChunkName, download_line};

use super::ChunkFolder;
use super::log_file::append_line;
use super::reorder_buffer::ReorderBuffer;
use crate::local_time::local_time;

/// Name of the download log.
pub(super) const DOWNLOAD_LOG: &str = "download_log.txt";

/// Writes `download_log.txt` for one file, in the order in which its chunks are requested. A line waits until all earlier
/// chunks have ended. Dropping the log writes the waiting lines.
#[derive(Debug)]
pub(super) struct DownloadLog {
    folder: Arc<ChunkFolder>,
    lines: ReorderBuffer<String>,
    tickets: HashMap<ChunkName, u64>,
}

impl DownloadLog {
    pub(super) fn new(folder: Arc<ChunkFolder>) -> Self {
        Self { folder, lines: ReorderBuffer::default(), tickets: HashMap::new() }
    }

    /// Reserves the position of a chunk that is requested next.
    pub(super) fn begin_chunk(&mut self, chunk: &ChunkName) {
        self.tickets.insert(chunk.clone(), self.lines.begin());
    }

    /// Records whether a chunk was received, and from whom.
    pub(super) fn end_chunk(&mut self, chunk: &ChunkName, from: Option<IpAddr>) {
        if let Some(ticket) = self.tickets.remove(chunk) {
            let line = from.map(|from| download_line(&local_time(), chunk, from));
            let ready = self.lines.end(ticket, line);
            self.write(ready);
        }
    }

    fn write(&self, lines: Vec<String>) {
        for line in lines {
            append_line(&self.folder, DOWNLOAD_LOG, &line);
        }
    }
}

impl Drop for DownloadLog {
    fn drop(&mut self) {
        let mut open: Vec<u64> = self.tickets.drain().map(|(_, ticket)| ticket).collect();
        open.sort_unstable();
        for ticket in open {
            let ready = self.lines.end(ticket, None);
            self.write(ready);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_are_in_the_order_of_the_requests() {
        let home = tempfile::tempdir().unwrap();
        let folder = Arc::new(ChunkFolder::open(home.path()).unwrap());
        let [one, two, three]: [ChunkName; 3] = ["a_1", "a_2", "a_3"].map(|name| name.parse().unwrap());
        let from = Some("10.0.0.7".parse().unwrap());
        let logged = || {
            let text = fs::read_to_string(home.path().join(DOWNLOAD_LOG)).unwrap_or_default();
            text.lines().map(|line| line[21..24].to_owned()).collect::<Vec<_>>()
        };
        let mut log = DownloadLog::new(Arc::clone(&folder));
        for chunk in [&one, &two, &three] {
            log.begin_chunk(chunk);
        }
        log.end_chunk(&two, from);
        assert_eq!(logged(), [""; 0]);
        log.end_chunk(&one, from);
        assert_eq!(logged(), ["a_1", "a_2"]);
        log.end_chunk(&three, None);
        for chunk in [&one, &two] {
            log.begin_chunk(chunk);
        }
        log.end_chunk(&two, from);
        assert_eq!(logged().len(), 2);
        drop(log);
        assert_eq!(logged(), ["a_1", "a_2", "a_2"]);
    }
}
