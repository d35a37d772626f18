//! Work that takes long, on a thread of its own: messages with a thousand files in them.
//!
//! A thousand nodes may send such messages at once. If the threads that serve connections took them apart, everybody who asks a
//! short question would wait until they are through. The clerk takes one after the other and gives way to those threads.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::thread_priority;

/// Whoever comes when so many wait, waits with their own.
const BACKLOG: usize = 64;

type Command = Box<dyn FnOnce() + Send>;

/// The way to the clerk; when all are dropped, it ends.
#[derive(Debug, Clone)]
pub(crate) struct ScanWorker(mpsc::Sender<Command>);

struct Actor {
    commands: mpsc::Receiver<Command>,
}

impl ScanWorker {
    /// Starts the clerk on a thread that `tracker` waits for.
    pub(crate) fn start(tracker: &TaskTracker) -> Self {
        let (sender, commands) = mpsc::channel(BACKLOG);
        tracker.spawn_blocking(|| Actor { commands }.run());
        Self(sender)
    }

    /// Lets the clerk do something; nothing comes of it if the clerk has ended. Dropped early, it may yet be done.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        // Who has gone in the meantime needs no answer.
        let work = Box::new(move || drop(reply.send(work())));
        self.0.send(work).await.ok()?;
        answer.await.ok()
    }
}

impl Actor {
    fn run(mut self) {
        thread_priority::lower_current_thread();
        while let Some(work) = self.commands.blocking_recv() {
            // It is told of where it happened; whose work it was, gets no result.
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
        let clerk = ScanWorker::start(&tasks);
        assert_eq!(clerk.run(|| 6 * 7).await, Some(42));
        drop(clerk);
        tasks.close();
        tasks.wait().await;
    }

    #[tokio::test]
    async fn panicking_work_does_not_stop_the_worker() {
        let tasks = TaskTracker::new();
        let clerk = ScanWorker::start(&tasks);
        assert_eq!(clerk.run(|| -> u8 { panic!("on purpose") }).await, None);
        assert_eq!(clerk.run(|| 1).await, Some(1));
    }
}
