//! Blocks that come too late, and are asked of a second source.

use std::time::{Duration, Instant};

use protocol::geometry::Block;

use super::source::{LeaveReason, Source, SourceId};
use super::{Action, SNUB_AFTER, STALL_AFTER, Swarm};

/// A block owed for less than this is not asked of a second source, however fast that one is.
const PATIENCE: Duration = Duration::from_millis(100);

/// A block that one source owes, and that may be late.
#[derive(Debug)]
struct Debt {
    block: Block,
    debtor: SourceId,
    since: Instant,
    /// A second source that owes it too, when neither has given a right piece yet.
    second: Option<SourceId>,
    /// Whether the debtor sends nothing.
    is_snubbed: bool,
    /// How many seconds the debtor takes for all that it owes.
    takes: f64,
}

/// A source that has nothing else to do.
#[derive(Debug)]
struct Rival<'a> {
    id: SourceId,
    source: &'a Source,
    /// How long it waits for another before it steps in.
    patience: Duration,
    /// How many seconds it takes for one block more.
    takes: f64,
}

impl Swarm {
    /// Leaves the sources that send nothing for too long.
    pub(super) fn leave_stalled(&mut self, now: Instant) {
        let is_stalled = |source: &Source| {
            let silent = source.silent_for(now);
            silent >= STALL_AFTER || (silent >= SNUB_AFTER && self.is_needless(source))
        };
        let stalled = self.sources.iter().filter(|(_, source)| is_stalled(source));
        let stalled: Vec<SourceId> = stalled.map(|(id, _)| *id).collect();
        for id in stalled {
            self.leave(id, LeaveReason::Stalled);
        }
    }

    /// Asks the sources that have nothing else to do, in turn, for what others owe for too long.
    pub(super) fn overtake(&mut self, now: Instant) {
        let mut idle = self.turns.idle();
        if idle.is_empty() {
            return;
        }
        let mut debts = self.debts(now);
        while !idle.is_empty() && !debts.is_empty() {
            idle.retain(|id| self.step_in(*id, &mut debts, now));
        }
    }

    /// Asks a source for the block that has been owed the longest of those that are late for it; says whether there is one.
    fn step_in(&mut self, id: SourceId, debts: &mut Vec<Debt>, now: Instant) -> bool {
        let rival = self.sources.get(&id).filter(|_| self.has_room(id)).map(|source| {
            let block_length = self.config.block_length;
            Rival::new(id, source, block_length, now)
        });
        let (may_join, is_proven) = (self.may_join(id), self.is_proven(id));
        let place = rival.and_then(|rival| {
            let may_give =
                |piece| may_join || self.active.get(piece).is_some_and(|active| active.is_given_by(id));
            let is_late = |debt: &Debt| rival.steps_in(debt, self.active.is_solo(debt.block.piece), now);
            let may_overtake =
                |debt: &Debt| (debt.second.is_none() || is_proven) && self.may_overtake(id, debt.debtor, now);
            debts.iter().position(|debt| may_give(debt.block.piece) && is_late(debt) && may_overtake(debt))
        });
        let Some(place) = place else { return false };
        let debt = debts.remove(place);
        if let Some(second) = debt.second {
            self.active.released(second, debt.block);
            self.queue.push_back(Action::Cancel { source: second, block: debt.block });
        }
        self.request(id, debt.block, now);
        true
    }

    /// Returns the blocks that may be late, the oldest first: those that one source alone owes, and those that two sources owe of
    /// which neither has given a right piece yet. Both may trickle.
    fn debts(&self, now: Instant) -> Vec<Debt> {
        let is_endgame = self.is_endgame();
        let mut debts = Vec::new();
        for (debtor, source) in &self.sources {
            let is_snubbed = source.is_snubbing(now);
            if !is_snubbed && !is_endgame {
                continue;
            }
            let takes = source.time_for(source.bytes_owed(), now);
            let is_old = |since: Instant| is_snubbed || now.saturating_duration_since(since) >= PATIENCE;
            for (block, since) in source.owed().filter(|(_, since)| is_old(*since)) {
                let second = match self.active.debtors(block) {
                    Some((first, None)) if first == *debtor => None,
                    Some((first, Some(second)))
                        if first == *debtor && ![first, second].iter().any(|id| self.is_proven(*id)) =>
                    {
                        Some(second)
                    }
                    _ => continue,
                };
                debts.push(Debt { block, debtor: *debtor, since, second, is_snubbed, takes });
            }
        }
        debts.sort_by_key(|debt| (debt.since, debt.block));
        debts
    }
}

impl<'a> Rival<'a> {
    fn new(id: SourceId, source: &'a Source, block_length: u32, now: Instant) -> Self {
        let shortest = source.pace.shortest();
        let patience = shortest.map_or(SNUB_AFTER, |shortest| PATIENCE.max(shortest * 3));
        let measured = source.time_for(source.bytes_owed() + u64::from(block_length), now);
        // The rate of a source that had nothing to do says nothing of how fast it is.
        let alone = shortest.unwrap_or(SNUB_AFTER).as_secs_f64();
        let takes = if source.owes() { measured } else { measured.min(alone) };
        Self { id, source, patience, takes }
    }

    fn steps_in(&self, debt: &Debt, is_solo: bool, now: Instant) -> bool {
        if debt.debtor == self.id
            || !self.source.may_give(debt.block.piece)
            || self.source.is_owing(debt.block)
        {
            return false;
        }
        // A piece that one source shall fill alone is left to it for longer, but not for ever.
        let patience = if is_solo { self.patience.max(STALL_AFTER) } else { self.patience };
        let is_overdue = now.saturating_duration_since(debt.since) >= patience;
        debt.is_snubbed || (is_overdue && debt.takes >= self.takes * 2.0)
    }
}
