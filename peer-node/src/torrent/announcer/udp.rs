//! Asking a tracker over UDP (BEP 15).

mod exchange;

use std::collections::HashMap;
use std::net::SocketAddr;

use parking_lot::Mutex;
use protocol::tracker::{AnnounceReply, AnnounceRequest};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use self::exchange::{ExchangeStep, UdpAnnounce, UdpConnectionId, UdpExchange};
use super::timeouts::TrackerTimeouts;
use super::tracker_error::TrackerError;
use crate::source_address::SourceAddress;
use swarm::SeededRandom;

/// The longest datagram there is.
const MAX_DATAGRAM: usize = 1 << 16;

/// Asks trackers over UDP.
#[derive(Debug)]
pub(super) struct TrackerUdpClient {
    timeouts: TrackerTimeouts,
    source: SourceAddress,
    /// The connection ids that were given lately.
    connections: Mutex<HashMap<SocketAddr, UdpConnectionId>>,
}

impl TrackerUdpClient {
    pub(super) fn new(patience: TrackerTimeouts, source: SourceAddress) -> Self {
        Self { timeouts: patience, source, connections: Mutex::default() }
    }

    /// Announces at a host: at its next address if nobody listens at the first.
    pub(super) async fn announce(
        &self,
        addresses: &[SocketAddr],
        url_data: &str,
        request: &AnnounceRequest,
    ) -> Result<AnnounceReply, TrackerError> {
        let mut failure = TrackerError::ConnectionFailed { reason: "no address".to_owned() };
        for address in addresses {
            match self.announce_at(*address, url_data, request).await {
                Err(error @ TrackerError::ConnectionFailed { .. }) => failure = error,
                answered => return answered,
            }
        }
        Err(failure)
    }

    async fn announce_at(
        &self,
        address: SocketAddr,
        url_data: &str,
        request: &AnnounceRequest,
    ) -> Result<AnnounceReply, TrackerError> {
        let socket = connected_socket(address, self.source)
            .await
            .map_err(|error| TrackerError::connection_failed(&error))?;
        // Taken out, so that an id with which something goes wrong is not used again.
        let known = self.connections.lock().remove(&address);
        // Without randomness the numbers can be guessed, and nothing else is lost.
        let random = SeededRandom::from_seed(getrandom::u64().unwrap_or(0));
        let question = UdpAnnounce { request: request.clone(), url_data: url_data.as_bytes().to_vec() };
        let mut exchange = UdpExchange::new(question, address, known, random, self.timeouts, Instant::now());
        let reply = run_exchange(&socket, &mut exchange).await?;
        self.save_connection(address, &exchange);
        Ok(reply)
    }

    fn save_connection(&self, address: SocketAddr, exchange: &UdpExchange) {
        let now = Instant::now();
        let mut connections = self.connections.lock();
        connections.retain(|_, connection| connection.is_valid(now));
        connections.extend(exchange.connection().map(|connection| (address, connection)));
    }
}

/// Opens a socket that hears that address alone.
async fn connected_socket(address: SocketAddr, source: SourceAddress) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(source.bind_address_for(address)).await?;
    socket.connect(address).await?;
    Ok(socket)
}

async fn run_exchange(socket: &UdpSocket, exchange: &mut UdpExchange) -> Result<AnnounceReply, TrackerError> {
    let lost = |error: std::io::Error| TrackerError::connection_failed(&error);
    let mut datagram = vec![0; MAX_DATAGRAM];
    socket.send(&exchange.datagram()).await.map_err(lost)?;
    loop {
        let heard = match timeout_at(exchange.deadline(), socket.recv(&mut datagram)).await {
            Ok(received) => {
                let length = received.map_err(lost)?;
                exchange.receive(datagram.get(..length).unwrap_or_default(), Instant::now())?
            }
            Err(_) => exchange.handle_timeout(Instant::now())?,
        };
        match heard {
            ExchangeStep::Wait => {}
            ExchangeStep::Send => {
                socket.send(&exchange.datagram()).await.map_err(lost)?;
            }
            ExchangeStep::Done(reply) => return Ok(reply),
        }
    }
}
