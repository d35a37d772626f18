//! The picker compared with a model that recounts everything at every step.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const PIECES: u32 = 24;

/// An event for a picker; numbers are taken modulo what exists.
#[derive(Debug, Clone)]
enum PickerStep {
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

fn steps() -> impl Strategy<Value = Vec<PickerStep>> {
    let step = prop_oneof![
        any::<u32>().prop_map(PickerStep::Joins),
        any::<usize>().prop_map(PickerStep::Leaves),
        any::<(usize, u32)>().prop_map(|(source, piece)| PickerStep::Gains(source, piece)),
        any::<(usize, u32)>().prop_map(|(source, piece)| PickerStep::Withdraws(source, piece)),
        any::<u32>().prop_map(PickerStep::Take),
        any::<(usize, u32)>().prop_map(|(source, mask)| PickerStep::TakeOf(source, mask)),
        any::<u32>().prop_map(PickerStep::TakeRandom),
        any::<usize>().prop_map(PickerStep::PutBack),
        any::<usize>().prop_map(PickerStep::Done),
    ];
    prop::collection::vec(step, 0..120)
}

struct PickerModel {
    geometry: Geometry,
    sources: Vec<Have>,
    waiting: BTreeSet<PieceIndex>,
    taken: Vec<PieceIndex>,
}

impl PickerModel {
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

    /// Returns the number of incomplete sources that have a piece.
    fn rarity(&self, piece: PieceIndex) -> usize {
        self.sources.iter().filter(|have| !have.is_all() && have.has(piece)).count()
    }

    /// Returns true if the piece may be taken next, given a mask of acceptable pieces.
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

    /// Returns true unless the last piece was acceptable and as rare as the taken one, but not preferred.
    fn prefers_last_piece(&self, taken: Option<PieceIndex>, have: &Have, mask: u32) -> bool {
        let (Some(taken), Some(last)) = (taken, self.geometry.last_piece()) else { return true };
        let could = self.waiting.contains(&last) && have.has(last) && mask >> last.get() & 1 == 1;
        taken == last || !could || self.rarity(last) > self.rarity(taken)
    }
}

proptest! {
    #[test]
    fn picker_matches_the_naive_model(seed: u64, steps in steps()) {
        let geometry = Geometry::new(u64::from(PIECES) << 14, 1 << 14).unwrap();
        let mut picker = Picker::new(&geometry, SeededRandom::from_seed(seed), |_| false);
        let waiting = geometry.pieces().collect();
        let mut model = PickerModel { geometry, sources: Vec::new(), waiting, taken: Vec::new() };
        for step in steps {
            play(&mut picker, &mut model, &step)?;
            prop_assert_eq!(picker.order.len(), model.waiting.len());
        }
    }
}

fn play(picker: &mut Picker, model: &mut PickerModel, step: &PickerStep) -> Result<(), TestCaseError> {
    let at = |place: usize, of: usize| (of > 0).then(|| place % of);
    match *step {
        PickerStep::Joins(mask) => {
            let have = model.have(mask);
            picker.source_joined(&have);
            model.sources.push(have);
        }
        PickerStep::Leaves(place) => {
            if let Some(place) = at(place, model.sources.len()) {
                picker.source_left(&model.sources.swap_remove(place));
            }
        }
        PickerStep::Gains(place, piece) => {
            let piece = model.piece(piece);
            if let Some(place) = at(place, model.sources.len())
                && model.sources[place].insert(piece)
            {
                picker.piece_gained(piece);
            }
        }
        PickerStep::Withdraws(place, piece) => {
            let piece = model.piece(piece);
            if let Some(place) = at(place, model.sources.len()) {
                let have = &mut model.sources[place];
                let was_all = have.is_all();
                if have.remove(piece, &model.geometry) {
                    picker.piece_withdrawn(piece, have, was_all);
                }
            }
        }
        PickerStep::Take(mask) | PickerStep::TakeRandom(mask) => {
            return take(picker, model, &Have::All, mask, matches!(step, PickerStep::Take(_)));
        }
        PickerStep::TakeOf(place, mask) => {
            if let Some(place) = at(place, model.sources.len()) {
                let have = model.sources[place].clone();
                return take(picker, model, &have, mask, true);
            }
        }
        PickerStep::PutBack(place) => {
            if let Some(place) = at(place, model.taken.len()) {
                let piece = model.taken.swap_remove(place);
                picker.put_back(piece);
                model.waiting.insert(piece);
            }
        }
        PickerStep::Done(place) => {
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
    model: &mut PickerModel,
    have: &Have,
    mask: u32,
    rarest: bool,
) -> Result<(), TestCaseError> {
    let fits = |piece: PieceIndex| mask >> piece.get() & 1 == 1;
    let taken = if rarest { picker.take(have, fits) } else { picker.take_random(have, fits) };
    prop_assert!(model.may_follow(taken, have, mask, rarest), "{taken:?} of {:?}", model.waiting);
    prop_assert!(
        !rarest || model.prefers_last_piece(taken, have, mask),
        "the last piece comes before its equals"
    );
    if let Some(taken) = taken {
        model.waiting.remove(&taken);
    }
    model.taken.extend(taken);
    Ok(())
}
