use std::fmt;

use rc4::{KeyInit, Rc4, StreamCipher as _};

/// The number of keystream bytes discarded, because the first bytes of RC4 leak information about the key.
const DISCARDED: usize = 1024;

/// RC4 for one direction of a connection; bytes are encrypted or decrypted in stream order.
pub struct StreamCipher(Rc4);

/// The ciphers of a connection.
#[derive(Debug)]
pub struct Ciphers {
    /// Encrypts sent bytes.
    pub outgoing: StreamCipher,
    /// Decrypts received bytes.
    pub incoming: StreamCipher,
}

impl StreamCipher {
    /// Starts the keystream of a key and discards its first bytes.
    #[expect(clippy::expect_used, reason = "RC4 takes any key of 1 to 256 bytes")]
    pub(super) fn new(key: &[u8; 20]) -> Self {
        let mut cipher = Self(Rc4::new_from_slice(key).expect("a key of 20 bytes"));
        cipher.apply(&mut [0; DISCARDED]);
        cipher
    }

    /// Encrypts or decrypts the next bytes in place.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        self.0.apply_keystream(bytes);
    }
}

impl fmt::Debug for StreamCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamCipher(..)")
    }
}
