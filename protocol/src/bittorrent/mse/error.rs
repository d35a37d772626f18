use super::MAX_PADDING;

/// Why a key exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MseError {
    /// The public key is weak: anyone could derive the shared secret.
    #[error("key exchange failed: the public key is invalid")]
    WeakKey,
    /// The end of the padding was not found: the other side runs another protocol, or has another infohash.
    #[error("key exchange failed: no synchronisation within {MAX_PADDING} bytes")]
    NoSynchronisation,
    /// The encrypted part does not begin with eight zeros.
    #[error("key exchange failed: the verification constant is wrong")]
    Unverified,
    /// The padding is longer than the specification allows.
    #[error("key exchange failed: the padding of {length} bytes is longer than {MAX_PADDING}")]
    PaddingTooLong {
        /// Its length.
        length: u16,
    },
    /// The initiator offers neither plaintext nor RC4.
    #[error("key exchange failed: no known encryption method among {offered:#x}")]
    NoCommonMethod {
        /// The bits of the offered methods.
        offered: u32,
    },
    /// The responder selected a method that was not offered, or several methods.
    #[error("key exchange failed: the selected encryption method {selected:#x} was not offered")]
    WrongMethod {
        /// The bits of the selected methods.
        selected: u32,
    },
}
