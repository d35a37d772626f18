//! State machine of one UDP announce: datagrams and time in, datagrams and a reply out.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::seeded_random::SeededRandom;
use protocol::tracker::udp::{AddressFamily, DatagramError, UdpRequest, UdpResponse};
use protocol::tracker::{AnnounceReply, AnnounceRequest, TrackedPeer, TrackerFailure};
use tokio::time::Instant;

use super::super::timeouts::TrackerTimeouts;
use super::super::tracker_error::TrackerError;

/// Lifetime of a connection id (BEP 15).
const CONNECTION_LIFETIME: Duration = Duration::from_mins(1);

/// A connection id and its expiry.
#[derive(Debug, Clone, Copy)]
pub(super) struct UdpConnectionId {
    id: u64,
    expires_at: Instant,
}

impl UdpConnectionId {
    pub(super) fn is_valid(&self, now: Instant) -> bool {
        now < self.expires_at
    }
}

/// The announce to send.
#[derive(Debug)]
pub(super) struct UdpAnnounce {
    pub(super) request: AnnounceRequest,
    /// Path and query of the announce URL (BEP 41).
    pub(super) url_data: Vec<u8>,
}

/// What to do after a datagram or a timeout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExchangeStep {
    /// Keep waiting.
    Wait,
    /// Send [`UdpExchange::datagram`].
    Send,
    /// Finished.
    Done(AnnounceReply),
}

/// An announce in progress.
#[derive(Debug)]
pub(super) struct UdpExchange {
    announce: UdpAnnounce,
    family: AddressFamily,
    connection: Option<UdpConnectionId>,
    random: SeededRandom,
    timeouts: TrackerTimeouts,
    transaction: u32,
    /// Transmissions of the current request.
    attempts: u32,
    deadline: Instant,
    /// Decode error of the last malformed datagram.
    last_invalid: Option<DatagramError>,
}

impl UdpExchange {
    /// Starts an exchange; the caller sends [`UdpExchange::datagram`].
    pub(super) fn new(
        announce: UdpAnnounce,
        address: SocketAddr,
        known: Option<UdpConnectionId>,
        random: SeededRandom,
        timeouts: TrackerTimeouts,
        now: Instant,
    ) -> Self {
        let connection = known.filter(|connection| connection.is_valid(now));
        let family = AddressFamily::of(&address);
        let mut exchange = Self {
            announce,
            family,
            connection,
            random,
            timeouts,
            transaction: 0,
            attempts: 0,
            deadline: now,
            last_invalid: None,
        };
        exchange.prepare(now);
        exchange
    }

    /// Returns the current request.
    pub(super) fn datagram(&self) -> Vec<u8> {
        let transaction = self.transaction;
        let request = match self.connection {
            None => UdpRequest::Connect { transaction },
            Some(connection) => UdpRequest::Announce {
                connection: connection.id,
                transaction,
                request: self.announce.request.clone(),
                url_data: self.announce.url_data.clone(),
            },
        };
        request.encode()
    }

    /// Returns when to stop waiting for a reply.
    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns the connection id, for the next announce.
    pub(super) const fn connection(&self) -> Option<UdpConnectionId> {
        self.connection
    }

    /// Handles a datagram. Datagrams of other transactions are ignored: anyone can send them.
    pub(super) fn receive(&mut self, datagram: &[u8], now: Instant) -> Result<ExchangeStep, TrackerError> {
        let response = match UdpResponse::decode(datagram, self.family) {
            Ok(response) if response.transaction() == self.transaction => response,
            Ok(_) => return Ok(ExchangeStep::Wait),
            // The transaction id matches, so this is the tracker's malformed reply.
            Err(error) if datagram.get(4..8) == Some(&self.transaction.to_be_bytes()) => {
                return Err(error.into());
            }
            Err(error) => {
                self.last_invalid = Some(error);
                return Ok(ExchangeStep::Wait);
            }
        };
        match (response, self.connection) {
            (UdpResponse::Connect { connection: id, .. }, None) => {
                self.connection = Some(UdpConnectionId { id, expires_at: now + CONNECTION_LIFETIME });
                self.attempts = 0;
                self.prepare(now);
                Ok(ExchangeStep::Send)
            }
            (UdpResponse::Announce { interval, leechers, seeders, peers, .. }, Some(_)) => {
                let peers = peers.into_iter().map(|address| TrackedPeer { address, peer_id: None });
                Ok(ExchangeStep::Done(AnnounceReply {
                    interval,
                    complete: Some(seeders),
                    incomplete: Some(leechers),
                    peers: peers.collect(),
                    ..AnnounceReply::default()
                }))
            }
            (UdpResponse::Error { message, .. }, _) => {
                Err(TrackerError::Refused(TrackerFailure { reason: message }))
            }
            _ => Ok(ExchangeStep::Wait),
        }
    }

    /// Handles a timeout: sends the request again, or fails after the last attempt.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<ExchangeStep, TrackerError> {
        if self.attempts >= self.timeouts.udp_attempts {
            let after = self.timeouts.udp_reply * ((1 << self.attempts.min(16)) - 1);
            return Err(self
                .last_invalid
                .map_or(TrackerError::TimedOut { after }, TrackerError::InvalidDatagram));
        }
        if self.connection.is_some_and(|connection| !connection.is_valid(now)) {
            self.connection = None;
        }
        self.prepare(now);
        Ok(ExchangeStep::Send)
    }

    /// Prepares the request with a new transaction id.
    fn prepare(&mut self, now: Instant) {
        let [a, b, c, d, ..] = self.random.next_u64().to_be_bytes();
        self.transaction = u32::from_be_bytes([a, b, c, d]);
        self.deadline = now + self.timeouts.udp_reply * (1 << self.attempts.min(16));
        self.attempts += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::infohash::Infohash;
    use protocol::tracker::TrackerEvent;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn request() -> AnnounceRequest {
        AnnounceRequest {
            infohash: Infohash::from_bytes([1; 20]),
            peer_id: [2; 20],
            port: 6881,
            uploaded: 0,
            downloaded: 0,
            left: 1,
            event: Some(TrackerEvent::Started),
            numwant: None,
            compact: true,
            no_peer_id: true,
            key: Some(7),
            tracker_id: None,
            ip: None,
        }
    }

    fn begin(known: Option<UdpConnectionId>, now: Instant) -> UdpExchange {
        let address = "127.0.0.1:80".parse().unwrap();
        let announce = UdpAnnounce { request: request(), url_data: b"/announce?key=1".to_vec() };
        UdpExchange::new(
            announce,
            address,
            known,
            SeededRandom::from_seed(3),
            TrackerTimeouts::default(),
            now,
        )
    }

    fn question(exchange: &UdpExchange) -> UdpRequest {
        UdpRequest::decode(&exchange.datagram()).unwrap()
    }

    fn answer(transaction: u32) -> Vec<u8> {
        let peers = vec!["1.2.3.4:5".parse().unwrap()];
        UdpResponse::Announce { transaction, interval: 60, leechers: 1, seeders: 2, peers }
            .encode(AddressFamily::V4)
    }

    fn connect(exchange: &mut UdpExchange, now: Instant) {
        let UdpRequest::Connect { transaction } = question(exchange) else { panic!("{exchange:?}") };
        let datagram = UdpResponse::Connect { transaction, connection: 99 }.encode(AddressFamily::V4);
        assert_eq!(exchange.receive(&datagram, now).unwrap(), ExchangeStep::Send);
    }

    #[test]
    fn an_announce_takes_a_connection_id_and_a_reply() {
        let now = Instant::now();
        let mut exchange = begin(None, now);
        connect(&mut exchange, now);
        let UdpRequest::Announce { connection: 99, transaction, request: sent, url_data } =
            question(&exchange)
        else {
            panic!("{exchange:?}")
        };
        assert_eq!((sent, url_data.as_slice()), (request(), b"/announce?key=1".as_slice()));
        let ExchangeStep::Done(reply) = exchange.receive(&answer(transaction), now).unwrap() else {
            panic!()
        };
        assert_eq!((reply.interval, reply.complete, reply.incomplete), (60, Some(2), Some(1)));
        assert_eq!(reply.peers[0].address.to_string(), "1.2.3.4:5");
        let second = begin(exchange.connection(), now + 59 * SECOND);
        assert!(matches!(question(&second), UdpRequest::Announce { connection: 99, .. }));
        let late = begin(exchange.connection(), now + 60 * SECOND);
        assert!(matches!(question(&late), UdpRequest::Connect { .. }));
    }

    #[test]
    fn an_unanswered_request_is_resent_and_then_fails() {
        let start = Instant::now();
        let mut exchange = begin(None, start);
        assert_eq!(exchange.deadline(), start + 15 * SECOND);
        let now = exchange.deadline();
        assert_eq!(exchange.handle_timeout(now).unwrap(), ExchangeStep::Send);
        assert_eq!(exchange.deadline(), start + 45 * SECOND);
        let error = exchange.handle_timeout(start + 45 * SECOND).unwrap_err();
        assert_eq!(error.to_string(), "no answer within 45 seconds");
    }

    #[test]
    fn an_expired_connection_id_is_requested_again() {
        let now = Instant::now();
        let mut exchange = begin(None, now);
        connect(&mut exchange, now);
        assert_eq!(exchange.handle_timeout(now + 61 * SECOND).unwrap(), ExchangeStep::Send);
        assert!(matches!(question(&exchange), UdpRequest::Connect { .. }));
    }

    #[test]
    fn replies_to_other_transactions_are_ignored() {
        let now = Instant::now();
        let mut exchange = begin(None, now);
        let number = question(&exchange).transaction();
        assert_eq!(
            exchange.receive(&answer(number), now).unwrap(),
            ExchangeStep::Wait,
            "no connection id has been received yet"
        );
        connect(&mut exchange, now);
        let number = question(&exchange).transaction();
        assert_eq!(exchange.receive(&answer(number.wrapping_add(1)), now).unwrap(), ExchangeStep::Wait);
        let other = UdpResponse::Connect { transaction: number, connection: 1 }.encode(AddressFamily::V4);
        assert_eq!(exchange.receive(&other, now).unwrap(), ExchangeStep::Wait);
        assert!(matches!(exchange.receive(&answer(number), now).unwrap(), ExchangeStep::Done(_)));
    }

    #[test]
    fn errors_and_malformed_datagrams_are_reported() {
        let now = Instant::now();
        let mut exchange = begin(None, now);
        assert_eq!(exchange.receive(b"hello, I am no tracker", now).unwrap(), ExchangeStep::Wait);
        assert_eq!(exchange.handle_timeout(now).unwrap(), ExchangeStep::Send);
        let error = exchange.handle_timeout(now).unwrap_err().to_string();
        assert!(error.starts_with("invalid tracker reply: "), "{error}");
        let transaction = question(&exchange).transaction();
        let short = [1_u32.to_be_bytes(), transaction.to_be_bytes()].concat();
        let error = exchange.receive(&short, now).unwrap_err().to_string();
        assert_eq!(error, "invalid tracker reply: the datagram is truncated at 8 bytes");
        let refusal = UdpResponse::Error { transaction, message: "no\x1b[2J".to_owned() };
        let error = exchange.receive(&refusal.encode(AddressFamily::V4), now).unwrap_err();
        assert_eq!(error.to_string(), "refused: no\\u{1b}[2J");
    }

    proptest! {
        #[test]
        fn no_datagram_panics_an_exchange(datagrams in prop::collection::vec(any::<Vec<u8>>(), 0..20), seed: u64) {
            let now = Instant::now();
            let mut exchange = begin(None, now);
            exchange.random = SeededRandom::from_seed(seed);
            for datagram in datagrams {
                let number = exchange.transaction.to_be_bytes();
                let _ = exchange.receive(&[&[0, 0, 0, 1], number.as_slice(), &datagram].concat(), now);
                let _ = exchange.receive(&datagram, now);
            }
        }
    }
}
