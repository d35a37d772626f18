use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::lan::{ChunkName, upload_line};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::log_file::append_line;
use super::reorder_buffer::ReorderBuffer;
use super::{ChunkFolder, LanEvent};
use crate::local_time::local_time;

/// The log of what was uploaded.
pub(super) const UPLOAD_LOG: &str = "upload_log.txt";

/// How long the line of an upload waits for those of earlier requests that are still being answered.
const ORDERING_TIMEOUT: Duration = Duration::from_secs(2);

/// Writes `upload_log.txt` in the order of the requests. A line waits for those of earlier requests, but not for long.
#[derive(Debug)]
pub(super) struct UploadLog {
    folder: Arc<ChunkFolder>,
    events: mpsc::Sender<LanEvent>,
    lines: Mutex<ReorderBuffer<UploadEntry>>,
}

#[derive(Debug)]
struct UploadEntry {
    chunk: ChunkName,
    to: IpAddr,
}

impl UploadLog {
    pub(super) fn new(folder: Arc<ChunkFolder>, news: mpsc::Sender<LanEvent>) -> Arc<Self> {
        Arc::new(Self { folder, events: news, lines: Mutex::default() })
    }

    /// Takes the place of a request that came now.
    pub(super) fn reserve(self: &Arc<Self>) -> UploadLogSlot {
        UploadLogSlot { ticket: self.lines.lock().begin(), log: Arc::clone(self), sent_at: None }
    }

    /// Makes a change and writes what is ready by it. Lines are written one after the other, so that they stay in order.
    fn update(&self, change: impl FnOnce(&mut ReorderBuffer<UploadEntry>) -> Vec<UploadEntry>) {
        let mut order = self.lines.lock();
        for UploadEntry { chunk, to } in change(&mut order) {
            append_line(&self.folder, UPLOAD_LOG, &upload_line(&local_time(), &chunk, to));
            // Who does not keep up with the news reads the log.
            let _ = self.events.try_send(LanEvent::Uploaded { chunk, to });
        }
    }
}

/// The place of a request in the log. Dropped without an end it leaves no line; dropped while its line waits, the line is
/// written.
#[derive(Debug)]
pub(super) struct UploadLogSlot {
    log: Arc<UploadLog>,
    ticket: u64,
    sent_at: Option<Instant>,
}

impl UploadLogSlot {
    /// Notes that the chunk was sent.
    pub(super) fn record_sent(&mut self, chunk: ChunkName, to: IpAddr) {
        self.sent_at = Some(Instant::now());
        self.log.update(|order| order.end(self.ticket, Some(UploadEntry { chunk, to })));
    }

    /// Waits until the line is to be written even if earlier requests are still being answered.
    pub(super) async fn wait_for_earlier(&self) {
        if let Some(ended) = self.sent_at
            && self.log.lines.lock().is_waiting(self.ticket)
        {
            tokio::time::sleep_until(ended + ORDERING_TIMEOUT).await;
        }
    }
}

impl Drop for UploadLogSlot {
    fn drop(&mut self) {
        self.log.update(|order| match self.sent_at {
            Some(_) => order.release(self.ticket),
            None => order.end(self.ticket, None),
        });
    }
}
