//! Generated vocabulary with a natural frequency distribution: a few words are common, most are rare.

use crate::content::Noise;

/// Random numbers for names.
#[derive(Debug)]
pub(super) struct NameRng(Noise);

impl NameRng {
    /// Starts a sequence that is determined by both seeds.
    pub(super) fn new(seed: u64, part: u64) -> Self {
        let mut noise = Noise::from_seed(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ part);
        // Adjacent seeds start with similar numbers.
        noise.fill(&mut [0; 32]);
        Self(noise)
    }

    /// Draws a number.
    pub(super) fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Draws a number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        (self.number() >> 11) % bound.max(1)
    }

    /// Draws one of `things`.
    pub(super) fn choose<T: Copy>(&mut self, things: &[T]) -> T {
        things[usize::try_from(self.below(things.len() as u64)).expect("an index")]
    }
}

/// Words in order of frequency. The second is half as frequent as the first, the third a third, and so on.
#[derive(Debug)]
pub(super) struct Vocabulary {
    words: Vec<String>,
    /// The cumulative frequencies.
    cumulative_weights: Vec<f64>,
}

impl Vocabulary {
    /// Generates `count` words.
    pub(super) fn new(seed: u64, count: u32) -> Self {
        let words = (0..count).map(|number| make_word(seed, number)).collect();
        let sums = (1..=count).scan(0.0, |sum, rank| {
            *sum += 1.0 / f64::from(rank);
            Some(*sum)
        });
        Self { words, cumulative_weights: sums.collect() }
    }

    /// Returns the word at a rank, the most frequent first.
    pub(super) fn word_at_rank(&self, rank: u64) -> &str {
        &self.words[usize::try_from(rank).expect("an index") % self.words.len()]
    }

    /// Draws a word by its frequency.
    #[expect(clippy::cast_precision_loss, reason = "any number between 0 and 1 will do")]
    pub(super) fn draw_word(&self, rng: &mut NameRng) -> &str {
        let part = (rng.number() >> 11) as f64 / (1_u64 << 53) as f64;
        let sum = part * self.cumulative_weights.last().expect("a word");
        &self.words[self.cumulative_weights.partition_point(|other| *other < sum).min(self.words.len() - 1)]
    }
}

const ONSETS: [&str; 24] = [
    "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "br", "ch", "gr",
    "sh", "st", "th", "tr",
];
const VOWELS: [&str; 12] = ["a", "e", "i", "o", "u", "a", "e", "i", "o", "ai", "ea", "ou"];
const ACCENTED: [&str; 8] = ["á", "é", "í", "ö", "ü", "ñe", "ø", "ç"];
const CODAS: [&str; 12] = ["", "", "", "", "n", "r", "s", "t", "l", "m", "ng", "nd"];

/// Builds a word from syllables. Frequent words are short, some have accents, one in thirty is Chinese or Japanese.
fn make_word(seed: u64, number: u32) -> String {
    let rng = &mut NameRng::new(seed, 0x1000_0000_0000 | u64::from(number));
    if rng.below(30) == 0 {
        let letter = |rng: &mut NameRng| 0x4e00 + u32::try_from(rng.below(3000)).expect("small");
        return (0..2 + rng.below(3)).filter_map(|_| char::from_u32(letter(rng))).collect();
    }
    let most = if number < 200 { 2 } else { 3 };
    let accented = rng.below(20) == 0;
    let mut word = String::new();
    for _ in 0..=rng.below(most) + u64::from(number > 2000) {
        word += rng.choose(&ONSETS);
        word += if accented { rng.choose(&ACCENTED) } else { rng.choose(&VOWELS) };
        word += rng.choose(&CODAS);
    }
    word
}
