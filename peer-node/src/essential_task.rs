//! Tasks without which a program must not continue.
//!
//! A panic in the task of one connection or one job ends that alone. If the owner of the library or of the connection to the
//! index panics, however, the node would look alive and do nothing. Such a task holds an [`EssentialTask`]; its panic stops the
//! program in order, with an exit status of its own.

use std::sync::{LazyLock, OnceLock};
use std::thread;

use tokio_util::sync::CancellationToken;

/// The failure of this process; there is one, because it ends the process.
static FAILURE: LazyLock<Failure> = LazyLock::new(Failure::default);

#[derive(Debug, Default)]
struct Failure {
    task: OnceLock<&'static str>,
    occurred: CancellationToken,
}

/// A guard that an essential task holds as long as it runs.
#[derive(Debug)]
pub(crate) struct EssentialTask(&'static str);

impl EssentialTask {
    /// Marks the current task as essential. Its name appears in the log and in the error message.
    pub(crate) fn begin(name: &'static str) -> Self {
        let task = Self(name);
        #[cfg(debug_assertions)]
        assert!(
            std::env::var_os("PEERDEX_TEST_PANIC").is_none_or(|chosen| chosen != name),
            "{name}: chosen by PEERDEX_TEST_PANIC"
        );
        task
    }
}

impl Drop for EssentialTask {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!(task = self.0, "an essential task panicked, stopping the program");
            // If two tasks panic, the first one is reported.
            let _ = FAILURE.task.set(self.0);
            FAILURE.occurred.cancel();
        }
    }
}

/// Waits until an essential task has panicked. Cancel safe.
pub(crate) async fn failure() {
    FAILURE.occurred.cancelled().await;
}

/// Returns the name of the essential task that panicked, if one has.
pub(crate) fn failed_task() -> Option<&'static str> {
    FAILURE.task.get().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panic_of_an_essential_task_is_a_failure_and_its_end_is_none() {
        tokio::spawn(async { drop(EssentialTask::begin("quiet")) }).await.unwrap();
        assert_eq!(failed_task(), None);
        let panicking = tokio::spawn(async {
            let _task = EssentialTask::begin("loud");
            tokio::task::yield_now().await;
            panic!("an example");
        });
        failure().await;
        assert!(panicking.await.is_err());
        assert_eq!(failed_task(), Some("loud"));
    }
}
