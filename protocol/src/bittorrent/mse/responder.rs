use super::keys::SharedSecret;
use super::{
    Ciphers, Established, ExchangeSecret, KEY_LEN, MAX_PADDING, MseError, PLAINTEXT, RC4, TorrentKey,
    VERIFICATION, find,
};
use crate::infohash::Infohash;

/// The length, in bytes, of the verification constant, the offered methods and the padding length.
const OFFER_LEN: usize = VERIFICATION.len() + 6;

/// The accepting side. It selects plaintext if offered, otherwise RC4.
#[derive(Debug)]
pub struct Responder {
    /// Received bytes that are not processed yet.
    buffer: Vec<u8>,
    stage: ResponderStage,
}

#[derive(Debug)]
enum ResponderStage {
    /// Waits for the initiator's public key.
    Key(ExchangeSecret),
    /// Searches the end of the initiator's padding.
    Padding(SharedSecret),
    /// Waits for the torrent key.
    Torrent(SharedSecret),
    /// Waits for the caller to identify the torrent.
    Identifying(SharedSecret),
    /// Waits for the initiator's offer.
    Offer(Ciphers),
    /// Waits for the padding after the offer and the length of the initial payload.
    OfferPadding { ciphers: Ciphers, method: u32, length: usize },
    /// Waits for the initial payload.
    Payload { ciphers: Ciphers, method: u32, length: usize },
    /// The exchange is over.
    Done,
}

/// The responder's reaction to received bytes.
#[derive(Debug)]
pub struct ResponderOutput {
    /// The bytes to send now, before anything else.
    pub send: Vec<u8>,
    /// The next step for the caller.
    pub next: ResponderNext,
}

/// The next step for the caller of a [`Responder`].
#[derive(Debug)]
pub enum ResponderNext {
    /// Receive more bytes.
    Receive,
    /// Find the torrent with this key and call [`Responder::identify`]; without such a torrent, the exchange has
    /// failed.
    Identify(TorrentKey),
    /// The exchange has succeeded.
    Done(Established),
}

impl Responder {
    /// Creates a responder.
    pub const fn new(secret: ExchangeSecret) -> Self {
        Self { buffer: Vec::new(), stage: ResponderStage::Key(secret) }
    }

    /// Processes received bytes. Must not be called between [`ResponderNext::Identify`] and [`Responder::identify`].
    pub fn receive(&mut self, bytes: &[u8]) -> Result<ResponderOutput, MseError> {
        debug_assert!(
            !matches!(self.stage, ResponderStage::Identifying(_)),
            "the torrent must be identified first"
        );
        self.buffer.extend_from_slice(bytes);
        self.output()
    }

    /// Continues the exchange with the torrent that [`ResponderNext::Identify`] asked for.
    pub fn identify(&mut self, infohash: Infohash) -> Result<ResponderOutput, MseError> {
        debug_assert!(matches!(self.stage, ResponderStage::Identifying(_)), "no torrent to identify");
        if let ResponderStage::Identifying(shared) = &self.stage {
            self.stage = ResponderStage::Offer(shared.responder_ciphers(infohash));
        }
        self.output()
    }

    fn output(&mut self) -> Result<ResponderOutput, MseError> {
        let mut send = Vec::new();
        loop {
            if let Some(next) = self.advance(&mut send)? {
                return Ok(ResponderOutput { send, next });
            }
        }
    }

    /// Performs one step; returns `None` if another step can follow at once.
    fn advance(&mut self, send: &mut Vec<u8>) -> Result<Option<ResponderNext>, MseError> {
        // Every arm sets the next stage, or puts its own stage back with `wait`.
        match std::mem::replace(&mut self.stage, ResponderStage::Done) {
            ResponderStage::Key(secret) => {
                let Some(key) = self.take_array::<KEY_LEN>() else {
                    return self.wait(ResponderStage::Key(secret));
                };
                let shared = SharedSecret::new(secret.shared_secret(&key)?);
                send.extend(secret.public_key_and_padding());
                self.stage = ResponderStage::Padding(shared);
            }
            ResponderStage::Padding(shared) => {
                let synchronisation = shared.synchronisation();
                let Some(padding) = find(&synchronisation, &self.buffer)? else {
                    return self.wait(ResponderStage::Padding(shared));
                };
                self.buffer.drain(..padding + synchronisation.len());
                self.stage = ResponderStage::Torrent(shared);
            }
            ResponderStage::Torrent(shared) => {
                let Some(masked) = self.take_array() else {
                    return self.wait(ResponderStage::Torrent(shared));
                };
                let key = shared.torrent_key(masked);
                self.stage = ResponderStage::Identifying(shared);
                return Ok(Some(ResponderNext::Identify(key)));
            }
            ResponderStage::Offer(ciphers) => return self.offer(ciphers),
            ResponderStage::OfferPadding { mut ciphers, method, length } => {
                if self.buffer.len() < length + 2 {
                    return self.wait(ResponderStage::OfferPadding { ciphers, method, length });
                }
                let mut padding: Vec<u8> = self.buffer.drain(..length + 2).collect();
                ciphers.incoming.apply(&mut padding);
                let length = padding.last_chunk().map_or(0, |length| u16::from_be_bytes(*length));
                self.stage = ResponderStage::Payload { ciphers, method, length: length.into() };
            }
            ResponderStage::Payload { ciphers, method, length } => {
                return self.finish(ciphers, method, length, send);
            }
            stage @ (ResponderStage::Identifying(_) | ResponderStage::Done) => return self.wait(stage),
        }
        Ok(None)
    }

    fn offer(&mut self, mut ciphers: Ciphers) -> Result<Option<ResponderNext>, MseError> {
        let Some(mut bytes) = self.take_array::<OFFER_LEN>() else {
            return self.wait(ResponderStage::Offer(ciphers));
        };
        ciphers.incoming.apply(&mut bytes);
        let [verification @ .., a, b, c, d, high, low] = bytes;
        if verification != VERIFICATION {
            return Err(MseError::Unverified);
        }
        let (offered, length) = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([high, low]));
        let method = [PLAINTEXT, RC4].into_iter().find(|method| offered & method != 0);
        let method = method.ok_or(MseError::NoCommonMethod { offered })?;
        if usize::from(length) > MAX_PADDING {
            return Err(MseError::PaddingTooLong { length });
        }
        self.stage = ResponderStage::OfferPadding { ciphers, method, length: length.into() };
        Ok(None)
    }

    fn finish(
        &mut self,
        mut ciphers: Ciphers,
        method: u32,
        length: usize,
        send: &mut Vec<u8>,
    ) -> Result<Option<ResponderNext>, MseError> {
        if self.buffer.len() < length {
            return self.wait(ResponderStage::Payload { ciphers, method, length });
        }
        let mut received = std::mem::take(&mut self.buffer);
        // The initial payload is encrypted with either method.
        let encrypted = if method == RC4 { received.len() } else { length };
        if let Some(encrypted) = received.get_mut(..encrypted) {
            ciphers.incoming.apply(encrypted);
        }
        let mut selection = VERIFICATION.to_vec();
        selection.extend(method.to_be_bytes());
        // No padding is needed: the handshake follows immediately.
        selection.extend([0, 0]);
        ciphers.outgoing.apply(&mut selection);
        send.extend(selection);
        let ciphers = (method == RC4).then(|| Box::new(ciphers));
        Ok(Some(ResponderNext::Done(Established { ciphers, received })))
    }

    /// Takes `N` bytes from the buffer once they have arrived.
    fn take_array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = *self.buffer.first_chunk()?;
        self.buffer.drain(..N);
        Some(taken)
    }

    #[expect(clippy::unnecessary_wraps, reason = "it ends a step of the exchange")]
    fn wait(&mut self, stage: ResponderStage) -> Result<Option<ResponderNext>, MseError> {
        self.stage = stage;
        Ok(Some(ResponderNext::Receive))
    }
}
