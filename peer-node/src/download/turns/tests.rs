use proptest::prelude::*;

use super::*;

fn id(number: u32) -> DownloadId {
    DownloadId(number)
}

/// Every third download of the property test is a small one.
fn load(number: u32) -> Load {
    if number.is_multiple_of(3) { Load::Small } else { Load::Full }
}

fn turns(places: usize, downloads: u32) -> Turns {
    let mut turns = Turns::new(places);
    for number in 1..=downloads {
        turns.join(id(number), Priority::Normal, Load::Full, false);
    }
    turns
}

fn begun(turns: &mut Turns) -> Vec<u32> {
    std::iter::from_fn(|| turns.poll()).map(|id| id.0).collect()
}

fn order(turns: &Turns) -> Vec<u32> {
    turns.waiting().map(|id| id.0).collect()
}

#[test]
fn so_many_fetch_and_the_others_wait_in_the_order_of_their_arrival() {
    let mut turns = turns(2, 5);
    assert_eq!(begun(&mut turns), [1, 2]);
    assert_eq!(order(&turns), [3, 4, 5]);
    turns.leave(id(1));
    assert_eq!(begun(&mut turns), [3]);
}

#[test]
fn a_paused_download_gives_its_place_to_the_next_and_resumes_where_it_stood() {
    let mut turns = turns(1, 3);
    begun(&mut turns);
    assert!(turns.pause(id(1)) && !turns.pause(id(1)));
    assert_eq!(begun(&mut turns), [2]);
    assert!(turns.resume(id(1)) && !turns.resume(id(1)));
    assert_eq!((begun(&mut turns), order(&turns)), (vec![], vec![1, 3]));
}

#[test]
fn priorities_order_those_that_wait_and_take_nobodys_turn() {
    let mut turns = turns(1, 4);
    begun(&mut turns);
    assert!(turns.prioritise(id(4), Priority::High) && !turns.prioritise(id(4), Priority::High));
    assert!(turns.prioritise(id(2), Priority::Low));
    assert_eq!((begun(&mut turns), order(&turns)), (vec![], vec![4, 3, 2]));
    turns.prioritise(id(1), Priority::Low);
    assert_eq!(turns.turn(id(1)), Some(Turn::Here));
}

#[test]
fn who_stood_aside_comes_back_behind_those_that_wait() {
    let mut turns = turns(1, 3);
    begun(&mut turns);
    turns.stand_aside(id(1));
    assert_eq!(begun(&mut turns), [2]);
    turns.come_back(id(1));
    assert_eq!(order(&turns), [3, 1]);
    turns.stand_aside(id(3));
    turns.stand_aside(id(1));
    turns.go_on(id(1));
    turns.go_on(id(3));
    assert_eq!(order(&turns), [3, 1]);
    turns.pause(id(1));
    turns.come_back(id(1));
    assert_eq!(turns.turn(id(1)), Some(Turn::Paused));
}

#[test]
fn small_ones_share_a_place_and_none_overtakes_a_large_one_that_waits() {
    let mut turns = turns(1, 0);
    for (number, load) in [(1, Load::Small), (2, Load::Small), (3, Load::Full), (4, Load::Small)] {
        turns.join(id(number), Priority::Normal, load, false);
    }
    assert_eq!(begun(&mut turns), [1, 2]);
    turns.leave(id(1));
    turns.leave(id(2));
    assert_eq!(begun(&mut turns), [3]);
    turns.leave(id(3));
    assert_eq!(begun(&mut turns), [4]);
}

#[test]
fn one_always_may_fetch() {
    assert_eq!(begun(&mut turns(0, 2)), [1]);
}

#[derive(Debug, Clone)]
enum Step {
    Join(Priority, bool),
    Leave,
    Pause,
    Resume,
    Aside,
    Back,
    Prioritise(Priority),
}

fn steps() -> impl Strategy<Value = Vec<(u32, Step)>> {
    let priority = prop_oneof![Just(Priority::High), Just(Priority::Normal), Just(Priority::Low)];
    let step = prop_oneof![
        4 => (priority.clone(), any::<bool>()).prop_map(|(priority, paused)| Step::Join(priority, paused)),
        2 => Just(Step::Leave),
        2 => Just(Step::Pause),
        2 => Just(Step::Resume),
        1 => Just(Step::Aside),
        1 => Just(Step::Back),
        2 => priority.prop_map(Step::Prioritise),
    ];
    prop::collection::vec((1..12_u32, step), 0..80)
}

/// The same queue without any cleverness: a list that is looked through from its beginning.
#[derive(Debug, Default)]
struct Model {
    /// In the order of arrival.
    downloads: Vec<(u32, Priority, Turn)>,
}

impl Model {
    fn find(&mut self, number: u32) -> Option<&mut (u32, Priority, Turn)> {
        self.downloads.iter_mut().find(|(other, _, _)| *other == number)
    }

    fn apply(&mut self, number: u32, step: &Step) {
        match step {
            Step::Join(priority, is_paused) => {
                self.downloads.retain(|(other, _, _)| *other != number);
                let turn = if *is_paused { Turn::Paused } else { Turn::Waiting };
                self.downloads.push((number, *priority, turn));
            }
            Step::Leave => self.downloads.retain(|(other, _, _)| *other != number),
            Step::Back => {
                let back = self
                    .downloads
                    .iter()
                    .position(|(other, _, turn)| *other == number && *turn == Turn::Aside);
                if let Some(at) = back {
                    let (_, priority, _) = self.downloads.remove(at);
                    self.downloads.push((number, priority, Turn::Waiting));
                }
            }
            other => {
                let Some((_, priority, turn)) = self.find(number) else { return };
                match (other, *turn) {
                    (Step::Pause, _) => *turn = Turn::Paused,
                    (Step::Resume, Turn::Paused | Turn::Aside) => *turn = Turn::Waiting,
                    (Step::Aside, Turn::Here | Turn::Waiting) => *turn = Turn::Aside,
                    (Step::Prioritise(new), _) => *priority = *new,
                    _ => {}
                }
            }
        }
    }

    /// Counts the quarters of places that are taken.
    fn taken(&self) -> usize {
        let here = self.downloads.iter().filter(|(_, _, turn)| *turn == Turn::Here);
        here.map(|(number, _, _)| load(*number).quarters()).sum()
    }

    fn next(&mut self, places: usize) -> Option<u32> {
        let taken = self.taken();
        let waiting = self.downloads.iter_mut().filter(|(_, _, turn)| *turn == Turn::Waiting);
        // Of equals the first is the least.
        let (number, _, turn) = waiting.min_by_key(|(_, priority, _)| *priority)?;
        if taken + load(*number).quarters() > places * 4 {
            return None;
        }
        *turn = Turn::Here;
        Some(*number)
    }
}

proptest! {
    #[test]
    fn turns_come_as_in_the_plain_queue(places in 1..5_usize, steps in steps()) {
        let (mut turns, mut model) = (Turns::new(places), Model::default());
        for (number, step) in steps {
            model.apply(number, &step);
            let id = id(number);
            match step {
                Step::Join(priority, is_paused) => turns.join(id, priority, load(number), is_paused),
                Step::Leave => turns.leave(id),
                Step::Pause => _ = turns.pause(id),
                Step::Resume => _ = turns.resume(id),
                Step::Aside => turns.stand_aside(id),
                Step::Back => turns.come_back(id),
                Step::Prioritise(priority) => _ = turns.prioritise(id, priority),
            }
            let expected: Vec<u32> = std::iter::from_fn(|| model.next(places)).collect();
            prop_assert_eq!(begun(&mut turns), expected);
            for (number, _, turn) in &model.downloads {
                prop_assert_eq!(turns.turn(DownloadId(*number)), Some(*turn));
            }
            prop_assert!(model.taken() <= places * 4 && turns.is_idle() == (model.taken() == 0));
        }
    }
}
