//! Parallel hashing of several messages, each from its own state and in its own fragmentation.
//!
//! The messages advance in lockstep over the blocks that all of them have available; the next message replaces one
//! that has ended. The last message may have to run alone, at the speed of one stream.
//!
//! The block functions are in [`sha256::lanes`](crate::sha256::lanes) and [`sha1::lanes`](crate::sha1::lanes).

use std::slice;

use super::{BLOCK_LEN, BlockState, Hasher, WIDE_LANES, is_wide};

/// The maximum number of messages in parallel on processors without AVX-512.
const LANES: usize = 4;

/// Returns the best batch size on this machine; larger batches are hardly faster.
pub fn min_batch_len() -> usize {
    if is_wide() { WIDE_LANES } else { 2 }
}

/// A hasher and its input.
#[derive(Debug, Clone)]
pub struct HashInput<'a, S> {
    /// The hasher.
    pub hasher: Hasher<S>,
    /// The input, in parts.
    pub parts: Vec<&'a [u8]>,
}

/// Updates every hasher with its parts, faster than separate calls of [`Hasher::update`].
pub fn update_all<S: BlockState>(messages: &mut [HashInput<'_, S>]) {
    update_in_groups(messages, if is_wide() { WIDE_LANES } else { LANES });
}

/// Updates the hashers, with at most `max_lanes` at a time: [`WIDE_LANES`] or [`LANES`].
fn update_in_groups<S: BlockState>(messages: &mut [HashInput<'_, S>], max_lanes: usize) {
    let mut waiting = messages.iter_mut();
    let mut running: Vec<HashStream<'_, '_, S>> = Vec::with_capacity(max_lanes);
    loop {
        running.retain_mut(HashStream::advance);
        while running.len() < max_lanes {
            let Some(message) = waiting.next() else { break };
            let mut stream = HashStream::new(message);
            if stream.advance() {
                running.push(stream);
            }
        }
        match running.as_mut_slice() {
            [] => return,
            [alone] => alone.run(),
            several if max_lanes == WIDE_LANES && several.len() >= S::min_wide_lanes() => {
                lockstep::<S, WIDE_LANES>(several);
            }
            two @ [_, _] => lockstep::<S, 2>(two),
            three @ [_, _, _] => lockstep::<S, 3>(three),
            more => lockstep::<S, 4>(more),
        }
    }
}

/// A message that is being hashed.
struct HashStream<'m, 'a, S> {
    hasher: &'m mut Hasher<S>,
    parts: slice::Iter<'m, &'a [u8]>,
    /// Whole blocks over which the hasher's state has not been advanced yet.
    blocks: &'a [[u8; BLOCK_LEN]],
}

impl<'m, 'a, S: BlockState> HashStream<'m, 'a, S> {
    fn new(message: &'m mut HashInput<'a, S>) -> Self {
        Self { hasher: &mut message.hasher, parts: message.parts.iter(), blocks: &[] }
    }

    /// Moves on to the next part if no blocks are available; returns false at the end of the message.
    fn advance(&mut self) -> bool {
        while self.blocks.is_empty() {
            let Some(part) = self.parts.next() else { return false };
            self.blocks = self.hasher.align(part);
        }
        true
    }

    /// Advances the state over all available blocks.
    fn run(&mut self) {
        self.hasher.state.advance(self.blocks);
        self.blocks = &[];
    }
}

/// Advances the first `N` streams over as many blocks as all of them have available.
fn lockstep<S: BlockState, const N: usize>(streams: &mut [HashStream<'_, '_, S>]) {
    let Some(first) = streams.first() else { return };
    // Unused lanes repeat the first stream.
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
    use crate::sha256::Sha256State;

    /// Generates the initial state and the parts of a message.
    fn message() -> impl Strategy<Value = ([u8; 32], Vec<Vec<u8>>)> {
        let part = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            (0usize..6, any::<u8>()).prop_map(|(blocks, byte)| vec![byte; blocks * BLOCK_LEN]),
            prop::collection::vec(any::<u8>(), 900..1100),
        ];
        (any::<[u8; 32]>(), prop::collection::vec(part, 0..6))
    }

    proptest! {
        #[test]
        fn batched_states_match_single_ones(messages in prop::collection::vec(message(), 0..13)) {
            let hashers = messages.iter().map(|(state, _)| Hasher::from_state(Sha256State::from_bytes(state)));
            let mut together: Vec<HashInput<'_, Sha256State>> = hashers
                .zip(&messages)
                .map(|(hasher, (_, parts))| HashInput { hasher, parts: parts.iter().map(Vec::as_slice).collect() })
                .collect();
            let (mut by_four, mut alone) = (together.clone(), together.clone());
            update_in_groups(&mut together, WIDE_LANES);
            update_in_groups(&mut by_four, LANES);
            for ((ours, by_four), HashInput { hasher, parts }) in together.into_iter().zip(by_four).zip(&mut alone) {
                for part in parts.iter() {
                    hasher.update(part);
                }
                prop_assert_eq!(ours.hasher.state(), hasher.state());
                prop_assert_eq!(by_four.hasher.state(), hasher.state());
                let length = parts.iter().map(|part| part.len() as u64).sum();
                let expected = hasher.clone().finish(length);
                prop_assert_eq!((ours.hasher.finish(length), by_four.hasher.finish(length)), (expected, expected));
            }
        }

        #[test]
        fn batched_digests_match_sha2(messages in prop::collection::vec(message(), 1..6)) {
            use sha2::Digest as _;
            let mut batch: Vec<HashInput<'_, Sha256State>> = messages
                .iter()
                .map(|(_, parts)| HashInput {
                    hasher: Hasher::from_state(Sha256State::INITIAL),
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
