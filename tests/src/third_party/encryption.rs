/// Encryption of a third-party client's connections (MSE).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Disabled, or not tried first; the client uses only TCP.
    Off,
    /// The client's default behaviour.
    Default,
    /// Required: neither plaintext connections nor plaintext after the key exchange.
    Required,
}
