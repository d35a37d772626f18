use std::fmt;
use std::time::Duration;

use crate::long_line::{CongestionAlgorithm, LineConfig};

/// Seconds that the lines of all sources together need for the file.
pub(super) const TRANSFER_SECONDS: u32 = 4;

const MBIT: u64 = 1_000_000;

/// Round-trip times of one source, in milliseconds. The longest is roughly that of a line halfway around the world.
const ROUND_TRIPS_MS: [u64; 3] = [10, 100, 250];

/// Packets lost in each direction, per million.
const LOSSES_PER_MILLION: [u32; 3] = [0, 1000, 10_000];

/// Rates of one source, in Mbit/s.
const RATES_MBIT: [u64; 3] = [20, 100, 400];

/// Rates in Mbit/s and round-trip times in milliseconds of four unequal sources.
const FOUR_SOURCES: [(u64, u64); 4] = [(40, 20), (20, 50), (10, 90), (5, 130)];

/// The rate of the receiver and of the index, in Mbit/s.
const RECEIVER_RATE_MBIT: u64 = 1000;

/// Delay of the lines of the index, and of a receiver with several sources.
const SHORT_DELAY: Duration = Duration::from_millis(1);

/// The conditions of one measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) dialect: Dialect,
    pub(super) sources: Sources,
    pub(super) addresses: Addresses,
    pub(super) congestion: CongestionAlgorithm,
    /// Packets lost in each direction on a source's line, per million.
    pub(super) loss: u32,
}

/// The protocol of the transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Native,
    BitTorrent,
}

/// The sources of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sources {
    /// One source, with its round-trip time in milliseconds and its rate in Mbit/s.
    One { round_trip: u64, rate: u64 },
    /// The sources of [`FOUR_SOURCES`].
    Four,
}

/// The addresses of the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Addresses {
    Private,
    Public,
}

impl Cell {
    /// Returns all cells: every line for one source with private addresses, and the other kinds at 100 ms and 100
    /// Mbit/s.
    pub(super) fn all() -> Vec<Self> {
        let usual = Sources::One { round_trip: 100, rate: 100 };
        let kinds = [
            (Dialect::Native, usual, Addresses::Public),
            (Dialect::Native, Sources::Four, Addresses::Private),
            (Dialect::BitTorrent, usual, Addresses::Private),
            (Dialect::BitTorrent, Sources::Four, Addresses::Private),
        ];
        let mut all = Vec::new();
        for congestion in [CongestionAlgorithm::Bbr, CongestionAlgorithm::Cubic] {
            for round_trip in ROUND_TRIPS_MS {
                for rate in RATES_MBIT {
                    let sources = Sources::One { round_trip, rate };
                    let lines = LOSSES_PER_MILLION.map(|loss| Self {
                        dialect: Dialect::Native,
                        sources,
                        addresses: Addresses::Private,
                        congestion,
                        loss,
                    });
                    all.extend(lines);
                }
            }
            for (dialect, sources, addresses) in kinds {
                all.extend(LOSSES_PER_MILLION.map(|loss| Self {
                    dialect,
                    sources,
                    addresses,
                    congestion,
                    loss,
                }));
            }
        }
        all
    }

    /// Returns the words that select the cell.
    pub(super) fn filter_words(self) -> Vec<String> {
        [self.kind_words(), self.line_words()].concat()
    }

    /// Returns the words that do not describe a source's line.
    pub(super) fn kind_words(self) -> Vec<String> {
        let dialect = match self.dialect {
            Dialect::Native => "native",
            Dialect::BitTorrent => "bittorrent",
        };
        let addresses = match self.addresses {
            Addresses::Private => "private",
            Addresses::Public => "public",
        };
        let sources = match self.sources {
            Sources::One { .. } => "one",
            Sources::Four => "four",
        };
        [dialect, addresses, self.congestion.name(), sources].map(String::from).to_vec()
    }

    /// Returns the words that describe a source's line; unequal sources are not named individually.
    pub(super) fn line_words(self) -> Vec<String> {
        let loss = format!("{}%", f64::from(self.loss) / 10_000.0);
        match self.sources {
            Sources::One { round_trip, rate } => {
                vec![format!("{round_trip}ms"), format!("{rate}mbit"), loss]
            }
            Sources::Four => vec![loss],
        }
    }

    /// Returns the default number of runs per contender.
    pub(super) fn default_runs(self) -> u16 {
        match self.sources {
            Sources::One { round_trip: 100, rate: 100 } | Sources::Four => 5,
            Sources::One { .. } => 3,
        }
    }

    /// Returns the file size in bytes.
    pub(super) fn file_size(self) -> u64 {
        self.total_rate() / 8 * u64::from(TRANSFER_SECONDS)
    }

    /// Returns the total rate of all sources, in bits per second.
    fn total_rate(self) -> u64 {
        match self.sources {
            Sources::One { rate, .. } => rate * MBIT,
            Sources::Four => FOUR_SOURCES.iter().map(|(rate, _)| rate * MBIT).sum(),
        }
    }

    /// Returns the round-trip time; the mean if there are several sources.
    pub(super) fn round_trip(self) -> Duration {
        match self.sources {
            Sources::One { round_trip, .. } => Duration::from_millis(round_trip),
            Sources::Four => {
                let all: u64 = FOUR_SOURCES.iter().map(|(_, round_trip)| round_trip * 1000).sum();
                Duration::from_micros(all / FOUR_SOURCES.len() as u64)
            }
        }
    }

    /// Returns the first three bytes of all addresses, from a private or a documentation network.
    pub(super) const fn network(self) -> [u8; 3] {
        match self.addresses {
            Addresses::Private => [10, 99, 0],
            Addresses::Public => [198, 51, 100],
        }
    }

    /// Returns the number of sources.
    pub(super) const fn source_count(self) -> usize {
        match self.sources {
            Sources::One { .. } => 1,
            Sources::Four => FOUR_SOURCES.len(),
        }
    }

    /// Returns the lines of the index, the sources and the receiver, in this order.
    pub(super) fn line_configs(self) -> Vec<LineConfig> {
        let fast = |delay, round_trip| LineConfig::new(RECEIVER_RATE_MBIT * MBIT, delay, round_trip);
        let source =
            |rate, round_trip, delay| LineConfig::new(rate * MBIT, delay, round_trip).with_loss(self.loss);
        let mut lines = vec![fast(SHORT_DELAY, self.round_trip())];
        match self.sources {
            Sources::One { round_trip, rate } => {
                let round_trip = Duration::from_millis(round_trip);
                lines.push(source(rate, round_trip, round_trip / 4));
                lines.push(fast(round_trip / 4, round_trip));
            }
            Sources::Four => {
                for (rate, round_trip) in FOUR_SOURCES {
                    let round_trip = Duration::from_millis(round_trip);
                    lines.push(source(rate, round_trip, (round_trip / 2).saturating_sub(SHORT_DELAY)));
                }
                lines.push(fast(SHORT_DELAY, self.round_trip()));
            }
        }
        lines
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.filter_words().join(","))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn cells_are_unique_and_have_unique_names() {
        let all = Cell::all();
        let names: BTreeSet<String> = all.iter().map(Cell::to_string).collect();
        assert_eq!((all.len(), names.len()), (2 * (27 + 12), all.len()));
        assert!(names.contains("native,private,bbr,one,100ms,100mbit,0.1%"), "{names:?}");
    }

    #[test]
    fn delays_of_both_lines_add_up_to_half_a_round_trip() {
        for cell in Cell::all() {
            let lines = cell.line_configs();
            let (sources, receiver) = (&lines[1..lines.len() - 1], lines[lines.len() - 1]);
            let trips: Vec<Duration> = sources.iter().map(|line| 2 * (line.delay + receiver.delay)).collect();
            match cell.sources {
                Sources::One { .. } => assert_eq!(trips, [cell.round_trip()]),
                Sources::Four => assert_eq!(trips, [20, 50, 90, 130].map(Duration::from_millis)),
            }
            let rate: u64 = sources.iter().map(|line| line.up).sum();
            assert_eq!(cell.file_size() * 8 / rate, u64::from(TRANSFER_SECONDS));
        }
    }
}
