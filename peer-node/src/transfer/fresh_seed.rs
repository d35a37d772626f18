use swarm::SeededRandom;

/// Draws the seed of an engine.
pub(crate) fn fresh_seed() -> u64 {
    // Without randomness pieces come in the same order everywhere, which is slower and nothing worse.
    SeededRandom::from_seed(getrandom::u64().unwrap_or(0)).next_u64()
}
