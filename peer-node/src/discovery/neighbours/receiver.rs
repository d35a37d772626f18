use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use protocol::lan::LanAnnouncement;
use protocol::limits::MAX_ANNOUNCEMENT;
use protocol::rate_limiter::RateLimit;
use tokio::net::UdpSocket;

use super::Neighbours;
use super::table::CardOutcome;
use crate::addresses::is_dialable;
use crate::lan::{DATAGRAM_LIMITS, announce_socket, broadcast_targets, receive_socket};
use crate::rate_limiter::AddressRateLimiter;

/// Rate limits of answers, per address and in total.
const ANSWER_LIMITS: [RateLimit; 2] = [
    RateLimit { interval: Duration::from_secs(1), burst: 1 },
    RateLimit { interval: Duration::from_millis(20), burst: 50 },
];

/// Delay after a receive error, which refers to an earlier datagram or a temporary loss of the network.
const ERROR_DELAY: Duration = Duration::from_millis(500);

impl Neighbours {
    /// Receives the announcements of other nodes. Runs until the future is dropped.
    pub(super) async fn receive_announcements(self) {
        let settings = &self.shared.config.settings;
        let port = settings.announce_port;
        let sockets = receive_socket(port).and_then(|socket| Ok((socket, announce_socket(settings.host)?)));
        let (socket, sender) = match sockets {
            Ok(sockets) => sockets,
            Err(error) => {
                return self
                    .set_receive_error(format!("cannot listen for other nodes on port {port}: {error}"));
            }
        };
        let (mut limiter, mut answers) = (
            AddressRateLimiter::new(DATAGRAM_LIMITS[0], DATAGRAM_LIMITS[1]),
            AddressRateLimiter::new(ANSWER_LIMITS[0], ANSWER_LIMITS[1]),
        );
        let mut bytes = vec![0; MAX_ANNOUNCEMENT + 1];
        loop {
            let Ok((count, from)) = socket.recv_from(&mut bytes).await else {
                tokio::time::sleep(ERROR_DELAY).await;
                continue;
            };
            let now = Instant::now();
            if is_dialable(from) && limiter.admit(from.ip(), now) {
                let bytes = bytes.get(..count).unwrap_or_default();
                if self.handle_datagram(bytes, from, now) == CardOutcome::New && answers.admit(from.ip(), now)
                {
                    self.answer_newcomer(&sender, bytes.len(), from.ip()).await;
                }
            }
        }
    }

    fn handle_datagram(&self, bytes: &[u8], from: SocketAddr, now: Instant) -> CardOutcome {
        let card = match LanAnnouncement::decode(bytes) {
            Ok(LanAnnouncement { card: Some(card), .. }) => card,
            Ok(_) => return CardOutcome::Refused,
            Err(error) => {
                tracing::debug!(%from, %error, "datagram refused");
                return CardOutcome::Refused;
            }
        };
        let config = &self.shared.config;
        if card.cookie == config.settings.cookie || card.node.is_some_and(|(node, _)| node == config.node) {
            return CardOutcome::Refused;
        }
        let outcome = self.shared.table.lock().record(from.ip(), &card, now);
        if outcome == CardOutcome::New {
            tracing::info!(%from, node = card.node.map(|(node, _)| node.short()), "discovered a node");
        }
        outcome
    }

    /// Announces this node to a new one, so that it need not wait for our next round. To prevent amplification, the answer
    /// is never larger than the datagram received, and goes only to the announcement port.
    async fn answer_newcomer(&self, sender: &UdpSocket, most: usize, newcomer: IpAddr) {
        let answer = LanAnnouncement { card: Some(self.own_card()), ..LanAnnouncement::default() }.encode();
        if answer.len() > most {
            return;
        }
        let settings = &self.shared.config.settings;
        let broadcast = broadcast_targets(settings).into_iter().next().map(SocketAddr::from);
        let target = match broadcast {
            // Several nodes of this machine may share the port, and only one of them receives a unicast datagram.
            Some(broadcast) if is_own_address(newcomer) => broadcast,
            _ => SocketAddr::new(newcomer, settings.announce_port),
        };
        // A lost answer does not matter: the next round repeats it.
        let _ = sender.send_to(&answer, target).await;
    }
}

/// Returns true if the address belongs to this machine: only then can a socket be bound to it.
fn is_own_address(address: IpAddr) -> bool {
    std::net::UdpSocket::bind((address, 0)).is_ok()
}
