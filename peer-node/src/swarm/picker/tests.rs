//! The picker against a model that counts everything anew at every step.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const PIECES: u32 = 24;

/// What can happen to a picker; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    Joins(u32),
    Leaves(usize),
    Gains(usize, u32),
    Withdraws(usize, u32),
    Take(u32),
    TakeOf(usize, u32),
    TakeRandom(u32),
    PutBack(usize),
    Done(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        any::<u32>().prop_map(Step::Joins),
        any::<usize>().prop_map(Step::Leaves),
        any::<(usize, u32)>().prop_map(|(source, piece)| Step::Gains(source, piece)),
        any::<(usize, u32)>().prop_map(|(source, piece)| Step::Withdraws(source, piece)),
        any::<u32>().prop_map(Step::Take),
        any::<(usize, u32)>().prop_map(|(source, mask)| Step::TakeOf(source, mask)),
        any::<u32>().prop_map(Step::TakeRandom),
        any::<usize>().prop_map(Step::PutBack),
        any::<usize>().prop_map(Step::Done),
    ];
    prop::collection::vec(step, 0..120)
}

struct Model {
    geometry: Geometry,
    sources: Vec<Have>,
    waiting: BTreeSet<PieceIndex>,
    taken: Vec<PieceIndex>,
}

impl Model {
    fn piece(&self, number: u32) -> PieceIndex {
        self.geometry.piece(number % PIECES).unwrap()
    }

    fn have(&self, mask: u32) -> Have {
        if mask.is_multiple_of(4) {
            return Have::All;
        }
        let mut pieces = Bitfield::empty(&self.geometry);
        let fitting = self.geometry.pieces().filter(|piece| mask >> piece.get() & 1 == 1);
        for piece in fitting {
            pieces.insert(piece);
        }
        Have::Some(pieces)
    }

    /// Counts the sources that have a piece and not everything.
    fn rarity(&self, piece: PieceIndex) -> usize {
        self.sources.iter().filter(|have| !have.is_all() && have.has(piece)).count()
    }

    /// Says whether a piece is one that may be taken next under a mask of what is acceptable.
    fn may_follow(&self, taken: Option<PieceIndex>, have: &Have, mask: u32, rarest: bool) -> bool {
        let fits = |piece: PieceIndex| have.has(piece) && mask >> piece.get() & 1 == 1;
        let fitting = || self.waiting.iter().filter(|piece| fits(**piece));
        match taken {
            None => fitting().next().is_none(),
            Some(taken) => {
                let least = fitting().map(|piece| self.rarity(*piece)).min();
                fitting().any(|piece| *piece == taken) && (!rarest || least == Some(self.rarity(taken)))
            }
        }
    }

    /// Says whether no piece was preferred to the last one if that was as rare.
    fn anchors(&self, taken: Option<PieceIndex>, have: &Have, mask: u32) -> bool {
        let (Some(taken), Some(last)) = (taken, self.geometry.last_piece()) else { return true };
        let could = self.waiting.contains(&last) && have.has(last) && mask >> last.get() & 1 == 1;
        taken == last || !could || self.rarity(last) > self.rarity(taken)
    }
}

proptest! {
    #[test]
    fn it_takes_what_a_naive_count_would_take(seed: u64, steps in steps()) {
        let geometry = Geometry::new(u64::from(PIECES) << 14, 1 << 14).unwrap();
        let mut picker = Picker::new(&geometry, Random::from_seed(seed), |_| false);
        let waiting = geometry.pieces().collect();
        let mut model = Model { geometry, sources: Vec::new(), waiting, taken: Vec::new() };
        for step in steps {
            play(&mut picker, &mut model, &step)?;
            prop_assert_eq!(picker.order.len(), model.waiting.len());
        }
    }
}

fn play(picker: &mut Picker, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
    let at = |place: usize, of: usize| (of > 0).then(|| place % of);
    match *step {
        Step::Joins(mask) => {
            let have = model.have(mask);
            picker.source_joined(&have);
            model.sources.push(have);
        }
        Step::Leaves(place) => {
            if let Some(place) = at(place, model.sources.len()) {
                picker.source_left(&model.sources.swap_remove(place));
            }
        }
        Step::Gains(place, piece) => {
            let piece = model.piece(piece);
            if let Some(place) = at(place, model.sources.len())
                && model.sources[place].insert(piece)
            {
                picker.piece_gained(piece);
            }
        }
        Step::Withdraws(place, piece) => {
            let piece = model.piece(piece);
            if let Some(place) = at(place, model.sources.len()) {
                let have = &mut model.sources[place];
                let was_all = have.is_all();
                if have.remove(piece, &model.geometry) {
                    picker.piece_withdrawn(piece, have, was_all);
                }
            }
        }
        Step::Take(mask) | Step::TakeRandom(mask) => {
            return take(picker, model, &Have::All, mask, matches!(step, Step::Take(_)));
        }
        Step::TakeOf(place, mask) => {
            if let Some(place) = at(place, model.sources.len()) {
                let have = model.sources[place].clone();
                return take(picker, model, &have, mask, true);
            }
        }
        Step::PutBack(place) => {
            if let Some(place) = at(place, model.taken.len()) {
                let piece = model.taken.swap_remove(place);
                picker.put_back(piece);
                model.waiting.insert(piece);
            }
        }
        Step::Done(place) => {
            if let Some(place) = at(place, model.taken.len()) {
                let piece = model.taken.swap_remove(place);
                picker.piece_done(piece);
                prop_assert!(picker.is_done(piece));
            }
        }
    }
    Ok(())
}

fn take(
    picker: &mut Picker,
    model: &mut Model,
    have: &Have,
    mask: u32,
    rarest: bool,
) -> Result<(), TestCaseError> {
    let fits = |piece: PieceIndex| mask >> piece.get() & 1 == 1;
    let taken = if rarest { picker.take(have, fits) } else { picker.take_random(have, fits) };
    prop_assert!(model.may_follow(taken, have, mask, rarest), "{taken:?} of {:?}", model.waiting);
    prop_assert!(!rarest || model.anchors(taken, have, mask), "the last goes before its equals");
    if let Some(taken) = taken {
        model.waiting.remove(&taken);
    }
    model.taken.extend(taken);
    Ok(())
}
