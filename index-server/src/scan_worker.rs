//! Runs long work on a thread of its own, such as decoding messages with a thousand files.
//!
//! A thousand nodes may send such messages at once. Decoded on the threads that serve connections, they would delay all short
//! requests. The worker handles them one by one at low priority.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::platform::lower_thread_priority;

/// Enough to keep the worker busy; further senders wait, which throttles their connections.
const BACKLOG: usize = 64;

type Command = Box<dyn FnOnce() + Send>;

/// A handle to the worker, which ends when all handles are dropped.
#[derive(Debug, Clone)]
pub(crate) struct ScanWorker(mpsc::Sender<Command>);

struct Actor {
    commands: mpsc::Receiver<Command>,
}

impl ScanWorker {
    /// Starts the worker on a thread that `tracker` waits for.
    pub(crate) fn start(tracker: &TaskTracker) -> Self {
        let (sender, commands) = mpsc::channel(BACKLOG);
        tracker.spawn_blocking(|| Actor { commands }.run());
        Self(sender)
    }

    /// Runs `work` on the worker; returns `None` if the worker has ended or the work panicked. If the future is dropped, the
    /// work may still run.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        // The caller may have gone away; then the result is dropped.
        let work = Box::new(move || drop(reply.send(work())));
        self.0.send(work).await.ok()?;
        answer.await.ok()
    }
}

impl Actor {
    fn run(mut self) {
        lower_thread_priority();
        while let Some(work) = self.commands.blocking_recv() {
            // The panic hook has logged the panic; the caller gets no result.
            let _ = catch_unwind(AssertUnwindSafe(work));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_runs_and_returns_its_result() {
        let tasks = TaskTracker::new();
        let worker = ScanWorker::start(&tasks);
        assert_eq!(worker.run(|| 6 * 7).await, Some(42));
        drop(worker);
        tasks.close();
        tasks.wait().await;
    }

    #[tokio::test]
    async fn panicking_work_does_not_stop_the_worker() {
        let tasks = TaskTracker::new();
        let worker = ScanWorker::start(&tasks);
        assert_eq!(worker.run(|| -> u8 { panic!("on purpose") }).await, None);
        assert_eq!(worker.run(|| 1).await, Some(1));
    }
}
