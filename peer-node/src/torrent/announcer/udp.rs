//! Asking a tracker over UDP (BEP 15).

mod exchange;

use std::collections::HashMap;
use std::net::SocketAddr;

use parking_lot::Mutex;
use protocol::tracker::{AnnounceReply, AnnounceRequest};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use self::exchange::{Connection, Exchange, Heard, Question};
use super::patience::Patience;
use super::tracker_error::TrackerError;
use crate::source_address::SourceAddress;
use crate::swarm::Random;

/// The longest datagram there is.
const LONGEST: usize = 1 << 16;

/// Asks trackers over UDP.
#[derive(Debug)]
pub(super) struct UdpClient {
    patience: Patience,
    source: SourceAddress,
    /// The connection ids that were given lately.
    connections: Mutex<HashMap<SocketAddr, Connection>>,
}

impl UdpClient {
    pub(super) fn new(patience: Patience, source: SourceAddress) -> Self {
        Self { patience, source, connections: Mutex::default() }
    }

    /// Announces at a host: at its next address if nobody listens at the first.
    pub(super) async fn announce(
        &self,
        addresses: &[SocketAddr],
        url_data: &str,
        request: &AnnounceRequest,
    ) -> Result<AnnounceReply, TrackerError> {
        let mut failure = TrackerError::NoConversation { reason: "no address".to_owned() };
        for address in addresses {
            match self.ask(*address, url_data, request).await {
                Err(error @ TrackerError::NoConversation { .. }) => failure = error,
                answered => return answered,
            }
        }
        Err(failure)
    }

    async fn ask(
        &self,
        address: SocketAddr,
        url_data: &str,
        request: &AnnounceRequest,
    ) -> Result<AnnounceReply, TrackerError> {
        let socket = socket(address, self.source).await.map_err(|error| TrackerError::on_the_way(&error))?;
        // Taken out, so that an id with which something goes wrong is not used again.
        let known = self.connections.lock().remove(&address);
        // Without randomness the numbers can be guessed, and nothing else is lost.
        let random = Random::from_seed(getrandom::u64().unwrap_or(0));
        let question = Question { request: request.clone(), url_data: url_data.as_bytes().to_vec() };
        let mut exchange = Exchange::new(question, address, known, random, self.patience, Instant::now());
        let reply = converse(&socket, &mut exchange).await?;
        self.keep(address, &exchange);
        Ok(reply)
    }

    fn keep(&self, address: SocketAddr, exchange: &Exchange) {
        let now = Instant::now();
        let mut connections = self.connections.lock();
        connections.retain(|_, connection| connection.is_good(now));
        connections.extend(exchange.connection().map(|connection| (address, connection)));
    }
}

/// Opens a socket that hears that address alone.
async fn socket(address: SocketAddr, source: SourceAddress) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(source.socket_toward(address)).await?;
    socket.connect(address).await?;
    Ok(socket)
}

async fn converse(socket: &UdpSocket, exchange: &mut Exchange) -> Result<AnnounceReply, TrackerError> {
    let lost = |error: std::io::Error| TrackerError::on_the_way(&error);
    let mut datagram = vec![0; LONGEST];
    socket.send(&exchange.datagram()).await.map_err(lost)?;
    loop {
        let heard = match timeout_at(exchange.deadline(), socket.recv(&mut datagram)).await {
            Ok(received) => {
                let length = received.map_err(lost)?;
                exchange.hear(datagram.get(..length).unwrap_or_default(), Instant::now())?
            }
            Err(_) => exchange.run_out(Instant::now())?,
        };
        match heard {
            Heard::Nothing => {}
            Heard::Ask => {
                socket.send(&exchange.datagram()).await.map_err(lost)?;
            }
            Heard::Answer(reply) => return Ok(reply),
        }
    }
}
