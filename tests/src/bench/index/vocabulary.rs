//! Words that look like words: a few are everywhere, most are rare.

use crate::content::Noise;

/// Random numbers for names.
#[derive(Debug)]
pub(super) struct NameRng(Noise);

impl NameRng {
    /// Starts a stream of numbers that depends on both seeds alone.
    pub(super) fn new(seed: u64, part: u64) -> Self {
        let mut noise = Noise::from_seed(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ part);
        // Neighbouring seeds begin alike.
        noise.fill(&mut [0; 32]);
        Self(noise)
    }

    /// Draws any number.
    pub(super) fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Draws a number below another.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        (self.number() >> 11) % bound.max(1)
    }

    /// Draws one of some things.
    pub(super) fn choose<T: Copy>(&mut self, things: &[T]) -> T {
        things[usize::try_from(self.below(things.len() as u64)).expect("an index")]
    }
}

/// Words, the most frequent first, and how frequent they are: the second half as much as the first, and so on.
#[derive(Debug)]
pub(super) struct Vocabulary {
    words: Vec<String>,
    /// The frequencies, added up.
    cumulative_weights: Vec<f64>,
}

impl Vocabulary {
    /// Makes so many words.
    pub(super) fn new(seed: u64, count: u32) -> Self {
        let words = (0..count).map(|number| make_word(seed, number)).collect();
        let sums = (1..=count).scan(0.0, |sum, place| {
            *sum += 1.0 / f64::from(place);
            Some(*sum)
        });
        Self { words, cumulative_weights: sums.collect() }
    }

    /// Gives the word at a place, from the most frequent on.
    pub(super) fn word_at_rank(&self, place: u64) -> &str {
        &self.words[usize::try_from(place).expect("an index") % self.words.len()]
    }

    /// Draws a word.
    #[expect(clippy::cast_precision_loss, reason = "any number between 0 and 1 will do")]
    pub(super) fn draw_word(&self, draw: &mut NameRng) -> &str {
        let part = (draw.number() >> 11) as f64 / (1_u64 << 53) as f64;
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

/// Makes a word of syllables; frequent ones are short, some have accents, one in thirty is Chinese or Japanese.
fn make_word(seed: u64, number: u32) -> String {
    let draw = &mut NameRng::new(seed, 0x1000_0000_0000 | u64::from(number));
    if draw.below(30) == 0 {
        let letter = |draw: &mut NameRng| 0x4e00 + u32::try_from(draw.below(3000)).expect("small");
        return (0..2 + draw.below(3)).filter_map(|_| char::from_u32(letter(draw))).collect();
    }
    let most = if number < 200 { 2 } else { 3 };
    let accented = draw.below(20) == 0;
    let mut word = String::new();
    for _ in 0..=draw.below(most) + u64::from(number > 2000) {
        word += draw.choose(&ONSETS);
        word += if accented { draw.choose(&ACCENTED) } else { draw.choose(&VOWELS) };
        word += draw.choose(&CODAS);
    }
    word
}
