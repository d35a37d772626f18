use std::time::Duration;

/// Configuration of a swarm.
#[derive(Debug, Clone, Copy)]
pub struct SwarmConfig {
    /// Maximum length of a requested block in bytes.
    pub block_length: u32,
    /// Minimum block length for slow sources, in bytes; equal to `block_length` in dialects with a fixed block length.
    pub min_block: u32,
    /// Maximum number of blocks that one source may owe, at least 1.
    pub max_requests: usize,
    /// Maximum bytes of unfinished pieces in progress; one piece is always allowed. As much again may be held in pieces
    /// that lost their source.
    pub budget: u64,
    /// Maximum number of pieces in progress at untested sources together, which is also limited to a tenth of the content;
    /// `None` for no trial.
    pub max_on_trial: Option<u32>,
    /// Order in which pieces are started.
    pub order: PieceOrder,
    /// Handling of overdue blocks.
    pub overdue: OverduePolicy,
    /// Seed for random choices.
    pub seed: u64,
}

/// What to do with a block that a source owes for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverduePolicy {
    /// Request it from another source as well, and cancel the request that is no longer needed. Stalled sources are disconnected.
    Duplicate,
    /// After this long without a byte, consider the request lost and repeat it, preferably at another source. For dialects of
    /// whole pieces in which requests cannot be cancelled. No source is disconnected.
    Repeat(Duration),
}

/// The order in which pieces are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceOrder {
    /// A random piece first, then rarest first.
    Rarest,
    /// Random order.
    Random,
}
