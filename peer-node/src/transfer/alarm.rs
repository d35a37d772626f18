use std::pin::Pin;
use std::time::Instant;

use tokio::time::Sleep;

/// A timer for a loop that waits for many events between two deadlines. Its entry in the runtime is changed only when the
/// deadline changes.
#[derive(Debug)]
pub(crate) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// The deadline that is set, until it has passed.
    deadline: Option<Instant>,
}

impl Alarm {
    /// Creates a timer without a deadline.
    pub(crate) fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(tokio::time::Instant::now())), deadline: None }
    }

    /// Waits until a deadline, or forever without one. Cancel safe.
    pub(crate) async fn wait_until(&mut self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return std::future::pending().await };
        if self.deadline != Some(deadline) {
            self.sleep.as_mut().reset(deadline.into());
            self.deadline = Some(deadline);
        }
        self.sleep.as_mut().await;
        self.deadline = None;
    }
}

/// Returns the current time, which tests can simulate.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn alarm_rings_at_the_latest_deadline_that_was_set() {
        let (mut alarm, start) = (Alarm::new(), now());
        let at = |seconds| start + Duration::from_secs(seconds);
        tokio::select! {
            () = alarm.wait_until(Some(at(5))) => panic!("too early"),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        alarm.wait_until(Some(at(3))).await;
        assert_eq!(now(), at(3));
        alarm.wait_until(Some(at(3))).await;
        alarm.wait_until(Some(at(9))).await;
        assert_eq!(now(), at(9));
        let never = tokio::time::timeout(Duration::from_hours(1), alarm.wait_until(None)).await;
        assert!(never.is_err());
    }
}
