//! Announces to a tracker over UDP (BEP 15).

mod exchange;

use std::collections::HashMap;
use std::net::SocketAddr;

use parking_lot::Mutex;
use protocol::seeded_random::SeededRandom;
use protocol::tracker::{AnnounceReply, AnnounceRequest};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use self::exchange::{ExchangeStep, UdpAnnounce, UdpConnectionId, UdpExchange};
use super::timeouts::TrackerTimeouts;
use super::tracker_error::TrackerError;
use crate::source_address::SourceAddress;

/// Maximum size of a datagram in bytes.
const MAX_DATAGRAM: usize = 1 << 16;

/// UDP client for trackers.
#[derive(Debug)]
pub(super) struct TrackerUdpClient {
    timeouts: TrackerTimeouts,
    source: SourceAddress,
    /// Recent connection ids.
    connections: Mutex<HashMap<SocketAddr, UdpConnectionId>>,
}

impl TrackerUdpClient {
    pub(super) fn new(timeouts: TrackerTimeouts, source: SourceAddress) -> Self {
        Self { timeouts, source, connections: Mutex::default() }
    }

    /// Announces to a host; tries its next address if the connection to one fails.
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
                result => return result,
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
        // Take the id out of the table, so that it is not reused after a failure.
        let known = self.connections.lock().remove(&address);
        // Without randomness the transaction ids can be guessed; nothing else is affected.
        let random = SeededRandom::from_seed(getrandom::u64().unwrap_or(0));
        let announce = UdpAnnounce { request: request.clone(), url_data: url_data.as_bytes().to_vec() };
        let mut exchange = UdpExchange::new(announce, address, known, random, self.timeouts, Instant::now());
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

/// Opens a socket that receives from this address only.
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
        let step = match timeout_at(exchange.deadline(), socket.recv(&mut datagram)).await {
            Ok(received) => {
                let length = received.map_err(lost)?;
                exchange.receive(datagram.get(..length).unwrap_or_default(), Instant::now())?
            }
            Err(_) => exchange.handle_timeout(Instant::now())?,
        };
        match step {
            ExchangeStep::Wait => {}
            ExchangeStep::Send => {
                socket.send(&exchange.datagram()).await.map_err(lost)?;
            }
            ExchangeStep::Done(reply) => return Ok(reply),
        }
    }
}
