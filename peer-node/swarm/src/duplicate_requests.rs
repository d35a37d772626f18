//! Requests overdue blocks from a second source.

use std::time::{Duration, Instant};

use protocol::geometry::Block;

use super::source::{DisconnectReason, SourceId, SwarmSource};
use super::{SNUB_TIMEOUT, STALL_TIMEOUT, Swarm, SwarmAction};

/// Minimum time that a block must be owed before a second source is asked, however fast that source is.
const MIN_TIME_OWED: Duration = Duration::from_millis(100);

const _: () = assert!(
    MIN_TIME_OWED.as_millis() < SNUB_TIMEOUT.as_millis(),
    "a slow source is helped before it counts as silent"
);

/// A block that a source owes and that may be overdue.
#[derive(Debug)]
struct OwedBlock {
    block: Block,
    source: SourceId,
    since: Instant,
    /// A second source that owes the block as well, if neither source is proven.
    second_source: Option<SourceId>,
    /// Whether the source is sending nothing.
    is_snubbed: bool,
    /// Seconds that the source needs for everything it owes.
    time_needed: f64,
}

/// A source with nothing else to do.
#[derive(Debug)]
struct IdleSource<'a> {
    id: SourceId,
    source: &'a SwarmSource,
    /// How long it waits for another source before it takes over a block.
    max_wait: Duration,
    /// Seconds that it needs for one more block.
    time_needed: f64,
}

impl Swarm {
    /// Disconnects the sources that have been silent for too long.
    pub(super) fn disconnect_stalled(&mut self, now: Instant) {
        let is_stalled = |source: &SwarmSource| {
            let silent = source.silent_for(now);
            silent >= STALL_TIMEOUT || (silent >= SNUB_TIMEOUT && self.is_expendable(source))
        };
        let stalled = self.sources.iter().filter(|(_, source)| is_stalled(source));
        let stalled: Vec<SourceId> = stalled.map(|(id, _)| *id).collect();
        for id in stalled {
            self.disconnect(id, DisconnectReason::Stalled);
        }
    }

    /// Assigns overdue blocks of other sources to idle sources, in turn.
    pub(super) fn duplicate_overdue(&mut self, now: Instant) {
        let mut idle = self.request_turns.idle();
        if idle.is_empty() {
            return;
        }
        // Computed once for all idle sources: the list may be long.
        let mut debts = self.owed_blocks(now);
        while !idle.is_empty() && !debts.is_empty() {
            // One block per source and turn, so that none takes all overdue blocks.
            idle.retain(|id| self.duplicate_request(*id, &mut debts, now));
        }
    }

    /// Requests the longest-owed overdue block from an idle source. Returns true if there was one for it.
    fn duplicate_request(&mut self, id: SourceId, debts: &mut Vec<OwedBlock>, now: Instant) -> bool {
        let rival = self.sources.get(&id).filter(|_| self.has_room(id)).map(|source| {
            let block_length = self.config.block_length;
            IdleSource::new(id, source, block_length, now)
        });
        let (may_join, is_proven) = (self.may_add_piece(id), self.is_proven(id));
        let position = rival.and_then(|rival| {
            // A source on trial may help only with pieces that it contributes to already.
            let may_supply =
                |piece| may_join || self.active.get(piece).is_some_and(|active| active.has_contributor(id));
            let is_late =
                |debt: &OwedBlock| rival.may_take_over(debt, self.active.is_solo(debt.block.piece), now);
            // Two untested sources may both trickle; only a proven one replaces the second.
            let may_duplicate = |debt: &OwedBlock| {
                (debt.second_source.is_none() || is_proven) && self.may_duplicate(id, debt.source, now)
            };
            debts.iter().position(|debt| may_supply(debt.block.piece) && is_late(debt) && may_duplicate(debt))
        });
        let Some(position) = position else { return false };
        let debt = debts.remove(position);
        // A proven source replaces an untested second one.
        if let Some(second) = debt.second_source {
            self.active.released(second, debt.block);
            self.actions.push_back(SwarmAction::Cancel { source: second, block: debt.block });
        }
        self.request(id, debt.block, now);
        true
    }

    /// Returns the blocks that may be overdue, oldest first: those owed by a single source, and those owed by two sources of
    /// which neither is proven, since both may be trickling.
    fn owed_blocks(&self, now: Instant) -> Vec<OwedBlock> {
        let is_endgame = self.is_endgame();
        let mut debts = Vec::new();
        for (debtor, source) in &self.sources {
            let is_snubbed = source.is_snubbing(now);
            // Before the endgame there is other work, and blocks of a busy source arrive in time.
            if !is_snubbed && !is_endgame {
                continue;
            }
            let time_needed = source.time_for(source.bytes_owed(), now);
            let is_old = |since: Instant| is_snubbed || now.saturating_duration_since(since) >= MIN_TIME_OWED;
            for (block, since) in source.owed().filter(|(_, since)| is_old(*since)) {
                let second = match self.active.owing_sources(block) {
                    Some((first, None)) if first == *debtor => None,
                    Some((first, Some(second)))
                        if first == *debtor && ![first, second].iter().any(|id| self.is_proven(*id)) =>
                    {
                        Some(second)
                    }
                    _ => continue,
                };
                debts.push(OwedBlock {
                    block,
                    source: *debtor,
                    since,
                    second_source: second,
                    is_snubbed,
                    time_needed,
                });
            }
        }
        // Those that wait longest first; the block breaks ties, so that simulations can be repeated.
        debts.sort_by_key(|debt| (debt.since, debt.block));
        debts
    }
}

impl<'a> IdleSource<'a> {
    fn new(id: SourceId, source: &'a SwarmSource, block_length: u32, now: Instant) -> Self {
        let shortest = source.window.min_block_time();
        // A source that is known to be fast need not wait as long for a slow one.
        let max_wait = shortest.map_or(SNUB_TIMEOUT, |shortest| MIN_TIME_OWED.max(shortest * 3));
        let measured = source.time_for(source.bytes_owed() + u64::from(block_length), now);
        // The measured rate of an idle source does not show how fast it is.
        let alone = shortest.unwrap_or(SNUB_TIMEOUT).as_secs_f64();
        let time_needed = if source.owes() { measured } else { measured.min(alone) };
        Self { id, source, max_wait, time_needed }
    }

    fn may_take_over(&self, debt: &OwedBlock, is_solo: bool, now: Instant) -> bool {
        if debt.source == self.id
            || !self.source.may_supply(debt.block.piece)
            || self.source.owes_block(debt.block)
        {
            return false;
        }
        // A piece that one source should fill alone stays with it for longer, but not forever.
        let patience = if is_solo { self.max_wait.max(STALL_TIMEOUT) } else { self.max_wait };
        let is_overdue = now.saturating_duration_since(debt.since) >= patience;
        debt.is_snubbed || (is_overdue && debt.time_needed >= self.time_needed * 2.0)
    }
}
