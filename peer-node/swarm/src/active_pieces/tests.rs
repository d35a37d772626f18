//! Active pieces compared with a model that scans every block.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const BLOCK: u32 = 4;
const SOURCES: u32 = 3;

/// An event for a piece in progress; numbers are taken modulo what exists.
#[derive(Debug, Clone)]
enum ActiveStep {
    Open(u32),
    Ask(u32, usize, u32),
    Arrive(u32, usize, u32),
    Release(u32, usize, u32),
    Finish(u32),
    DropStranded(u64),
}

fn steps() -> impl Strategy<Value = Vec<ActiveStep>> {
    let at = || (0u32..4, 0usize..3, 0..SOURCES);
    let step = prop_oneof![
        (0u32..4).prop_map(ActiveStep::Open),
        at().prop_map(|(piece, block, source)| ActiveStep::Ask(piece, block, source)),
        at().prop_map(|(piece, block, source)| ActiveStep::Arrive(piece, block, source)),
        at().prop_map(|(piece, block, source)| ActiveStep::Release(piece, block, source)),
        (0u32..4).prop_map(ActiveStep::Finish),
        (0u64..30).prop_map(ActiveStep::DropStranded),
    ];
    prop::collection::vec(step, 0..80)
}

/// Which sources owe a block, and which one sent it.
#[derive(Debug, Clone, Default)]
struct KnownBlock {
    owing: BTreeSet<SourceId>,
    received_from: Option<SourceId>,
}

type ActiveModel = BTreeMap<PieceIndex, BTreeMap<Block, KnownBlock>>;

fn is_wanted(known: &KnownBlock) -> bool {
    known.received_from.is_none() && known.owing.is_empty()
}

fn is_moving(blocks: &BTreeMap<Block, KnownBlock>) -> bool {
    blocks.values().all(|known| known.received_from.is_some())
        || blocks.values().any(|known| !known.owing.is_empty())
}

fn bytes(model: &ActiveModel, moving: bool) -> u64 {
    let pieces = model.values().filter(|blocks| is_moving(blocks) == moving);
    pieces.flat_map(BTreeMap::keys).map(|block| u64::from(block.length)).sum()
}

proptest! {
    #[test]
    fn counters_match_a_full_count(steps in steps()) {
        // Four pieces: three of three blocks, and a short one of two blocks, the second of which is short.
        let geometry = Geometry::new(3 * 12 + 6, 12).unwrap();
        let (mut active, mut model) = (ActivePieces::default(), ActiveModel::new());
        for step in steps {
            play(&geometry, &mut active, &mut model, &step)?;
            prop_assert_eq!(active.moving_bytes(), bytes(&model, true));
            prop_assert_eq!(active.stranded_bytes, bytes(&model, false));
            prop_assert_eq!(active.pieces().collect::<Vec<_>>(), model.keys().copied().collect::<Vec<_>>());
            for (piece, blocks) in &model {
                let known = active.get(*piece).unwrap();
                let wanted = blocks.iter().find(|(_, known)| is_wanted(known)).map(|(block, _)| *block);
                prop_assert_eq!(known.first_wanted(), wanted);
                prop_assert_eq!(active.open_pieces().any(|open| open.index() == *piece), wanted.is_some());
                let sources: BTreeSet<SourceId> =
                    blocks.values().flat_map(|known| known.received_from.into_iter().chain(known.owing.iter().copied())).collect();
                prop_assert_eq!(known.contributors().collect::<BTreeSet<_>>(), sources);
                for (block, known) in blocks {
                    for source in (0..SOURCES).map(SourceId) {
                        let owes = known.owing.contains(&source);
                        prop_assert_eq!(active.is_requested(source, *block), owes);
                        let is_alone = active.owing_sources(*block) == Some((source, None));
                        prop_assert_eq!(is_alone, owes && known.owing.len() == 1);
                    }
                }
            }
        }
    }
}

fn play(
    geometry: &Geometry,
    active: &mut ActivePieces,
    model: &mut ActiveModel,
    step: &ActiveStep,
) -> Result<(), TestCaseError> {
    let block_of = |piece: u32, block: usize| {
        let piece = geometry.piece(piece).unwrap();
        let blocks: Vec<Block> = geometry.blocks(piece, BLOCK).collect();
        blocks[block % blocks.len()]
    };
    match *step {
        ActiveStep::Open(piece) => {
            let piece = geometry.piece(piece).unwrap();
            if let Entry::Vacant(vacant) = model.entry(piece) {
                let blocks: Vec<Block> = geometry.blocks(piece, BLOCK).collect();
                let first = active.open(geometry, piece, BLOCK);
                prop_assert_eq!(first, blocks.first().copied());
                vacant.insert(blocks.into_iter().map(|block| (block, KnownBlock::default())).collect());
            }
        }
        ActiveStep::Ask(piece, block, source) => {
            let (block, source) = (block_of(piece, block), SourceId(source));
            let known = model.get_mut(&block.piece).and_then(|blocks| blocks.get_mut(&block));
            if let Some(known) = known.filter(|known| !known.owing.contains(&source)) {
                active.requested(source, block);
                if known.received_from.is_none() && known.owing.len() < 2 {
                    known.owing.insert(source);
                }
            }
        }
        ActiveStep::Arrive(piece, block, source) => {
            arrive(active, model, block_of(piece, block), SourceId(source))?;
        }
        ActiveStep::Release(piece, block, source) => {
            let (block, source) = (block_of(piece, block), SourceId(source));
            let released = active.released(source, block);
            let Some(blocks) = model.get_mut(&block.piece) else { return Ok(()) };
            if let Some(known) = blocks.get_mut(&block) {
                known.owing.remove(&source);
            }
            let is_untouched = blocks.values().all(is_wanted);
            prop_assert_eq!(released, is_untouched.then_some(block.piece));
            if is_untouched {
                model.remove(&block.piece);
            }
        }
        ActiveStep::Finish(piece) => {
            let piece = geometry.piece(piece).unwrap();
            active.finished(piece, true);
            model.remove(&piece);
        }
        ActiveStep::DropStranded(budget) => {
            let stranded = bytes(model, false);
            let dropped = active.drop_stranded(budget);
            prop_assert_eq!(dropped.is_some(), stranded > budget);
            if let Some(piece) = dropped {
                prop_assert!(!is_moving(&model.remove(&piece).unwrap()));
            }
        }
    }
    Ok(())
}

fn arrive(
    active: &mut ActivePieces,
    model: &mut ActiveModel,
    block: Block,
    source: SourceId,
) -> Result<(), TestCaseError> {
    let odd = Block::new(block.piece, block.begin + 1, block.length).unwrap();
    prop_assert_eq!(active.arrived(source, odd), BlockArrival::Unwanted);
    let arrival = active.arrived(source, block);
    let known = model.get_mut(&block.piece).and_then(|blocks| blocks.get_mut(&block));
    let Some(known) = known.filter(|known| known.received_from.is_none()) else {
        prop_assert_eq!(arrival, BlockArrival::Unwanted);
        return Ok(());
    };
    known.received_from = Some(source);
    let BlockArrival::Wanted { also_owed_by } = arrival else { panic!("{block:?} is unwanted") };
    let mut others = std::mem::take(&mut known.owing);
    others.remove(&source);
    prop_assert!(also_owed_by.map_or(others.is_empty(), |other| others.contains(&other)));
    Ok(())
}
