use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use protocol::lan::Announcement;
use protocol::limits::MAX_ANNOUNCEMENT;
use tokio::net::UdpSocket;

use super::Neighbours;
use super::table::Heard;
use crate::addresses::may_dial;
use crate::gate::{Gate, Pace};
use crate::lan::settings::DATAGRAMS;
use crate::lan::{announcing_socket, hearing_socket, targets};

/// How often one address is answered, and all.
const ANSWERS: [Pace; 2] =
    [Pace { each: Duration::from_secs(1), burst: 1 }, Pace { each: Duration::from_millis(20), burst: 50 }];

/// The pause after an error, which tells of an earlier datagram or of a network that is gone for now.
const PAUSE: Duration = Duration::from_millis(500);

impl Neighbours {
    /// Hears other nodes.
    pub(super) async fn listen(self) {
        let settings = &self.shared.config.settings;
        let port = settings.announce_port;
        let sockets = hearing_socket(port).and_then(|socket| Ok((socket, announcing_socket(settings.host)?)));
        let (socket, voice) = match sockets {
            Ok(sockets) => sockets,
            Err(error) => {
                return self.note_deafness(format!(
                    "other nodes cannot be heard: port {port}: {error}; choose another with --lan-port"
                ));
            }
        };
        let (mut gate, mut answers) =
            (Gate::new(DATAGRAMS[0], DATAGRAMS[1]), Gate::new(ANSWERS[0], ANSWERS[1]));
        let mut bytes = vec![0; MAX_ANNOUNCEMENT + 1];
        loop {
            let Ok((count, from)) = socket.recv_from(&mut bytes).await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let now = Instant::now();
            if may_dial(from) && gate.admits(from.ip(), now) {
                let bytes = bytes.get(..count).unwrap_or_default();
                if self.hear(bytes, from, now) == Heard::New && answers.admits(from.ip(), now) {
                    self.answer(&voice, bytes.len(), from.ip()).await;
                }
            }
        }
    }

    fn hear(&self, bytes: &[u8], from: SocketAddr, now: Instant) -> Heard {
        let card = match Announcement::decode(bytes) {
            Ok(Announcement { card: Some(card), .. }) => card,
            Ok(_) => return Heard::Refused,
            Err(error) => {
                tracing::debug!(%from, %error, "datagram refused");
                return Heard::Refused;
            }
        };
        let config = &self.shared.config;
        if card.cookie == config.settings.cookie || card.node.is_some_and(|(node, _)| node == config.node) {
            return Heard::Refused;
        }
        let heard = self.shared.table.lock().hear(from.ip(), &card, now);
        if heard == Heard::New {
            tracing::info!(%from, node = card.node.map(|(node, _)| node.short()), "a node was heard");
        }
        heard
    }

    /// Tells a newcomer who we are, so that it need not wait for our next round: never more than it has sent, and only to where
    /// announcements are heard.
    async fn answer(&self, voice: &UdpSocket, most: usize, newcomer: IpAddr) {
        let bare = Announcement { card: Some(self.card()), ..Announcement::default() }.encode();
        if bare.len() > most {
            return;
        }
        let settings = &self.shared.config.settings;
        let everybody = targets(settings).into_iter().next().map(SocketAddr::from);
        let place = match everybody {
            // What goes to one address of this machine is heard by one of its nodes only, by whichever.
            Some(everybody) if is_own(newcomer) => everybody,
            _ => SocketAddr::new(newcomer, settings.announce_port),
        };
        // It will hear us the next time.
        let _ = voice.send_to(&bare, place).await;
    }
}

/// Says whether an address is one of this machine's: only such a one can be bound.
fn is_own(address: IpAddr) -> bool {
    std::net::UdpSocket::bind((address, 0)).is_ok()
}
