use super::keys::SharedSecret;
use super::{
    Ciphers, Established, ExchangeSecret, KEY_LEN, MAX_PADDING, MseError, PLAINTEXT, RC4, TorrentKey,
    VERIFICATION, find,
};
use crate::infohash::Infohash;

/// The length, in bytes, of the responder's selection and its padding length.
const SELECTION_LEN: usize = 6;

/// The dialing side. It offers plaintext and RC4.
#[derive(Debug)]
pub struct Initiator {
    infohash: Infohash,
    /// The first bytes of the connection itself, sent as the initial payload.
    payload: Vec<u8>,
    /// Received bytes that are not processed yet.
    buffer: Vec<u8>,
    stage: InitiatorStage,
}

#[derive(Debug)]
enum InitiatorStage {
    /// Waits for the responder's public key.
    Key(ExchangeSecret),
    /// Searches the responder's encrypted part behind its padding.
    Padding { ciphers: Ciphers, verification: [u8; 8] },
    /// Waits for the responder's selection.
    Selection(Ciphers),
    /// Waits for the padding after the selection.
    LastPadding { ciphers: Ciphers, selected: u32, length: usize },
    /// The exchange is over.
    Over,
}

/// The initiator's reaction to received bytes.
#[derive(Debug, Default)]
pub struct InitiatorProgress {
    /// The bytes to send now.
    pub send: Vec<u8>,
    /// The result, once the exchange has succeeded.
    pub done: Option<Established>,
}

impl Initiator {
    /// Starts an exchange for a torrent; also returns the first bytes to send. `payload` is the beginning of the
    /// connection itself, at most 65,535 bytes.
    pub fn begin(secret: ExchangeSecret, infohash: Infohash, payload: &[u8]) -> (Self, Vec<u8>) {
        debug_assert!(u16::try_from(payload.len()).is_ok(), "its length is sent in two bytes");
        let opening = secret.public_key_and_padding();
        let (payload, stage) = (payload.to_vec(), InitiatorStage::Key(secret));
        (Self { infohash, payload, buffer: Vec::new(), stage }, opening)
    }

    /// Processes received bytes.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<InitiatorProgress, MseError> {
        self.buffer.extend_from_slice(bytes);
        let mut progress = InitiatorProgress::default();
        while progress.done.is_none() && self.advance(&mut progress)? {}
        Ok(progress)
    }

    /// Performs one step; returns false if it needs more bytes.
    fn advance(&mut self, progress: &mut InitiatorProgress) -> Result<bool, MseError> {
        // Every arm sets the next stage, or puts its own stage back with `wait`.
        match std::mem::replace(&mut self.stage, InitiatorStage::Over) {
            InitiatorStage::Key(secret) => {
                let Some(key) = self.take_array::<KEY_LEN>() else {
                    return self.wait(InitiatorStage::Key(secret));
                };
                let shared = SharedSecret::new(secret.shared_secret(&key)?);
                let mut ciphers = shared.initiator_ciphers(self.infohash);
                progress.send.extend(self.offer(&shared, &mut ciphers));
                let mut verification = VERIFICATION;
                ciphers.incoming.apply(&mut verification);
                self.stage = InitiatorStage::Padding { ciphers, verification };
            }
            InitiatorStage::Padding { ciphers, verification } => {
                let Some(padding) = find(&verification, &self.buffer)? else {
                    return self.wait(InitiatorStage::Padding { ciphers, verification });
                };
                self.buffer.drain(..padding + verification.len());
                self.stage = InitiatorStage::Selection(ciphers);
            }
            InitiatorStage::Selection(mut ciphers) => {
                let Some(mut bytes) = self.take_array::<SELECTION_LEN>() else {
                    return self.wait(InitiatorStage::Selection(ciphers));
                };
                ciphers.incoming.apply(&mut bytes);
                let [a, b, c, d, high, low] = bytes;
                let (selected, length) = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([high, low]));
                if selected != PLAINTEXT && selected != RC4 {
                    return Err(MseError::WrongMethod { selected });
                }
                if usize::from(length) > MAX_PADDING {
                    return Err(MseError::PaddingTooLong { length });
                }
                self.stage = InitiatorStage::LastPadding { ciphers, selected, length: length.into() };
            }
            InitiatorStage::LastPadding { mut ciphers, selected, length } => {
                if self.buffer.len() < length {
                    return self.wait(InitiatorStage::LastPadding { ciphers, selected, length });
                }
                let mut padding: Vec<u8> = self.buffer.drain(..length).collect();
                ciphers.incoming.apply(&mut padding);
                let mut received = std::mem::take(&mut self.buffer);
                if selected == RC4 {
                    ciphers.incoming.apply(&mut received);
                }
                progress.done =
                    Some(Established { ciphers: (selected == RC4).then(|| Box::new(ciphers)), received });
            }
            InitiatorStage::Over => return Ok(false),
        }
        Ok(true)
    }

    /// Returns the bytes after the keys: the masked torrent key, the offered methods and the initial payload.
    fn offer(&self, shared: &SharedSecret, ciphers: &mut Ciphers) -> Vec<u8> {
        let length = u16::try_from(self.payload.len()).unwrap_or(u16::MAX);
        let mut encrypted = VERIFICATION.to_vec();
        encrypted.extend((PLAINTEXT | RC4).to_be_bytes());
        // No padding is needed: the initial payload varies the length.
        encrypted.extend([0, 0]);
        encrypted.extend(length.to_be_bytes());
        encrypted.extend(self.payload.iter().take(length.into()));
        ciphers.outgoing.apply(&mut encrypted);
        let masked = shared.mask(*TorrentKey::of(self.infohash).as_bytes());
        [&shared.synchronisation()[..], &masked, &encrypted].concat()
    }

    /// Takes `N` bytes from the buffer once they have arrived.
    fn take_array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = *self.buffer.first_chunk()?;
        self.buffer.drain(..N);
        Some(taken)
    }

    #[expect(clippy::unnecessary_wraps, reason = "it ends a step of the exchange")]
    fn wait(&mut self, stage: InitiatorStage) -> Result<bool, MseError> {
        self.stage = stage;
        Ok(false)
    }
}
