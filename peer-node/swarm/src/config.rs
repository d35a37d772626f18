use std::time::Duration;

/// How a driver wants its content fetched.
#[derive(Debug, Clone, Copy)]
pub struct SwarmConfig {
    /// The longest block that may be asked for, in bytes.
    pub block_length: u32,
    /// The shortest block that pieces are cut into for slow sources, in bytes; as long as the longest where blocks have one length.
    pub min_block: u32,
    /// How many blocks one source may owe at once, at least 1.
    pub max_requests: usize,
    /// How many bytes of unfinished pieces may be under way at once; one piece is always allowed. As many again may be
    /// held of pieces that lost their source.
    pub budget: u64,
    /// How many pieces sources that have not given a right one yet may have under way together, if that is limited; besides, a tenth
    /// of the content.
    pub max_on_trial: Option<u32>,
    /// In which order pieces are begun.
    pub order: PieceOrder,
    /// What becomes of a block that a source owes for too long.
    pub overdue: OverduePolicy,
    /// Where randomness starts.
    pub seed: u64,
}

/// What becomes of a block that a source owes for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverduePolicy {
    /// It is asked of another source as well, and cancelled where it is not needed any more; a source that stalls is left.
    Duplicate,
    /// After so long without a byte its request counts as lost, and is repeated: at another source if possible, and else at the
    /// same. For dialects of whole pieces in which requests cannot be taken back. No source is left.
    Repeat(Duration),
}

/// In which order pieces are begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceOrder {
    /// A random one first, and then those that the fewest sources have.
    Rarest,
    /// As chance has it.
    Random,
}
