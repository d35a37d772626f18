use protocol::seeded_random::SeededRandom;

/// Draws a random seed for a swarm engine.
pub(crate) fn fresh_seed() -> u64 {
    // Without randomness all nodes fetch pieces in the same order, which is slower but harmless.
    SeededRandom::from_seed(getrandom::u64().unwrap_or(0)).next_u64()
}
