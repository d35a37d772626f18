//! Decides when each packet arrives and which packets are lost, without devices or a clock.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::line_config::{LineConfig, Transmitter};
use crate::content::Noise;

const IPV4_HEADER_LENGTH: usize = 20;
const DESTINATION_OFFSET: usize = 16;
const MILLION: u64 = 1_000_000;

/// The state of all lines.
#[derive(Debug)]
pub(super) struct Emulator {
    ends: Vec<LineEnd>,
    by_address: HashMap<Ipv4Addr, usize>,
    in_flight: BinaryHeap<Reverse<Packet>>,
    packets_sent: u64,
    noise: Noise,
}

#[derive(Debug)]
struct LineEnd {
    line: LineConfig,
    up: Transmitter,
    down: Transmitter,
}

/// A packet in transit, ordered by its next event.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    at: Duration,
    number: u64,
    stage: PacketStage,
    from: usize,
    to: usize,
    bytes: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PacketStage {
    /// Reaches the queue of the receiver's line.
    ReachesQueue,
    /// Reaches the receiver.
    ReachesReceiver,
}

/// A packet to deliver.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ArrivedPacket {
    /// Time of arrival.
    pub(super) at: Duration,
    /// The sending host.
    pub(super) from: usize,
    /// The receiving host.
    pub(super) to: usize,
    /// The packet, starting with its IP header.
    pub(super) bytes: Vec<u8>,
}

impl Emulator {
    /// Connects hosts; `seed` determines which packets are lost.
    pub(super) fn new(hosts: impl Iterator<Item = (Ipv4Addr, LineConfig)>, seed: u64) -> Self {
        let (mut ends, mut by_address) = (Vec::new(), HashMap::new());
        for (address, line) in hosts {
            by_address.insert(address, ends.len());
            let (up, down) = (Transmitter::new(line.up, line.queue), Transmitter::new(line.down, line.queue));
            ends.push(LineEnd { line, up, down });
        }
        Self {
            ends,
            by_address,
            in_flight: BinaryHeap::new(),
            packets_sent: 0,
            noise: Noise::from_seed(seed),
        }
    }

    /// Accepts a packet from a host. Packets that are not IPv4, for an unknown host, lost, or too many for the queue
    /// are dropped.
    pub(super) fn send(&mut self, now: Duration, from: usize, bytes: &[u8]) {
        let Some(to) = self.receiver(bytes) else { return };
        let departure = self.ends[from].up.transmit(now, bytes.len());
        let Some(departure) = departure else { return };
        // A lost packet has used the sender's uplink all the same.
        if self.is_lost(from) || self.is_lost(to) {
            return;
        }
        let at = departure + self.ends[from].line.delay + self.ends[to].line.delay;
        self.schedule(Packet {
            at,
            number: 0,
            stage: PacketStage::ReachesQueue,
            from,
            to,
            bytes: bytes.into(),
        });
    }

    /// Returns the time of the next event.
    pub(super) fn next_event_time(&self) -> Option<Duration> {
        self.in_flight.peek().map(|Reverse(packet)| packet.at)
    }

    /// Removes and returns the next packet that has arrived by `now`.
    pub(super) fn next_arrival(&mut self, now: Duration) -> Option<ArrivedPacket> {
        while self.next_event_time().is_some_and(|at| at <= now) {
            let Reverse(Packet { at, stage, from, to, bytes, .. }) = self.in_flight.pop()?;
            match stage {
                PacketStage::ReachesReceiver => return Some(ArrivedPacket { at, from, to, bytes }),
                PacketStage::ReachesQueue => {
                    // The receiver's queue can only be judged now: packets of other hosts compete for it.
                    if let Some(at) = self.ends[to].down.transmit(at, bytes.len()) {
                        self.schedule(Packet {
                            at,
                            number: 0,
                            stage: PacketStage::ReachesReceiver,
                            from,
                            to,
                            bytes,
                        });
                    }
                }
            }
        }
        None
    }

    fn schedule(&mut self, packet: Packet) {
        self.packets_sent += 1;
        self.in_flight.push(Reverse(Packet { number: self.packets_sent, ..packet }));
    }

    fn receiver(&self, bytes: &[u8]) -> Option<usize> {
        if bytes.len() < IPV4_HEADER_LENGTH || bytes[0] >> 4 != 4 {
            return None;
        }
        let address: [u8; 4] = bytes.get(DESTINATION_OFFSET..)?.first_chunk().copied()?;
        self.by_address.get(&Ipv4Addr::from(address)).copied()
    }

    fn is_lost(&mut self, host: usize) -> bool {
        let loss = u64::from(self.ends[host].line.loss);
        loss > 0 && self.noise.next_below(MILLION) < loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: u64 = 1_000_000_000;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn between(sender: LineConfig, receiver: LineConfig) -> Emulator {
        let hosts = [sender, receiver].into_iter().zip(1..);
        Emulator::new(hosts.map(|(line, host)| (Ipv4Addr::new(10, 0, 0, host), line)), 1)
    }

    fn packet(to: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        bytes[0] = 0x45;
        bytes[DESTINATION_OFFSET..IPV4_HEADER_LENGTH].copy_from_slice(&[10, 0, 0, to]);
        bytes
    }

    fn arrivals(emulator: &mut Emulator) -> Vec<ArrivedPacket> {
        std::iter::from_fn(|| emulator.next_arrival(Duration::MAX)).collect()
    }

    #[test]
    fn packet_is_delayed_by_both_lines() {
        let sender = LineConfig::new(12_000_000, ms(20), ms(0));
        let mut emulator = between(sender, LineConfig::new(6_000_000, ms(30), ms(0)));
        emulator.send(ms(100), 0, &packet(2, 1500));
        assert_eq!(emulator.next_arrival(ms(152)), None);
        let at = arrivals(&mut emulator)[0].at;
        assert_eq!(at, ms(100 + 1 + 20 + 30 + 2), "sent, two delays, received");
    }

    #[test]
    fn slower_line_sets_the_rate_and_order_is_kept() {
        let fast = LineConfig::new(FAST, ms(5), ms(0));
        let mut emulator = between(fast, LineConfig::new(12_000_000, ms(5), ms(0)));
        for length in 1400..1420 {
            emulator.send(ms(0), 0, &packet(2, length));
        }
        let all = arrivals(&mut emulator);
        assert!(all.windows(2).all(|two| two[0].bytes.len() + 1 == two[1].bytes.len()));
        let bytes: u64 = all.iter().skip(1).map(|arrival| arrival.bytes.len() as u64).sum();
        let took = all[19].at.saturating_sub(all[0].at);
        let nanos = u64::try_from(took.as_nanos()).expect("a short time");
        assert!(nanos.abs_diff(bytes * 8 * 1000 / 12) < 20, "{nanos} ns for {bytes} bytes");
    }

    #[test]
    fn packets_are_lost_at_the_configured_rate() {
        let sender = LineConfig::new(FAST, ms(1), ms(0)).with_loss(10_000);
        let mut emulator = between(sender, LineConfig::new(FAST, ms(1), ms(0)));
        let mut arrived = 0;
        for number in 0..100_000 {
            emulator.send(ms(number), 0, &packet(2, 100));
            emulator.send(ms(number), 1, &packet(1, 100));
            arrived += arrivals(&mut emulator).len();
        }
        let lost = 200_000 - arrived;
        assert!((1800..2200).contains(&lost), "{lost} of 200,000 lost, 1 % in each direction");
    }

    #[test]
    fn undeliverable_packets_are_dropped() {
        let mut emulator = between(LineConfig::new(FAST, ms(1), ms(0)), LineConfig::new(FAST, ms(1), ms(0)));
        emulator.send(ms(0), 0, &packet(9, 100));
        emulator.send(ms(0), 0, &[0x45]);
        emulator.send(ms(0), 0, &[0x60; 100]);
        assert_eq!(emulator.next_event_time(), None);
    }
}
