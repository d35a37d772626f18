//! Message stream encryption (MSE): the obfuscation that many clients use for BitTorrent connections.
//!
//! Both sides exchange Diffie-Hellman keys followed by random padding. The initiator then proves that it knows the
//! infohash and offers encryption methods. The responder selects one, and the connection continues in plaintext or
//! under RC4. This hides the protocol from traffic filters; it provides no authentication, and no confidentiality
//! towards anyone who knows the infohash.
//!
//! [`Initiator`] and [`Responder`] are fed with received bytes and return the bytes to send. They draw no random
//! numbers: an [`ExchangeSecret`] is created from random bytes that the caller provides. Everything that the other
//! side chooses is bounded: paddings by 512 bytes, the initial payload by 65,535.

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

/// The maximum length of a padding, in bytes.
pub const MAX_PADDING: usize = 512;

/// Eight zeros, by which the receiver finds the beginning of the encrypted bytes and verifies the keys.
const VERIFICATION: [u8; 8] = [0; 8];

/// The bits of the encryption methods.
const PLAINTEXT: u32 = 1;
const RC4: u32 = 2;

/// The result of a successful key exchange.
#[derive(Debug)]
pub struct Established {
    /// The ciphers of the connection; `None` if it continues in plaintext.
    pub ciphers: Option<Box<Ciphers>>,
    /// The bytes of the connection itself that have already arrived, decrypted.
    pub received: Vec<u8>,
}

/// Returns the offset of `needle` in `bytes`, after at most [`MAX_PADDING`] bytes; `None` if it may still arrive.
fn find(needle: &[u8], bytes: &[u8]) -> Result<Option<usize>, MseError> {
    let limit = MAX_PADDING + needle.len();
    let searched = bytes.get(..limit).unwrap_or(bytes);
    match searched.windows(needle.len()).position(|window| window == needle) {
        Some(offset) => Ok(Some(offset)),
        None if searched.len() == limit => Err(MseError::NoSynchronisation),
        None => Ok(None),
    }
}
