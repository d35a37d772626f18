use std::time::Duration;

/// Minimum queue size in front of a line, in bytes.
const MIN_QUEUE: u64 = 256 << 10;

/// The line between a host and the centre of the network. Both directions are the same except for their rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineConfig {
    /// Bits per second from the host.
    pub up: u64,
    /// Bits per second to the host.
    pub down: u64,
    /// The delay of a packet; between two hosts, a packet crosses both lines.
    pub delay: Duration,
    /// Packets lost at random in each direction, per million.
    pub loss: u32,
    /// Number of bytes that may be queued in front of the line in each direction; further packets are dropped.
    pub queue: u64,
}

impl LineConfig {
    /// Creates a symmetric line without loss. Its queue holds what the line carries in `round_trip`, but at least 256
    /// KiB.
    pub fn new(rate: u64, delay: Duration, round_trip: Duration) -> Self {
        let held = u128::from(rate / 8) * round_trip.as_micros() / 1_000_000;
        let queue = u64::try_from(held).unwrap_or(u64::MAX).max(MIN_QUEUE);
        Self { up: rate, down: rate, delay, loss: 0, queue }
    }

    /// Returns the line with random loss, in packets per million.
    #[must_use]
    pub const fn with_loss(self, loss: u32) -> Self {
        Self { loss, ..self }
    }
}

/// One direction of a line. Packets leave one after another, and the queue of waiting packets is bounded.
#[derive(Debug)]
pub(super) struct Transmitter {
    rate: u64,
    queue: u64,
    free_at: Duration,
}

impl Transmitter {
    /// Creates an idle transmitter.
    pub(super) const fn new(rate: u64, queue: u64) -> Self {
        Self { rate, queue, free_at: Duration::ZERO }
    }

    /// Returns the time at which a packet added now has left, or `None` if the queue is full.
    pub(super) fn transmit(&mut self, now: Duration, bytes: usize) -> Option<Duration> {
        let start = self.free_at.max(now);
        let waiting = start.saturating_sub(now).as_nanos() * u128::from(self.rate) / 8 / 1_000_000_000;
        if waiting + bytes as u128 > u128::from(self.queue) {
            return None;
        }
        let nanos = bytes as u64 * 8 * 1_000_000_000 / self.rate;
        self.free_at = start + Duration::from_nanos(nanos);
        Some(self.free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_holds_one_round_trip_and_at_least_256_kib() {
        let line = |rate, ms| LineConfig::new(rate, Duration::ZERO, Duration::from_millis(ms)).queue;
        assert_eq!(line(100_000_000, 100), 1_250_000);
        assert_eq!(line(20_000_000, 10), 256 << 10);
    }

    #[test]
    fn packets_leave_in_order_at_the_line_rate() {
        let mut transmitter = Transmitter::new(12_000_000, 10_000);
        let ms = Duration::from_millis;
        assert_eq!(transmitter.transmit(ms(5), 1500), Some(ms(6)));
        assert_eq!(transmitter.transmit(ms(5), 1500), Some(ms(7)));
        assert_eq!(transmitter.transmit(ms(10), 1500), Some(ms(11)));
    }

    #[test]
    fn full_queue_drops_and_drains_at_the_line_rate() {
        let mut transmitter = Transmitter::new(12_000_000, 3000);
        let ms = Duration::from_millis;
        assert!(transmitter.transmit(ms(0), 1500).is_some());
        assert!(transmitter.transmit(ms(0), 1500).is_some());
        assert_eq!(transmitter.transmit(ms(0), 1500), None);
        assert_eq!(transmitter.transmit(ms(1), 1500), Some(ms(3)));
    }
}
