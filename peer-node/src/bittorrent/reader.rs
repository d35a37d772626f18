//! Reads what the other side of a connection sends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::bittorrent::Decoder;
use protocol::bittorrent::mse::StreamCipher;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

use super::ending::{DEAD, Ending};
use super::event::WireEvent;
use super::hearing::Hearing;
use super::inbox::Inbox;
use super::news::Entry;
use super::torrent::Listener;
use crate::throttle::Lane;
use crate::transport::{Claim, Uploads};

/// How often it is looked at a connection from which nothing comes.
const QUIET: Duration = Duration::from_secs(10);

/// A peer that has not said what it has is taken to have nothing after this time.
const SILENCE: Duration = Duration::from_secs(2);

/// The reading half of a connection.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) stream: OwnedReadHalf,
    /// Decrypts what comes, if it is encrypted.
    pub(super) cipher: Option<StreamCipher>,
    pub(super) decoder: Decoder,
    pub(super) inbox: Inbox,
    pub(super) hearing: Hearing,
    pub(super) listener: Listener,
    pub(super) lane: Lane,
    pub(super) claim: Arc<Claim>,
    pub(super) uploads: Uploads,
    /// When something was last read.
    pub(super) heard: Instant,
}

impl Reader {
    /// Reads until the connection ends, and says why it did.
    pub(super) async fn run(&mut self) -> Ending {
        // What came with the handshake: more may not come until it is answered.
        let mut seen = if self.inbox.is_empty() { Ok(()) } else { self.see_to_all().await };
        loop {
            if let Err(ending) = seen {
                return ending;
            }
            seen = self.step().await;
        }
    }

    /// Tells that the connection is over.
    pub(super) async fn end(mut self, ending: &Ending) {
        self.hearing.join();
        self.tell_all().await;
        let (reason, again) = (ending.to_string(), ending.is_worth_another_try());
        self.listener.tell(WireEvent::Lost { reason, again }).await;
    }

    /// Reads some bytes and sees to all that is here.
    async fn step(&mut self) -> Result<(), Ending> {
        self.hearing.wire.queue.has_room().await;
        self.read().await?;
        self.see_to_all().await
    }

    async fn see_to_all(&mut self) -> Result<(), Ending> {
        let heard = self.hear_all();
        let received = self.hearing.received();
        if received > 0 {
            self.inbox.passed(received);
            self.claim.received(received as u64);
            self.uploads.received(received as u64);
        }
        // What came before an offence was honest.
        self.tell_all().await;
        heard
    }

    /// Waits for bytes, or for something else to see to.
    async fn read(&mut self) -> Result<(), Ending> {
        let wire = Arc::clone(&self.hearing.wire);
        let expects_blocks = self.decoder.is_in_block() || wire.asked.lock().is_owed();
        if expects_blocks {
            self.earn().await;
        }
        let patience = if self.hearing.has_joined() { QUIET } else { SILENCE };
        let room = self.inbox.room(expects_blocks);
        let read = tokio::select! {
            read = tokio::time::timeout(patience, self.stream.read(room)) => read,
            () = wire.rejecting.notified() => return Ok(()),
        };
        let now = Instant::now();
        match read {
            Ok(Ok(0)) => return Err(Ending::Closed),
            Ok(count) => {
                let count = count?;
                if let (Some(cipher), Some(bytes)) = (&mut self.cipher, room.get_mut(..count)) {
                    cipher.apply(bytes);
                }
                self.inbox.filled(count);
                self.heard = now;
            }
            Err(_) if now.saturating_duration_since(self.heard) >= DEAD => return Err(Ending::Dead),
            Err(_) => {
                self.hearing.join();
                self.inbox.shrink();
            }
        }
        self.hearing.intake.check(now)
    }

    /// Has the limit let blocks pass: as many bytes as can be used if that needs no waiting, otherwise some.
    async fn earn(&mut self) {
        let (begun, credit) = (Instant::now(), self.inbox.credit());
        tokio::select! {
            biased;
            passed = self.lane.pass(Inbox::MOST.saturating_sub(credit)) => self.inbox.may_pass(passed),
            () = std::future::ready(()), if credit > 0 => {}
        }
        self.hearing.intake.paused(begun.elapsed());
    }

    /// Sees to all that is here whole.
    fn hear_all(&mut self) -> Result<(), Ending> {
        let Self { inbox, decoder, hearing, .. } = self;
        let heard = inbox.consume(|input| {
            while let Some(item) = decoder.next(input)? {
                hearing.hear(item)?;
            }
            Ok(())
        });
        hearing.reject();
        heard
    }

    async fn tell_all(&mut self) {
        for entry in self.hearing.news.take(Instant::now()) {
            match entry {
                Entry::Event(event) => self.listener.tell(event).await,
                Entry::Gained(pieces) => {
                    for piece in pieces {
                        self.listener.tell(WireEvent::Has { piece }).await;
                    }
                }
            }
        }
    }
}
