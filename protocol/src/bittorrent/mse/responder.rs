use super::keys::Shared;
use super::{
    Ciphers, Established, KEY_LEN, MAX_PADDING, MseError, PLAINTEXT, RC4, Secret, TorrentKey, VERIFICATION,
    find,
};
use crate::infohash::Infohash;

/// The verification constant, the methods that are offered and the length of a padding, in bytes.
const OFFER_LEN: usize = VERIFICATION.len() + 6;

/// The side that was connected to. It selects plaintext where that is offered, and RC4 otherwise.
#[derive(Debug)]
pub struct Responder {
    /// What has arrived and is not dealt with yet.
    buffer: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The initiator's public key is expected.
    Key(Secret),
    /// The end of its padding is looked for.
    Padding(Shared),
    /// The key of a torrent is expected.
    Torrent(Shared),
    /// The caller is looking for the torrent.
    Asking(Shared),
    /// The initiator's offer is expected.
    Offer(Ciphers),
    /// The padding behind its offer, and the length of the initial payload, are expected.
    OfferPadding { ciphers: Ciphers, method: u32, length: usize },
    /// The initial payload is expected.
    Payload { ciphers: Ciphers, method: u32, length: usize },
    /// The exchange is over.
    Over,
}

/// What comes of bytes that arrived at the responder.
#[derive(Debug)]
pub struct Answer {
    /// What is to be sent now, before anything else.
    pub send: Vec<u8>,
    /// What follows.
    pub next: Next,
}

/// What follows in an exchange.
#[derive(Debug)]
pub enum Next {
    /// More bytes are needed.
    Receive,
    /// The torrent with this key is to be named by [`Responder::named`]; if there is none, the exchange has failed.
    Identify(TorrentKey),
    /// The exchange has succeeded.
    Done(Established),
}

impl Responder {
    /// Begins to respond.
    pub const fn new(secret: Secret) -> Self {
        Self { buffer: Vec::new(), stage: Stage::Key(secret) }
    }

    /// Deals with bytes that have arrived. Must not be called before a torrent that was asked for is named.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Answer, MseError> {
        debug_assert!(!matches!(self.stage, Stage::Asking(_)), "a torrent must be named");
        self.buffer.extend_from_slice(bytes);
        self.answer()
    }

    /// Names the torrent that was asked for.
    pub fn named(&mut self, infohash: Infohash) -> Result<Answer, MseError> {
        debug_assert!(matches!(self.stage, Stage::Asking(_)), "no torrent was asked for");
        if let Stage::Asking(shared) = &self.stage {
            self.stage = Stage::Offer(shared.responders(infohash));
        }
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer, MseError> {
        let mut send = Vec::new();
        loop {
            if let Some(next) = self.advance(&mut send)? {
                return Ok(Answer { send, next });
            }
        }
    }

    /// Does one step; returns nothing if there is another one to do.
    fn advance(&mut self, send: &mut Vec<u8>) -> Result<Option<Next>, MseError> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Key(secret) => {
                let Some(key) = self.take::<KEY_LEN>() else { return self.wait(Stage::Key(secret)) };
                let shared = Shared::new(secret.share(&key)?);
                send.extend(secret.opening());
                self.stage = Stage::Padding(shared);
            }
            Stage::Padding(shared) => {
                let synchronisation = shared.synchronisation();
                let Some(place) = find(&synchronisation, &self.buffer)? else {
                    return self.wait(Stage::Padding(shared));
                };
                self.buffer.drain(..place + synchronisation.len());
                self.stage = Stage::Torrent(shared);
            }
            Stage::Torrent(shared) => {
                let Some(masked) = self.take() else { return self.wait(Stage::Torrent(shared)) };
                let key = shared.torrent_key(masked);
                self.stage = Stage::Asking(shared);
                return Ok(Some(Next::Identify(key)));
            }
            Stage::Offer(ciphers) => return self.offer(ciphers),
            Stage::OfferPadding { mut ciphers, method, length } => {
                if self.buffer.len() < length + 2 {
                    return self.wait(Stage::OfferPadding { ciphers, method, length });
                }
                let mut padding: Vec<u8> = self.buffer.drain(..length + 2).collect();
                ciphers.incoming.apply(&mut padding);
                let length = padding.last_chunk().map_or(0, |length| u16::from_be_bytes(*length));
                self.stage = Stage::Payload { ciphers, method, length: length.into() };
            }
            Stage::Payload { ciphers, method, length } => {
                return self.finish(ciphers, method, length, send);
            }
            stage @ (Stage::Asking(_) | Stage::Over) => return self.wait(stage),
        }
        Ok(None)
    }

    fn offer(&mut self, mut ciphers: Ciphers) -> Result<Option<Next>, MseError> {
        let Some(mut bytes) = self.take::<OFFER_LEN>() else { return self.wait(Stage::Offer(ciphers)) };
        ciphers.incoming.apply(&mut bytes);
        let [verification @ .., a, b, c, d, high, low] = bytes;
        if verification != VERIFICATION {
            return Err(MseError::Unverified);
        }
        let (offered, length) = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([high, low]));
        let method = [PLAINTEXT, RC4].into_iter().find(|method| offered & method != 0);
        let method = method.ok_or(MseError::NoMethod { offered })?;
        if usize::from(length) > MAX_PADDING {
            return Err(MseError::LongPadding { length });
        }
        self.stage = Stage::OfferPadding { ciphers, method, length: length.into() };
        Ok(None)
    }

    fn finish(
        &mut self,
        mut ciphers: Ciphers,
        method: u32,
        length: usize,
        send: &mut Vec<u8>,
    ) -> Result<Option<Next>, MseError> {
        if self.buffer.len() < length {
            return self.wait(Stage::Payload { ciphers, method, length });
        }
        let mut received = std::mem::take(&mut self.buffer);
        // The initial payload is encrypted whatever was selected.
        let encrypted = if method == RC4 { received.len() } else { length };
        if let Some(encrypted) = received.get_mut(..encrypted) {
            ciphers.incoming.apply(encrypted);
        }
        let mut selection = VERIFICATION.to_vec();
        selection.extend(method.to_be_bytes());
        // No padding: the handshake follows at once.
        selection.extend([0, 0]);
        ciphers.outgoing.apply(&mut selection);
        send.extend(selection);
        let ciphers = (method == RC4).then(|| Box::new(ciphers));
        Ok(Some(Next::Done(Established { ciphers, received })))
    }

    /// Takes so many bytes, if they are here.
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = *self.buffer.first_chunk()?;
        self.buffer.drain(..N);
        Some(taken)
    }

    #[expect(clippy::unnecessary_wraps, reason = "it ends a step of the exchange")]
    fn wait(&mut self, stage: Stage) -> Result<Option<Next>, MseError> {
        self.stage = stage;
        Ok(Some(Next::Receive))
    }
}
