//! The requirement of a cell.

use super::cell::{Cell, Dialect, Sources, TRANSFER_SECONDS};
use super::contender::LineContender;
use crate::long_line::CongestionAlgorithm;

/// Maximum loss at which several sources must nearly reach the capacity of their lines, per million.
const MAX_SMALL_LOSS: u32 = 1000;

/// The maximum duration of a download in a cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Requirement {
    /// In seconds.
    pub(super) seconds: f64,
    /// The rule behind the figure.
    pub(super) rule: &'static str,
}

impl Requirement {
    /// Computes the requirement of a cell from the medians of other contenders. Returns `None` if the reference did not
    /// run.
    pub(super) fn of(cell: Cell, median: impl Fn(LineContender) -> Option<f64>) -> Option<Self> {
        let round_trip = cell.round_trip().as_secs_f64();
        let aria2 = match cell.dialect {
            Dialect::Native => LineContender::Aria2,
            Dialect::BitTorrent => LineContender::Aria2Torrent,
        };
        let (seconds, rule) = match (cell.sources, cell.congestion) {
            (Sources::One { .. }, CongestionAlgorithm::Bbr) if cell.dialect == Dialect::Native => {
                (1.15 * median(LineContender::Curl)? + 3.0 * round_trip, "1.15 curl + 3 RTT")
            }
            (Sources::One { .. }, CongestionAlgorithm::Bbr) => {
                (1.15 * median(aria2)? + 3.0 * round_trip, "1.15 aria2c + 3 RTT")
            }
            (Sources::One { .. }, CongestionAlgorithm::Cubic) => (1.1 * median(aria2)?, "1.1 aria2c"),
            (Sources::Four, CongestionAlgorithm::Bbr) if cell.loss <= MAX_SMALL_LOSS => {
                (1.25 * (f64::from(TRANSFER_SECONDS) + 6.0 * round_trip), "1.25 (bytes/rate + 6 RTT)")
            }
            (Sources::Four, _) => (median(aria2)?, "aria2c"),
        };
        Some(Self { seconds, rule })
    }

    /// Returns true if a download of `seconds` meets the requirement.
    pub(super) fn is_met_by(&self, seconds: f64) -> bool {
        seconds <= self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::super::filter::matches;
    use super::*;

    fn required_seconds(filter: &str) -> Option<f64> {
        let cell = Cell::all().into_iter().find(|cell| matches(&[filter.into()], *cell)).expect("a cell");
        let median = |contender| match contender {
            LineContender::Curl => Some(4.0),
            LineContender::Aria2 => Some(5.0),
            _ => None,
        };
        Requirement::of(cell, median).map(|required| (required.seconds * 1000.0).round() / 1000.0)
    }

    #[test]
    fn rule_depends_on_the_kind_of_cell() {
        assert_eq!(required_seconds("native,private,one,bbr,100ms,100mbit,1%"), Some(4.9));
        assert_eq!(required_seconds("native,private,one,cubic,100ms,100mbit,1%"), Some(5.5));
        assert_eq!(required_seconds("native,four,bbr,0.1%"), Some(5.544));
        assert_eq!(required_seconds("native,four,bbr,1%"), Some(5.0));
        assert_eq!(required_seconds("native,four,cubic,0%"), Some(5.0));
        assert_eq!(required_seconds("bittorrent,one,bbr,0%"), None, "aria2 has not run");
    }
}
