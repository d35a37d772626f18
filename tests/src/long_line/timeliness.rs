use std::time::Duration;

const BUCKETS: usize = 32;

/// Lateness of delivered packets: what the machine adds to the configured delays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeliness {
    /// Packet counts by the number of binary digits of the lateness in microseconds.
    counts: [u64; BUCKETS],
    worst: Duration,
}

impl Timeliness {
    /// Records a packet.
    pub(super) fn record(&mut self, late: Duration) {
        let digits = u128::BITS - late.as_micros().leading_zeros();
        self.counts[(digits as usize).min(BUCKETS - 1)] += 1;
        self.worst = self.worst.max(late);
    }

    /// Returns the maximum lateness.
    pub const fn worst(&self) -> Duration {
        self.worst
    }

    /// Returns an upper bound of the lateness of `share` packets per thousand, as a power of two in microseconds.
    pub fn percentile_bound(&self, share: u64) -> Duration {
        let all: u64 = self.counts.iter().sum();
        let mut seen = 0;
        for (digits, count) in (0..).zip(self.counts) {
            seen += count;
            if seen * 1000 >= all * share {
                return Duration::from_micros(1 << digits).min(self.worst);
            }
        }
        self.worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_bound_differs_from_the_worst() {
        let mut timeliness = Timeliness::default();
        for _ in 0..995 {
            timeliness.record(Duration::from_micros(50));
        }
        for _ in 0..5 {
            timeliness.record(Duration::from_millis(7));
        }
        assert_eq!(timeliness.percentile_bound(990), Duration::from_micros(64));
        assert_eq!(timeliness.percentile_bound(1000), Duration::from_millis(7));
        assert_eq!(timeliness.worst(), Duration::from_millis(7));
    }
}
