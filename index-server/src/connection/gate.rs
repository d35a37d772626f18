//! Keeps clients that misbehave by the thousand from filling the log.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How many lines pass in a second.
const LINES: u32 = 10;

/// Lets a few lines pass in each second, and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Second>);

#[derive(Debug, Default)]
struct Second {
    begun: Option<Instant>,
    passed: u32,
    held_back: u32,
}

impl Gate {
    /// Says whether a line passes; if so, how many did not since the last one that did.
    pub(super) fn pass(&self, now: Instant) -> Option<u32> {
        let mut second = self.0.lock();
        let is_over = |begun| now.saturating_duration_since(begun) >= Duration::from_secs(1);
        if second.begun.is_none_or(is_over) {
            second.begun = Some(now);
            second.passed = 0;
        }
        if second.passed >= LINES {
            second.held_back = second.held_back.saturating_add(1);
            return None;
        }
        second.passed += 1;
        Some(std::mem::take(&mut second.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_lines_a_second_pass_and_the_others_are_counted() {
        let (gate, now) = (Gate::default(), Instant::now());
        let passed = (0..100).filter(|_| gate.pass(now).is_some()).count();
        assert_eq!(passed, 10);
        let later = now + Duration::from_secs(1);
        assert_eq!((gate.pass(later), gate.pass(later)), (Some(90), Some(0)));
    }
}
