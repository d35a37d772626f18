use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::lan::{ChunkName, upload_line};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::in_order::InOrder;
use super::log_file::append;
use super::{ChunkFolder, News};
use crate::local_time::local_time;

/// The log of what was uploaded.
pub(super) const UPLOAD_LOG: &str = "upload_log.txt";

/// How long the line of an upload waits for those of earlier requests that are still being answered.
const PATIENCE: Duration = Duration::from_secs(2);

/// Writes `upload_log.txt` in the order of the requests. A line waits for those of earlier requests, but not for long.
#[derive(Debug)]
pub(super) struct UploadLog {
    folder: Arc<ChunkFolder>,
    news: mpsc::Sender<News>,
    order: Mutex<InOrder<Upload>>,
}

#[derive(Debug)]
struct Upload {
    chunk: ChunkName,
    to: IpAddr,
}

impl UploadLog {
    pub(super) fn new(folder: Arc<ChunkFolder>, news: mpsc::Sender<News>) -> Arc<Self> {
        Arc::new(Self { folder, news, order: Mutex::default() })
    }

    /// Takes the place of a request that came now.
    pub(super) fn place(self: &Arc<Self>) -> UploadPlace {
        UploadPlace { ticket: self.order.lock().begin(), log: Arc::clone(self), ended: None }
    }

    /// Makes a change and writes what is ready by it. Lines are written one after the other, so that they stay in order.
    fn change(&self, change: impl FnOnce(&mut InOrder<Upload>) -> Vec<Upload>) {
        let mut order = self.order.lock();
        for Upload { chunk, to } in change(&mut order) {
            append(&self.folder, UPLOAD_LOG, &upload_line(&local_time(), &chunk, to));
            // Who does not keep up with the news reads the log.
            let _ = self.news.try_send(News::Uploaded { chunk, to });
        }
    }
}

/// The place of a request in the log. Dropped without an end it leaves no line; dropped while its line waits, the line is
/// written.
#[derive(Debug)]
pub(super) struct UploadPlace {
    log: Arc<UploadLog>,
    ticket: u64,
    ended: Option<Instant>,
}

impl UploadPlace {
    /// Notes that the chunk was sent.
    pub(super) fn sent(&mut self, chunk: ChunkName, to: IpAddr) {
        self.ended = Some(Instant::now());
        self.log.change(|order| order.end(self.ticket, Some(Upload { chunk, to })));
    }

    /// Waits until the line is to be written even if earlier requests are still being answered.
    pub(super) async fn patience(&self) {
        if let Some(ended) = self.ended
            && self.log.order.lock().waits(self.ticket)
        {
            tokio::time::sleep_until(ended + PATIENCE).await;
        }
    }
}

impl Drop for UploadPlace {
    fn drop(&mut self) {
        self.log.change(|order| match self.ended {
            Some(_) => order.release(self.ticket),
            None => order.end(self.ticket, None),
        });
    }
}
