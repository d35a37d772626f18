//! Environment variables of the stories: repetitions, crowd sizes and seeds.

use std::env;
use std::time::Duration;

use crate::content::Noise;
use crate::eventually::poll_within;

/// Returns the number of repetitions: `STORY_CYCLES`, or `usual` if it is not set.
pub fn story_cycles(usual: u32) -> u32 {
    env::var("STORY_CYCLES").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(usual)
}

/// Returns the crowd size, `STORY_CROWD` or `usual`, and true if the variable is set.
pub fn story_crowd(usual: usize) -> (usize, bool) {
    let value = env::var("STORY_CROWD").ok().and_then(|crowd| crowd.parse().ok());
    (value.unwrap_or(usual), value.is_some())
}

/// Random pauses from a printed seed, so that a failure can be reproduced.
#[derive(Debug, Clone)]
pub struct RandomPauses(Noise);

impl RandomPauses {
    /// Uses the seed in `STORY_SEED`, or `usual` if it is not set.
    pub fn from_env(usual: u64) -> Self {
        let seed = env::var("STORY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(usual);
        eprintln!("STORY_SEED={seed}");
        Self(Noise::from_seed(seed))
    }

    /// Sleeps for a random time of up to `max`.
    pub fn pause_up_to(&mut self, max: Duration) {
        let millis = u64::try_from(max.as_millis()).unwrap_or(u64::MAX);
        poll_within(Duration::from_millis(self.0.next_below(millis)), || None::<()>);
    }
}
