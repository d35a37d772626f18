use std::time::Duration;

use protocol::lan::{Card, LanAnnouncement};

use super::Neighbours;
use crate::lan::announce_socket;
use crate::lan::socket::broadcast_targets;

/// The most contents announced in one round: some ten datagrams. The next round goes on where this one ended.
const CONTENTS_PER_ROUND: usize = 128;

/// The pause between two datagrams.
const DATAGRAM_INTERVAL: Duration = Duration::from_millis(25);

/// After so long the first round is repeated, then after twice as long, until that is the period: a network that has just come
/// up loses datagrams, and nobody would hear of this node for a whole period.
const INITIAL_PERIOD: Duration = Duration::from_secs(1);

impl Neighbours {
    /// Announces this node again and again.
    pub(super) async fn announce(self) {
        let config = &self.shared.config;
        let settings = &config.settings;
        let socket = match announce_socket(settings.host) {
            Ok(socket) => socket,
            Err(error) => {
                return self.set_announce_error(Some(format!("this node cannot announce itself: {error}")));
            }
        };
        let (mut next, mut again) = (0, INITIAL_PERIOD);
        loop {
            let listing = config.library.files();
            if next >= listing.len() {
                next = 0;
            }
            let contents =
                listing.iter().skip(next).take(CONTENTS_PER_ROUND).map(|file| file.digest).collect();
            next += CONTENTS_PER_ROUND;
            let announcement = LanAnnouncement {
                card: Some(Card { contents, ..self.own_card() }),
                ..LanAnnouncement::default()
            };
            let (mut sent, mut failure) = (0, None);
            for datagram in announcement.datagrams() {
                for target in broadcast_targets(settings) {
                    match socket.send_to(&datagram, target).await {
                        Ok(_) => sent += 1,
                        Err(error) => failure = Some(format!("no announcement to {target}: {error}")),
                    }
                }
                tokio::time::sleep(DATAGRAM_INTERVAL).await;
            }
            self.set_announce_error(failure.filter(|_| sent == 0));
            tokio::time::sleep(again.min(settings.period)).await;
            again = again.saturating_mul(2);
        }
    }

    /// Returns what says no more than who we are.
    pub(super) fn own_card(&self) -> Card {
        let config = &self.shared.config;
        Card { node: Some((config.node, config.port)), ..Card::of(config.settings.cookie) }
    }
}
