use super::MAX_PADDING;

/// A key exchange that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MseError {
    /// With such a key everybody would know the secret.
    #[error("key exchange failed: the public key is invalid")]
    WeakKey,
    /// What ends the padding did not come: other software, or another infohash.
    #[error("key exchange failed: no synchronisation within {MAX_PADDING} bytes")]
    NoSynchronisation,
    /// The encrypted part does not begin with eight zeros.
    #[error("key exchange failed: the verification constant is wrong")]
    Unverified,
    /// A padding longer than the specification allows.
    #[error("key exchange failed: a padding of {length} bytes, more than {MAX_PADDING}")]
    PaddingTooLong {
        /// Its length.
        length: u16,
    },
    /// Neither plaintext nor RC4 is offered.
    #[error("key exchange failed: no known encryption method among {offered:#x}")]
    NoCommonMethod {
        /// The bits of those that are.
        offered: u32,
    },
    /// The responder selected what was not offered, or several methods.
    #[error("key exchange failed: encryption method {selected:#x} was selected, which was not offered")]
    WrongMethod {
        /// The bits of its selection.
        selected: u32,
    },
}
