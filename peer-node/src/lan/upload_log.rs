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

/// Name of the upload log.
pub(super) const UPLOAD_LOG: &str = "upload_log.txt";

/// Time that the line of an upload waits for the lines of earlier requests that are still being answered.
const ORDERING_TIMEOUT: Duration = Duration::from_secs(2);

/// Writes `upload_log.txt` in the order of the requests. A line waits for those of earlier requests, up to
/// [`ORDERING_TIMEOUT`].
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
    pub(super) fn new(folder: Arc<ChunkFolder>, events: mpsc::Sender<LanEvent>) -> Arc<Self> {
        Arc::new(Self { folder, events, lines: Mutex::default() })
    }

    /// Reserves the position of a new request.
    pub(super) fn reserve(self: &Arc<Self>) -> UploadLogSlot {
        UploadLogSlot { ticket: self.lines.lock().begin(), log: Arc::clone(self), sent_at: None }
    }

    /// Applies a change and writes the lines that become ready. The lock is held meanwhile, so that lines stay in order.
    fn update(&self, change: impl FnOnce(&mut ReorderBuffer<UploadEntry>) -> Vec<UploadEntry>) {
        let mut lines = self.lines.lock();
        for UploadEntry { chunk, to } in change(&mut lines) {
            append_line(&self.folder, UPLOAD_LOG, &upload_line(&local_time(), &chunk, to));
            // If the receiver is full, the log still has the line.
            let _ = self.events.try_send(LanEvent::Uploaded { chunk, to });
        }
    }
}

/// The position of a request in the log. If it is dropped before a chunk was sent, it leaves no line; if it is dropped while
/// its line waits, the line is written.
#[derive(Debug)]
pub(super) struct UploadLogSlot {
    log: Arc<UploadLog>,
    ticket: u64,
    sent_at: Option<Instant>,
}

impl UploadLogSlot {
    /// Records that the chunk was sent.
    pub(super) fn record_sent(&mut self, chunk: ChunkName, to: IpAddr) {
        self.sent_at = Some(Instant::now());
        self.log.update(|lines| lines.end(self.ticket, Some(UploadEntry { chunk, to })));
    }

    /// Waits until the line must be written although earlier requests are still being answered. Cancel safe.
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
        self.log.update(|lines| match self.sent_at {
            Some(_) => lines.release(self.ticket),
            None => lines.end(self.ticket, None),
        });
    }
}
