//! Selects the congestion control for a path. Pure: the owner of the socket provides the measurements.

use std::time::Duration;

/// Paths with a lower round-trip time are short.
const SHORT_RTT: Duration = Duration::from_millis(1);

/// Retransmissions that occur on any path: tail loss probes, the initial burst.
const MAX_INCIDENTAL_RETRANSMITS: u64 = 2;

/// A path with at most one retransmission in this many segments counts as loss-free. At a round-trip time below a
/// millisecond cubic still reaches a high rate then.
const LOSS_FREE_RATIO: u64 = 10_000;

/// The congestion control of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CongestionChoice {
    /// The system's choice.
    System,
    /// One without pacing: cubic, otherwise reno.
    Unpaced,
}

/// The measurements of a connection's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PathMeasurements {
    /// Whether the path stays on this machine.
    pub(crate) is_loopback: bool,
    /// Minimum round-trip time of the last minutes; zero if unknown.
    pub(crate) min_rtt: Duration,
    /// Sent segments, including retransmissions.
    pub(crate) segments: u64,
    /// Retransmitted segments.
    pub(crate) retransmitted: u64,
}

impl PathMeasurements {
    /// Returns true if the path loses segments.
    pub(crate) const fn is_lossy(&self) -> bool {
        self.retransmitted > MAX_INCIDENTAL_RETRANSMITS + self.segments / LOSS_FREE_RATIO
    }

    /// Returns the congestion control that suits the path.
    ///
    /// Keeps the system's choice unless another one is known to help: on loopback and on short loss-free paths, the timers
    /// of a pacing control such as BBR cost more than they gain. Addresses are no indication, because private ones are also
    /// common on long lines between offices.
    pub(crate) fn congestion(&self) -> CongestionChoice {
        let is_short = self.min_rtt > Duration::ZERO && self.min_rtt < SHORT_RTT;
        if self.is_loopback || is_short && !self.is_lossy() {
            CongestionChoice::Unpaced
        } else {
            CongestionChoice::System
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(min_rtt: u64, segments: u64, retransmitted: u64) -> PathMeasurements {
        PathMeasurements {
            is_loopback: false,
            min_rtt: Duration::from_micros(min_rtt),
            segments,
            retransmitted,
        }
    }

    #[test]
    fn only_a_short_path_without_loss_is_left_unpaced() {
        assert_eq!(path(300, 0, 0).congestion(), CongestionChoice::Unpaced);
        assert_eq!(path(300, 50, 2).congestion(), CongestionChoice::Unpaced);
        assert_eq!(path(300, 1_000_000, 90).congestion(), CongestionChoice::Unpaced);
        assert_eq!(path(300, 50_000, 50).congestion(), CongestionChoice::System);
        assert_eq!(path(1_000, 50, 0).congestion(), CongestionChoice::System);
        assert_eq!(path(100_000, 50, 0).congestion(), CongestionChoice::System);
    }

    #[test]
    fn unmeasured_path_keeps_the_system_choice() {
        assert_eq!(path(0, 0, 0).congestion(), CongestionChoice::System);
    }

    #[test]
    fn loopback_is_left_unpaced_whatever_is_measured() {
        let busy = PathMeasurements { is_loopback: true, ..path(20_000, 1000, 900) };
        assert_eq!(busy.congestion(), CongestionChoice::Unpaced);
    }

    proptest! {
        #[test]
        fn more_loss_or_a_longer_path_never_unpaces(
            rtt in 0u64..10_000, longer in 0u64..10_000, segments: u32, lost: u32, more: u32,
        ) {
            let before = path(rtt, segments.into(), lost.into());
            let after = path(rtt.max(1) + longer, segments.into(), u64::from(lost) + u64::from(more));
            if rtt > 0 && before.congestion() == CongestionChoice::System {
                prop_assert_eq!(after.congestion(), CongestionChoice::System);
            }
        }
    }
}
