//! Blocks that come too late, and are asked of a second source.

use std::time::{Duration, Instant};

use protocol::geometry::Block;

use super::source::{DisconnectReason, SourceId, SwarmSource};
use super::{SNUB_TIMEOUT, STALL_TIMEOUT, Swarm, SwarmAction};

/// A block owed for less than this is not asked of a second source, however fast that one is.
const MIN_TIME_OWED: Duration = Duration::from_millis(100);

/// A block that one source owes, and that may be late.
#[derive(Debug)]
struct OwedBlock {
    block: Block,
    source: SourceId,
    since: Instant,
    /// A second source that owes it too, when neither has given a right piece yet.
    second_source: Option<SourceId>,
    /// Whether the debtor sends nothing.
    is_snubbed: bool,
    /// How many seconds the debtor takes for all that it owes.
    time_needed: f64,
}

/// A source that has nothing else to do.
#[derive(Debug)]
struct IdleSource<'a> {
    id: SourceId,
    source: &'a SwarmSource,
    /// How long it waits for another before it steps in.
    max_wait: Duration,
    /// How many seconds it takes for one block more.
    time_needed: f64,
}

impl Swarm {
    /// Leaves the sources that send nothing for too long.
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

    /// Asks the sources that have nothing else to do, in turn, for what others owe for too long.
    pub(super) fn duplicate_overdue(&mut self, now: Instant) {
        let mut idle = self.request_turns.idle();
        if idle.is_empty() {
            return;
        }
        let mut debts = self.owed_blocks(now);
        while !idle.is_empty() && !debts.is_empty() {
            idle.retain(|id| self.duplicate_request(*id, &mut debts, now));
        }
    }

    /// Asks a source for the block that has been owed the longest of those that are late for it; says whether there is one.
    fn duplicate_request(&mut self, id: SourceId, debts: &mut Vec<OwedBlock>, now: Instant) -> bool {
        let rival = self.sources.get(&id).filter(|_| self.has_room(id)).map(|source| {
            let block_length = self.config.block_length;
            IdleSource::new(id, source, block_length, now)
        });
        let (may_join, is_proven) = (self.may_add_piece(id), self.is_proven(id));
        let place = rival.and_then(|rival| {
            let may_give =
                |piece| may_join || self.active.get(piece).is_some_and(|active| active.has_contributor(id));
            let is_late =
                |debt: &OwedBlock| rival.may_take_over(debt, self.active.is_solo(debt.block.piece), now);
            let may_overtake = |debt: &OwedBlock| {
                (debt.second_source.is_none() || is_proven) && self.may_duplicate(id, debt.source, now)
            };
            debts.iter().position(|debt| may_give(debt.block.piece) && is_late(debt) && may_overtake(debt))
        });
        let Some(place) = place else { return false };
        let debt = debts.remove(place);
        if let Some(second) = debt.second_source {
            self.active.released(second, debt.block);
            self.actions.push_back(SwarmAction::Cancel { source: second, block: debt.block });
        }
        self.request(id, debt.block, now);
        true
    }

    /// Returns the blocks that may be late, the oldest first: those that one source alone owes, and those that two sources owe of
    /// which neither has given a right piece yet. Both may trickle.
    fn owed_blocks(&self, now: Instant) -> Vec<OwedBlock> {
        let is_endgame = self.is_endgame();
        let mut debts = Vec::new();
        for (debtor, source) in &self.sources {
            let is_snubbed = source.is_snubbing(now);
            if !is_snubbed && !is_endgame {
                continue;
            }
            let takes = source.time_for(source.bytes_owed(), now);
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
                    time_needed: takes,
                });
            }
        }
        debts.sort_by_key(|debt| (debt.since, debt.block));
        debts
    }
}

impl<'a> IdleSource<'a> {
    fn new(id: SourceId, source: &'a SwarmSource, block_length: u32, now: Instant) -> Self {
        let shortest = source.window.min_block_time();
        let patience = shortest.map_or(SNUB_TIMEOUT, |shortest| MIN_TIME_OWED.max(shortest * 3));
        let measured = source.time_for(source.bytes_owed() + u64::from(block_length), now);
        // The rate of a source that had nothing to do says nothing of how fast it is.
        let alone = shortest.unwrap_or(SNUB_TIMEOUT).as_secs_f64();
        let takes = if source.owes() { measured } else { measured.min(alone) };
        Self { id, source, max_wait: patience, time_needed: takes }
    }

    fn may_take_over(&self, debt: &OwedBlock, is_solo: bool, now: Instant) -> bool {
        if debt.source == self.id
            || !self.source.may_supply(debt.block.piece)
            || self.source.owes_block(debt.block)
        {
            return false;
        }
        // A piece that one source shall fill alone is left to it for longer, but not for ever.
        let patience = if is_solo { self.max_wait.max(STALL_TIMEOUT) } else { self.max_wait };
        let is_overdue = now.saturating_duration_since(debt.since) >= patience;
        debt.is_snubbed || (is_overdue && debt.time_needed >= self.time_needed * 2.0)
    }
}
