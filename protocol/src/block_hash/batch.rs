//! Several messages hashed side by side, each from its own state and cut in its own way.
//!
//! The messages go in lockstep over the blocks that all of them have at hand; one that is at its end gives its place to
//! the next. The last of all may have to go alone, at the speed of one stream.
//!
//! What it costs stands at the heads of [`sha256::lanes`](crate::sha256::lanes) and [`sha1::lanes`](crate::sha1::lanes).

use std::slice;

use super::{BLOCK, BlockState, Hasher, WIDE, is_wide};

/// How many messages run together at most where eight do not.
const LANES: usize = 4;

/// Returns how many messages are best hashed side by side on this machine: with more of them they take hardly less time.
pub fn worth_together() -> usize {
    if is_wide() { WIDE } else { 2 }
}

/// A hasher and what it is to take in.
#[derive(Debug, Clone)]
pub struct Message<'a, S> {
    /// Where the bytes go.
    pub hasher: Hasher<S>,
    /// The bytes, one part after the other.
    pub parts: Vec<&'a [u8]>,
}

/// Lets every hasher take in its parts: the same as [`Hasher::update`] for each of them, in less time.
pub fn update_all<S: BlockState>(messages: &mut [Message<'_, S>]) {
    update_by(messages, if is_wide() { WIDE } else { LANES });
}

/// Does so with at most so many at a time: [`WIDE`] or [`LANES`].
fn update_by<S: BlockState>(messages: &mut [Message<'_, S>], most: usize) {
    let mut waiting = messages.iter_mut();
    let mut running: Vec<Stream<'_, '_, S>> = Vec::with_capacity(most);
    loop {
        running.retain_mut(Stream::advance);
        while running.len() < most {
            let Some(message) = waiting.next() else { break };
            let mut stream = Stream::new(message);
            if stream.advance() {
                running.push(stream);
            }
        }
        match running.as_mut_slice() {
            [] => return,
            [alone] => alone.run(),
            several if most == WIDE && several.len() >= S::wide_from() => lockstep::<S, WIDE>(several),
            two @ [_, _] => lockstep::<S, 2>(two),
            three @ [_, _, _] => lockstep::<S, 3>(three),
            more => lockstep::<S, 4>(more),
        }
    }
}

/// A message on its way through the block function.
struct Stream<'m, 'a, S> {
    hasher: &'m mut Hasher<S>,
    parts: slice::Iter<'m, &'a [u8]>,
    /// Whole blocks that the hasher's state has not been advanced over.
    blocks: &'a [[u8; BLOCK]],
}

impl<'m, 'a, S: BlockState> Stream<'m, 'a, S> {
    fn new(message: &'m mut Message<'a, S>) -> Self {
        Self { hasher: &mut message.hasher, parts: message.parts.iter(), blocks: &[] }
    }

    /// Goes on to the next part if no blocks are at hand; says whether there are any now.
    fn advance(&mut self) -> bool {
        while self.blocks.is_empty() {
            let Some(part) = self.parts.next() else { return false };
            self.blocks = self.hasher.align(part);
        }
        true
    }

    /// Advances the state over the blocks at hand.
    fn run(&mut self) {
        self.hasher.state.advance(self.blocks);
        self.blocks = &[];
    }
}

/// Advances the first `N` streams, if there are so many, over as many blocks as each of them has at hand.
fn lockstep<S: BlockState, const N: usize>(streams: &mut [Stream<'_, '_, S>]) {
    let Some(first) = streams.first() else { return };
    // Where there is no stream, the first goes along once more.
    let (mut states, mut runs) = ([first.hasher.state; N], [first.blocks; N]);
    for ((state, run), stream) in states.iter_mut().zip(&mut runs).zip(streams.iter()) {
        (*state, *run) = (stream.hasher.state, stream.blocks);
    }
    let done = S::advance_all(&mut states, runs);
    for (stream, state) in streams.iter_mut().zip(states) {
        stream.hasher.state = state;
        stream.blocks = stream.blocks.get(done..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sha256::State;

    /// A message's first state and its parts.
    fn message() -> impl Strategy<Value = ([u8; 32], Vec<Vec<u8>>)> {
        let part = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            (0usize..6, any::<u8>()).prop_map(|(blocks, byte)| vec![byte; blocks * BLOCK]),
            prop::collection::vec(any::<u8>(), 900..1100),
        ];
        (any::<[u8; 32]>(), prop::collection::vec(part, 0..6))
    }

    proptest! {
        #[test]
        fn together_every_message_ends_as_it_does_alone(messages in prop::collection::vec(message(), 0..13)) {
            let hashers = messages.iter().map(|(state, _)| Hasher::from_state(State::from_bytes(state)));
            let mut together: Vec<Message<'_, State>> = hashers
                .zip(&messages)
                .map(|(hasher, (_, parts))| Message { hasher, parts: parts.iter().map(Vec::as_slice).collect() })
                .collect();
            let (mut by_four, mut alone) = (together.clone(), together.clone());
            update_by(&mut together, WIDE);
            update_by(&mut by_four, LANES);
            for ((ours, by_four), Message { hasher, parts }) in together.into_iter().zip(by_four).zip(&mut alone) {
                for part in parts.iter() {
                    hasher.update(part);
                }
                prop_assert_eq!(ours.hasher.state(), hasher.state());
                prop_assert_eq!(by_four.hasher.state(), hasher.state());
                let length = parts.iter().map(|part| part.len() as u64).sum();
                let right = hasher.clone().finish(length);
                prop_assert_eq!((ours.hasher.finish(length), by_four.hasher.finish(length)), (right, right));
            }
        }

        #[test]
        fn together_every_message_gets_the_digest_that_sha2_gives(messages in prop::collection::vec(message(), 1..6)) {
            use sha2::Digest as _;
            let mut batch: Vec<Message<'_, State>> = messages
                .iter()
                .map(|(_, parts)| Message {
                    hasher: Hasher::from_state(State::INITIAL),
                    parts: parts.iter().map(Vec::as_slice).collect(),
                })
                .collect();
            update_all(&mut batch);
            for (message, (_, parts)) in batch.into_iter().zip(&messages) {
                let bytes = parts.concat();
                let ours = message.hasher.finish(bytes.len() as u64);
                let theirs: [u8; 32] = sha2::Sha256::digest(&bytes).into();
                prop_assert_eq!(ours.as_bytes(), &theirs);
            }
        }
    }
}
