//! Message stream encryption (MSE): how many clients open a BitTorrent connection, so that it does not look like one.
//!
//! Both sides exchange Diffie-Hellman keys behind random padding. The initiator then proves that it knows the infohash, offers methods
//! of encryption, and the responder selects one: the connection goes on in plaintext or under RC4. This hides the protocol from
//! whoever filters traffic; it authenticates nobody and keeps nothing secret from those who know the infohash.
//!
//! [`Initiator`] and [`Responder`] are fed with the bytes that arrive and return those to send. They draw no randomness: a
//! [`ExchangeSecret`] is made of random bytes that the caller provides. Everything that the other side chooses is bounded: paddings by 512
//! bytes, the initial payload by 65,535.

mod cipher;
mod error;
#[cfg(test)]
mod golden;
mod group;
mod initiator;
mod keys;
mod responder;
#[cfg(test)]
mod tests;

pub use cipher::{Ciphers, StreamCipher};
pub use error::MseError;
pub use group::{ExchangeSecret, KEY_LEN, SECRET_LEN};
pub use initiator::{Initiator, InitiatorProgress};
pub use keys::TorrentKey;
pub use responder::{Responder, ResponderNext, ResponderOutput};

/// The longest padding that either side may send, in bytes.
pub const MAX_PADDING: usize = 512;

/// Eight zeros, by which the receiver of encrypted bytes finds where they begin and that the keys are right.
const VERIFICATION: [u8; 8] = [0; 8];

/// The bits by which methods are offered and selected.
const PLAINTEXT: u32 = 1;
const RC4: u32 = 2;

/// A key exchange that has succeeded.
#[derive(Debug)]
pub struct Established {
    /// The ciphers of all bytes that follow; none if they follow in plaintext.
    pub ciphers: Option<Box<Ciphers>>,
    /// What has arrived of the connection itself already, decrypted.
    pub received: Vec<u8>,
}

/// Returns the place of `needle` in `bytes`, behind at most [`MAX_PADDING`] bytes; nothing if more bytes may bring it.
fn find(needle: &[u8], bytes: &[u8]) -> Result<Option<usize>, MseError> {
    let limit = MAX_PADDING + needle.len();
    let searched = bytes.get(..limit).unwrap_or(bytes);
    match searched.windows(needle.len()).position(|window| window == needle) {
        Some(place) => Ok(Some(place)),
        None if searched.len() == limit => Err(MseError::NoSynchronisation),
        None => Ok(None),
    }
}
