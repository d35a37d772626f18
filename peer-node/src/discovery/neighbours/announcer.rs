use std::time::Duration;

use protocol::backoff::{Backoff, BackoffRange};
use protocol::lan::{Card, LanAnnouncement};

use super::Neighbours;
use crate::lan::{announce_socket, broadcast_targets};

/// Maximum number of contents per round, about ten datagrams. The next round continues with the following contents.
const CONTENTS_PER_ROUND: usize = 128;

/// Delay between two datagrams.
const DATAGRAM_INTERVAL: Duration = Duration::from_millis(25);

/// Delay after the first round. It grows after each round until it reaches the configured interval. A network that has
/// just come up loses datagrams; without early repetitions the node would stay unknown for a whole interval.
const INITIAL_DELAY: Duration = Duration::from_secs(1);

impl Neighbours {
    /// Announces this node periodically. Runs until the future is dropped.
    pub(super) async fn announce(self) {
        let config = &self.shared.config;
        let settings = &config.settings;
        let socket = match announce_socket(settings.host) {
            Ok(socket) => socket,
            Err(error) => {
                return self.set_announce_error(Some(format!("this node cannot announce itself: {error}")));
            }
        };
        let (mut next, mut backoff) =
            (0, Backoff::new(BackoffRange::new(INITIAL_DELAY, settings.period * 2)));
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
                        Err(error) => failure = Some(format!("cannot announce to {target}: {error}")),
                    }
                }
                tokio::time::sleep(DATAGRAM_INTERVAL).await;
            }
            self.set_announce_error(failure.filter(|_| sent == 0));
            // Without randomness only the jitter is lost.
            let random = getrandom::u64().unwrap_or(0);
            tokio::time::sleep(backoff.next_delay(random).min(settings.period)).await;
        }
    }

    /// Returns a card with only our identity.
    pub(super) fn own_card(&self) -> Card {
        let config = &self.shared.config;
        Card { node: Some((config.node, config.port)), ..Card::of(config.settings.cookie) }
    }
}
