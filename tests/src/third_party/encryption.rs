/// Whether a client of other people encrypts its connections (MSE).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// It does not, or not at first; it speaks TCP alone.
    Off,
    /// It does as it comes.
    Default,
    /// It takes no other connections, and no plaintext behind the key exchange.
    Required,
}
