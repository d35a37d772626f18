use proptest::prelude::*;

use super::*;

fn id(number: u32) -> DownloadId {
    DownloadId(number)
}

/// Every third download of the property test is small.
fn load(number: u32) -> SlotLoad {
    if number.is_multiple_of(3) { SlotLoad::Small } else { SlotLoad::Full }
}

fn scheduler(places: usize, downloads: u32) -> DownloadScheduler {
    let mut queue = DownloadScheduler::new(places);
    for number in 1..=downloads {
        queue.join(id(number), Priority::Normal, SlotLoad::Full, false);
    }
    queue
}

fn activate_all(queue: &mut DownloadScheduler) -> Vec<u32> {
    std::iter::from_fn(|| queue.poll()).map(|id| id.0).collect()
}

fn waiting_order(queue: &DownloadScheduler) -> Vec<u32> {
    queue.waiting().map(|id| id.0).collect()
}

#[test]
fn downloads_beyond_the_limit_wait_in_order_of_arrival() {
    let mut queue = scheduler(2, 5);
    assert_eq!(activate_all(&mut queue), [1, 2]);
    assert_eq!(waiting_order(&queue), [3, 4, 5]);
    queue.leave(id(1));
    assert_eq!(activate_all(&mut queue), [3]);
}

#[test]
fn paused_download_yields_and_keeps_its_position() {
    let mut queue = scheduler(1, 3);
    activate_all(&mut queue);
    assert!(queue.pause(id(1)) && !queue.pause(id(1)));
    assert_eq!(activate_all(&mut queue), [2]);
    assert!(queue.resume(id(1)) && !queue.resume(id(1)));
    assert_eq!((activate_all(&mut queue), waiting_order(&queue)), (vec![], vec![1, 3]));
}

#[test]
fn priorities_reorder_only_waiting_downloads() {
    let mut queue = scheduler(1, 4);
    activate_all(&mut queue);
    assert!(queue.prioritise(id(4), Priority::High) && !queue.prioritise(id(4), Priority::High));
    assert!(queue.prioritise(id(2), Priority::Low));
    assert_eq!((activate_all(&mut queue), waiting_order(&queue)), (vec![], vec![4, 3, 2]));
    queue.prioritise(id(1), Priority::Low);
    assert_eq!(queue.state(id(1)), Some(QueueState::Active));
}

#[test]
fn blocked_download_rejoins_at_the_end() {
    let mut queue = scheduler(1, 3);
    activate_all(&mut queue);
    queue.yield_slot(id(1));
    assert_eq!(activate_all(&mut queue), [2]);
    queue.rejoin_at_end(id(1));
    assert_eq!(waiting_order(&queue), [3, 1]);
    queue.yield_slot(id(3));
    queue.yield_slot(id(1));
    queue.rejoin_in_place(id(1));
    queue.rejoin_in_place(id(3));
    assert_eq!(waiting_order(&queue), [3, 1]);
    queue.pause(id(1));
    queue.rejoin_at_end(id(1));
    assert_eq!(queue.state(id(1)), Some(QueueState::Paused));
}

#[test]
fn small_downloads_share_a_slot_and_never_overtake() {
    let mut queue = scheduler(1, 0);
    for (number, load) in
        [(1, SlotLoad::Small), (2, SlotLoad::Small), (3, SlotLoad::Full), (4, SlotLoad::Small)]
    {
        queue.join(id(number), Priority::Normal, load, false);
    }
    assert_eq!(activate_all(&mut queue), [1, 2]);
    queue.leave(id(1));
    queue.leave(id(2));
    assert_eq!(activate_all(&mut queue), [3]);
    queue.leave(id(3));
    assert_eq!(activate_all(&mut queue), [4]);
}

#[test]
fn one_download_may_always_fetch() {
    assert_eq!(activate_all(&mut scheduler(0, 2)), [1]);
}

#[derive(Debug, Clone)]
enum QueueStep {
    Join(Priority, bool),
    Leave,
    Pause,
    Resume,
    Yield,
    Rejoin,
    Prioritise(Priority),
}

fn steps() -> impl Strategy<Value = Vec<(u32, QueueStep)>> {
    let priority = prop_oneof![Just(Priority::High), Just(Priority::Normal), Just(Priority::Low)];
    let step = prop_oneof![
        4 => (priority.clone(), any::<bool>()).prop_map(|(priority, paused)| QueueStep::Join(priority, paused)),
        2 => Just(QueueStep::Leave),
        2 => Just(QueueStep::Pause),
        2 => Just(QueueStep::Resume),
        1 => Just(QueueStep::Yield),
        1 => Just(QueueStep::Rejoin),
        2 => priority.prop_map(QueueStep::Prioritise),
    ];
    prop::collection::vec((1..12_u32, step), 0..80)
}

/// A naive model of the queue: a list that is searched from the beginning.
#[derive(Debug, Default)]
struct QueueModel {
    /// In order of arrival.
    downloads: Vec<(u32, Priority, QueueState)>,
}

impl QueueModel {
    fn find(&mut self, number: u32) -> Option<&mut (u32, Priority, QueueState)> {
        self.downloads.iter_mut().find(|(other, _, _)| *other == number)
    }

    fn apply(&mut self, number: u32, step: &QueueStep) {
        match step {
            QueueStep::Join(priority, is_paused) => {
                self.downloads.retain(|(other, _, _)| *other != number);
                let turn = if *is_paused { QueueState::Paused } else { QueueState::Waiting };
                self.downloads.push((number, *priority, turn));
            }
            QueueStep::Leave => self.downloads.retain(|(other, _, _)| *other != number),
            QueueStep::Rejoin => {
                let back = self
                    .downloads
                    .iter()
                    .position(|(other, _, turn)| *other == number && *turn == QueueState::Blocked);
                if let Some(at) = back {
                    let (_, priority, _) = self.downloads.remove(at);
                    self.downloads.push((number, priority, QueueState::Waiting));
                }
            }
            other => {
                let Some((_, priority, turn)) = self.find(number) else { return };
                match (other, *turn) {
                    (QueueStep::Pause, _) => *turn = QueueState::Paused,
                    (QueueStep::Resume, QueueState::Paused | QueueState::Blocked) => {
                        *turn = QueueState::Waiting;
                    }
                    (QueueStep::Yield, QueueState::Active | QueueState::Waiting) => {
                        *turn = QueueState::Blocked;
                    }
                    (QueueStep::Prioritise(new), _) => *priority = *new,
                    _ => {}
                }
            }
        }
    }

    /// Returns the number of slot quarters in use.
    fn taken(&self) -> usize {
        let here = self.downloads.iter().filter(|(_, _, turn)| *turn == QueueState::Active);
        here.map(|(number, _, _)| load(*number).quarters()).sum()
    }

    fn next(&mut self, places: usize) -> Option<u32> {
        let taken = self.taken();
        let waiting = self.downloads.iter_mut().filter(|(_, _, turn)| *turn == QueueState::Waiting);
        // Of equal priorities, the first one wins.
        let (number, _, turn) = waiting.min_by_key(|(_, priority, _)| *priority)?;
        if taken + load(*number).quarters() > places * 4 {
            return None;
        }
        *turn = QueueState::Active;
        Some(*number)
    }
}

proptest! {
    #[test]
    fn scheduler_matches_the_model(places in 1..5_usize, steps in steps()) {
        let (mut queue, mut model) = (DownloadScheduler::new(places), QueueModel::default());
        for (number, step) in steps {
            model.apply(number, &step);
            let id = id(number);
            match step {
                QueueStep::Join(priority, is_paused) => queue.join(id, priority, load(number), is_paused),
                QueueStep::Leave => queue.leave(id),
                QueueStep::Pause => _ = queue.pause(id),
                QueueStep::Resume => _ = queue.resume(id),
                QueueStep::Yield => queue.yield_slot(id),
                QueueStep::Rejoin => queue.rejoin_at_end(id),
                QueueStep::Prioritise(priority) => _ = queue.prioritise(id, priority),
            }
            let expected: Vec<u32> = std::iter::from_fn(|| model.next(places)).collect();
            prop_assert_eq!(activate_all(&mut queue), expected);
            for (number, _, turn) in &model.downloads {
                prop_assert_eq!(queue.state(DownloadId(*number)), Some(*turn));
            }
            prop_assert!(model.taken() <= places * 4 && queue.is_idle() == (model.taken() == 0));
        }
    }
}
