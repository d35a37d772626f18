//! What the verification of pieces shows about a source.

/// The record of a source, from the verification of pieces that it contributed to.
#[derive(Debug, Clone, Copy)]
pub(super) enum SourceRecord {
    /// No valid piece yet.
    Untested,
    /// The latest piece was valid; with the number of valid ones since the last invalid one.
    Proven(u32),
    /// Some pieces were valid, but not the latest one.
    Doubted,
}

impl SourceRecord {
    /// Returns the record after a verification result.
    pub(super) const fn after(self, good: bool) -> Self {
        match (good, self) {
            (true, Self::Proven(pieces)) => Self::Proven(pieces.saturating_add(1)),
            (true, _) => Self::Proven(1),
            (false, Self::Untested) => Self::Untested,
            (false, _) => Self::Doubted,
        }
    }
}
