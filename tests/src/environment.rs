//! How often a story repeats what it does, and its random moments.

use std::env;
use std::time::Duration;

use crate::content::Noise;
use crate::eventually::poll_within;

/// Returns how often to repeat: as often as `STORY_CYCLES` says, or `usual` times.
pub fn story_cycles(usual: u32) -> u32 {
    env::var("STORY_CYCLES").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(usual)
}

/// Returns how many take part: as many as `STORY_CROWD` says, or `usual`; and whether it was said.
pub fn story_crowd(usual: usize) -> (usize, bool) {
    let said = env::var("STORY_CROWD").ok().and_then(|crowd| crowd.parse().ok());
    (said.unwrap_or(usual), said.is_some())
}

/// Random moments of a seed that is said, so that a failure can be repeated.
#[derive(Debug, Clone)]
pub struct RandomPauses(Noise);

impl RandomPauses {
    /// Begins with the seed that `STORY_SEED` gives, or `usual`.
    pub fn from_env(usual: u64) -> Self {
        let seed = env::var("STORY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(usual);
        eprintln!("STORY_SEED={seed}");
        Self(Noise::from_seed(seed))
    }

    /// Lets a random time pass, up to `most`.
    pub fn pause_up_to(&mut self, most: Duration) {
        let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        poll_within(Duration::from_millis(self.0.next_below(millis)), || None::<()>);
    }
}
