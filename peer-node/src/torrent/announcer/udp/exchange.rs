//! One announcement over UDP as a machine: datagrams and time go in, datagrams and an answer come out.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::tracker::udp::{DatagramError, Family, UdpRequest, UdpResponse};
use protocol::tracker::{AnnounceReply, AnnounceRequest, Failure, TrackedPeer};
use tokio::time::Instant;

use super::super::patience::Patience;
use super::super::tracker_error::TrackerError;
use crate::swarm::Random;

/// How long a client may use a connection id (BEP 15).
const CONNECTION_LASTS: Duration = Duration::from_mins(1);

/// The id that a tracker gave, and when it ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection {
    id: u64,
    ends_at: Instant,
}

impl Connection {
    pub(super) fn is_good(&self, now: Instant) -> bool {
        now < self.ends_at
    }
}

/// What is announced, and to which part of a tracker.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) request: AnnounceRequest,
    /// Path and query of the tracker's URL (BEP 41).
    pub(super) url_data: Vec<u8>,
}

/// What follows from a datagram, or from hearing none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing: go on waiting.
    Nothing,
    /// [`Exchange::datagram`] is to be sent.
    Ask,
    /// The answer.
    Answer(AnnounceReply),
}

/// Holds an announcement that is under way.
#[derive(Debug)]
pub(super) struct Exchange {
    question: Question,
    family: Family,
    connection: Option<Connection>,
    random: Random,
    patience: Patience,
    transaction: u32,
    /// How often the present question was sent.
    sent: u32,
    deadline: Instant,
    /// What was wrong with the last datagram that was none.
    rubbish: Option<DatagramError>,
}

impl Exchange {
    /// Begins: [`Exchange::datagram`] is to be sent.
    pub(super) fn new(
        question: Question,
        address: SocketAddr,
        known: Option<Connection>,
        random: Random,
        patience: Patience,
        now: Instant,
    ) -> Self {
        let connection = known.filter(|connection| connection.is_good(now));
        let family = Family::of(&address);
        let mut exchange = Self {
            question,
            family,
            connection,
            random,
            patience,
            transaction: 0,
            sent: 0,
            deadline: now,
            rubbish: None,
        };
        exchange.ask(now);
        exchange
    }

    /// Returns the question as it stands.
    pub(super) fn datagram(&self) -> Vec<u8> {
        let transaction = self.transaction;
        let question = match self.connection {
            None => UdpRequest::Connect { transaction },
            Some(connection) => UdpRequest::Announce {
                connection: connection.id,
                transaction,
                request: self.question.request.clone(),
                url_data: self.question.url_data.clone(),
            },
        };
        question.encode()
    }

    /// Returns until when an answer is waited for.
    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns the connection id, for the next announcement.
    pub(super) const fn connection(&self) -> Option<Connection> {
        self.connection
    }

    /// Takes a datagram. What does not answer the question is left alone: anybody can send it.
    pub(super) fn hear(&mut self, datagram: &[u8], now: Instant) -> Result<Heard, TrackerError> {
        let response = match UdpResponse::decode(datagram, self.family) {
            Ok(response) if response.transaction() == self.transaction => response,
            Ok(_) => return Ok(Heard::Nothing),
            // A tracker that knows the number means us, and has nothing better to say.
            Err(error) if datagram.get(4..8) == Some(&self.transaction.to_be_bytes()) => {
                return Err(error.into());
            }
            Err(error) => {
                self.rubbish = Some(error);
                return Ok(Heard::Nothing);
            }
        };
        match (response, self.connection) {
            (UdpResponse::Connect { connection: id, .. }, None) => {
                self.connection = Some(Connection { id, ends_at: now + CONNECTION_LASTS });
                self.sent = 0;
                self.ask(now);
                Ok(Heard::Ask)
            }
            (UdpResponse::Announce { interval, leechers, seeders, peers, .. }, Some(_)) => {
                let peers = peers.into_iter().map(|address| TrackedPeer { address, peer_id: None });
                Ok(Heard::Answer(AnnounceReply {
                    interval,
                    complete: Some(seeders),
                    incomplete: Some(leechers),
                    peers: peers.collect(),
                    ..AnnounceReply::default()
                }))
            }
            (UdpResponse::Error { message, .. }, _) => {
                Err(TrackerError::Refused(Failure { reason: message }))
            }
            _ => Ok(Heard::Nothing),
        }
    }

    /// Takes that nothing was heard until the deadline: the question is asked again, or given up.
    pub(super) fn run_out(&mut self, now: Instant) -> Result<Heard, TrackerError> {
        if self.sent >= self.patience.datagrams {
            let after = self.patience.datagram * ((1 << self.sent.min(16)) - 1);
            return Err(self.rubbish.map_or(TrackerError::TooSlow { after }, TrackerError::Datagram));
        }
        if self.connection.is_some_and(|connection| !connection.is_good(now)) {
            self.connection = None;
        }
        self.ask(now);
        Ok(Heard::Ask)
    }

    /// Puts the question, under a new number.
    fn ask(&mut self, now: Instant) {
        let [a, b, c, d, ..] = self.random.draw().to_be_bytes();
        self.transaction = u32::from_be_bytes([a, b, c, d]);
        self.deadline = now + self.patience.datagram * (1 << self.sent.min(16));
        self.sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::infohash::Infohash;
    use protocol::tracker::Event;

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
            event: Some(Event::Started),
            numwant: None,
            compact: true,
            no_peer_id: true,
            key: Some(7),
            tracker_id: None,
            ip: None,
        }
    }

    fn begin(known: Option<Connection>, now: Instant) -> Exchange {
        let address = "127.0.0.1:80".parse().unwrap();
        let question = Question { request: request(), url_data: b"/announce?key=1".to_vec() };
        Exchange::new(question, address, known, Random::from_seed(3), Patience::default(), now)
    }

    fn question(exchange: &Exchange) -> UdpRequest {
        UdpRequest::decode(&exchange.datagram()).unwrap()
    }

    fn answer(transaction: u32) -> Vec<u8> {
        let peers = vec!["1.2.3.4:5".parse().unwrap()];
        UdpResponse::Announce { transaction, interval: 60, leechers: 1, seeders: 2, peers }.encode(Family::V4)
    }

    fn connect(exchange: &mut Exchange, now: Instant) {
        let UdpRequest::Connect { transaction } = question(exchange) else { panic!("{exchange:?}") };
        let datagram = UdpResponse::Connect { transaction, connection: 99 }.encode(Family::V4);
        assert_eq!(exchange.hear(&datagram, now).unwrap(), Heard::Ask);
    }

    #[test]
    fn an_announcement_takes_a_connection_id_and_an_answer() {
        let now = Instant::now();
        let mut exchange = begin(None, now);
        connect(&mut exchange, now);
        let UdpRequest::Announce { connection: 99, transaction, request: asked, url_data } =
            question(&exchange)
        else {
            panic!("{exchange:?}")
        };
        assert_eq!((asked, url_data.as_slice()), (request(), b"/announce?key=1".as_slice()));
        let Heard::Answer(reply) = exchange.hear(&answer(transaction), now).unwrap() else { panic!() };
        assert_eq!((reply.interval, reply.complete, reply.incomplete), (60, Some(2), Some(1)));
        assert_eq!(reply.peers[0].address.to_string(), "1.2.3.4:5");
        let again = begin(exchange.connection(), now + 59 * SECOND);
        assert!(matches!(question(&again), UdpRequest::Announce { connection: 99, .. }));
        let late = begin(exchange.connection(), now + 60 * SECOND);
        assert!(matches!(question(&late), UdpRequest::Connect { .. }));
    }

    #[test]
    fn a_question_without_an_answer_is_asked_again_and_given_up() {
        let start = Instant::now();
        let mut exchange = begin(None, start);
        assert_eq!(exchange.deadline(), start + 15 * SECOND);
        let now = exchange.deadline();
        assert_eq!(exchange.run_out(now).unwrap(), Heard::Ask);
        assert_eq!(exchange.deadline(), start + 45 * SECOND);
        let error = exchange.run_out(start + 45 * SECOND).unwrap_err();
        assert_eq!(error.to_string(), "no answer within 45 seconds");
    }

    #[test]
    fn an_id_that_has_ended_is_asked_for_anew() {
        let now = Instant::now();
        let mut exchange = begin(None, now);
        connect(&mut exchange, now);
        assert_eq!(exchange.run_out(now + 61 * SECOND).unwrap(), Heard::Ask);
        assert!(matches!(question(&exchange), UdpRequest::Connect { .. }));
    }

    #[test]
    fn answers_to_other_questions_are_left_alone() {
        let now = Instant::now();
        let mut exchange = begin(None, now);
        let number = question(&exchange).transaction();
        assert_eq!(exchange.hear(&answer(number), now).unwrap(), Heard::Nothing, "there is no id yet");
        connect(&mut exchange, now);
        let number = question(&exchange).transaction();
        assert_eq!(exchange.hear(&answer(number.wrapping_add(1)), now).unwrap(), Heard::Nothing);
        let other = UdpResponse::Connect { transaction: number, connection: 1 }.encode(Family::V4);
        assert_eq!(exchange.hear(&other, now).unwrap(), Heard::Nothing);
        assert!(matches!(exchange.hear(&answer(number), now).unwrap(), Heard::Answer(_)));
    }

    #[test]
    fn refusals_and_rubbish_are_told() {
        let now = Instant::now();
        let mut exchange = begin(None, now);
        assert_eq!(exchange.hear(b"hello, I am no tracker", now).unwrap(), Heard::Nothing);
        assert_eq!(exchange.run_out(now).unwrap(), Heard::Ask);
        let error = exchange.run_out(now).unwrap_err().to_string();
        assert!(error.starts_with("not the answer of a tracker: "), "{error}");
        let transaction = question(&exchange).transaction();
        let short = [1_u32.to_be_bytes(), transaction.to_be_bytes()].concat();
        let error = exchange.hear(&short, now).unwrap_err().to_string();
        assert_eq!(error, "not the answer of a tracker: a datagram of 8 bytes breaks off");
        let refusal = UdpResponse::Error { transaction, message: "no\x1b[2J".to_owned() };
        let error = exchange.hear(&refusal.encode(Family::V4), now).unwrap_err();
        assert_eq!(error.to_string(), "it refuses: no\\u{1b}[2J");
    }

    proptest! {
        #[test]
        fn no_datagram_panics_an_exchange(datagrams in prop::collection::vec(any::<Vec<u8>>(), 0..20), seed: u64) {
            let now = Instant::now();
            let mut exchange = begin(None, now);
            exchange.random = Random::from_seed(seed);
            for datagram in datagrams {
                let number = exchange.transaction.to_be_bytes();
                let _ = exchange.hear(&[&[0, 0, 0, 1], number.as_slice(), &datagram].concat(), now);
                let _ = exchange.hear(&datagram, now);
            }
        }
    }
}
