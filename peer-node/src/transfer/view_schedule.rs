use std::time::{Duration, Instant};

/// Interval between updates of a view while something moves.
pub(crate) const VIEW_INTERVAL: Duration = Duration::from_millis(250);

/// Interval between updates while nothing has changed, but could without an event, as uploads do.
const QUIET_INTERVAL: Duration = Duration::from_secs(1);

/// How much may change in a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ViewActivity {
    /// Rates and times change.
    Moving,
    /// Nothing moves, but that may change without an event.
    Quiet,
    /// Only an event can change anything.
    Idle,
}

/// Decides when a view is updated: often while something moves, and not at all while nothing does. Pure.
#[derive(Debug)]
pub(crate) struct ViewSchedule {
    updated_at: Instant,
    /// Whether an event has occurred since the latest update.
    has_news: bool,
}

impl ViewSchedule {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { updated_at: now, has_news: true }
    }

    /// Records an event that may change the view.
    pub(crate) const fn mark_changed(&mut self) {
        self.has_news = true;
    }

    /// Returns when the next update is due, if at all.
    pub(crate) fn due(&self, activity: ViewActivity) -> Option<Instant> {
        let interval = match activity {
            _ if self.has_news => VIEW_INTERVAL,
            ViewActivity::Moving => VIEW_INTERVAL,
            ViewActivity::Quiet => QUIET_INTERVAL,
            ViewActivity::Idle => return None,
        };
        Some(self.updated_at + interval)
    }

    /// Returns true if an update is due, and counts it as made.
    pub(crate) fn begin(&mut self, activity: ViewActivity, now: Instant) -> bool {
        let is_due = self.due(activity).is_some_and(|due| due <= now);
        if is_due {
            *self = Self { updated_at: now, has_news: false };
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_view_is_updated_once_after_an_event() {
        let start = Instant::now();
        let mut schedule = ViewSchedule::new(start);
        assert!(!schedule.begin(ViewActivity::Idle, start));
        let first = start + VIEW_INTERVAL;
        assert!(schedule.begin(ViewActivity::Idle, first));
        assert_eq!(schedule.due(ViewActivity::Idle), None);
        assert_eq!(schedule.due(ViewActivity::Quiet), Some(first + QUIET_INTERVAL));
        assert_eq!(schedule.due(ViewActivity::Moving), Some(first + VIEW_INTERVAL));
        schedule.mark_changed();
        assert_eq!(schedule.due(ViewActivity::Idle), Some(first + VIEW_INTERVAL));
    }
}
